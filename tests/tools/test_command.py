"""What every command's main is run in."""

import io
import sys

import numpy as np
import pytest

from minicaffe.tools.command import run_command


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (lambda: np.empty(2**60, np.uint8), "Unable to allocate 1.00 EiB for an array with shape"),
        (lambda: bytearray(2**62), "Python got no more"),
    ],
)
def test_too_little_memory_is_one_line(capsys, wanted, reason):
    assert run_command(lambda _: wanted() and 0, []) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: not enough memory: {reason}")
    assert line.endswith("; take smaller sizes or batches")
    with pytest.raises(MemoryError):
        run_command(lambda _: wanted() and 0, ["--debug"])


# In the C locale Python takes surrogateescape.
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
@pytest.mark.parametrize(("encoding", "shown"), [("ascii", rb"n\xe9t \udcff"), ("utf-8", b"n\xc3\xa9t \\udcff")])
def test_what_the_terminal_has_no_letters_for_is_shown_all_the_same(monkeypatch, encoding, shown, errors):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding, errors))
    assert run_command(lambda _: print("n\u00e9t \udcff", end="") or 0, []) == 0
    assert written.getvalue() == shown
