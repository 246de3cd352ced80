"""What tests of the examples in cells share: an example run in this process, so that a test can ask what it found."""

import runpy
import sys
from pathlib import Path

import pytest

from minicaffe import log

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run_example(script, out, *words):
    """All variables that `python examples/SCRIPT --out OUT WORDS...` ends with, by name.

    script: below examples, "classification/classify.py". Skips where there is no matplotlib.
    """
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")  # draws into files alone
    path = EXAMPLES / script
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(path), "--out", str(out), *map(str, words)])
        patch.syspath_prepend(str(path.parent))
        # Put back in the end, for what comes after: an example may call init_log.
        patch.setattr(log, "_level", log._level)
        patch.setattr(log, "_stderr_level", log._stderr_level)
        try:
            return runpy.run_path(str(path), run_name="__main__")
        finally:
            pyplot.close("all")


def assert_pictures(folder, *names):
    """These PNGs are there, no others, and none is blank."""
    from PIL import Image

    assert sorted(path.name for path in folder.glob("*.png")) == sorted(names)
    for name in names:
        with Image.open(folder / name) as picture:
            darkest, lightest = picture.convert("L").getextrema()
            assert darkest < lightest
