"""Flags in both spellings, in any place, out of files; and what is refused."""

import pytest

from minicaffe.cli.flags import CAFFES, Parser
from minicaffe.cli.main import split
from minicaffe.errors import FileError, ParamError
from minicaffe.tools.flags import names


def parser():
    made = Parser("train", "Train.", ("solver", "gpu"))
    made.add_argument("solver_file", nargs="?")
    made.add_boolean("allow_nan")
    return made


@pytest.mark.parametrize(
    "words",
    [
        ["-solver", "a.prototxt", "-gpu", "0"],
        ["-solver=a.prototxt", "-gpu=0"],
        ["--solver", "a.prototxt", "--gpu", "0"],
        ["--solver=a.prototxt", "--gpu=0"],
        ["--gpu=0", "-solver", "a.prototxt"],
    ],
)
def test_spellings(words):
    flags = parser().read(words)
    assert (flags.solver, flags.gpu, flags.solver_file) == ("a.prototxt", "0", None)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("-allow_nan", True),
        ("--allow_nan", True),
        ("-allow_nan=true", True),
        ("--allow_nan=1", True),
        ("-noallow_nan", False),
        ("-allow_nan=false", False),
        ("--allow_nan=no", False),
    ],
)
def test_booleans_take_no_word_of_their_own(word, expected):
    flags = parser().read([word, "a.prototxt"])
    assert (flags.allow_nan, flags.solver_file) == (expected, "a.prototxt")


def test_flags_stand_in_any_place():
    made = parser()
    made.add_argument("state", nargs="?")
    for words in (["a", "b", "-gpu", "0"], ["a", "-gpu", "0", "b"], ["-gpu=0", "a", "b"], ["a", "-gpu=0", "b"]):
        flags = made.read(words)
        assert (flags.solver_file, flags.state, flags.gpu) == ("a", "b", "0")


def test_defaults():
    flags = parser().read([])
    assert [getattr(flags, name) for name in CAFFES] == [None, None, None, None, None, 50, None, None, None, None, None]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-sover", "x"], "unknown command line flag 'sover'; do you mean --solver?"),
        (["--zzz=1"], "unknown command line flag 'zzz'; minicaffe train -help lists all flags"),
        (["a.prototxt", "b.prototxt"], "one argument too many: 'b.prototxt'"),
        (["-iterations", "many"], "invalid int32 value: 'many'"),
        (["-level=1.5"], "invalid int32 value: '1.5'"),
        (["-phase", "VAL"], "invalid choice: 'VAL'"),
        (["-allow_nan=perhaps"], "illegal value 'perhaps' for the flag 'allow_nan', which is true or false"),
        (["-solver"], "expected one argument"),
        (["-solv", "a.prototxt"], "unknown command line flag 'solv'"),
    ],
)
def test_what_is_refused(words, text):
    with pytest.raises(ParamError) as caught:
        parser().read(words)
    assert text in str(caught.value)
    assert str(caught.value).endswith("minicaffe train -help lists all flags")


def test_negative_numbers_are_values():
    assert parser().read(["-level", "-3"]).level == -3


def test_help_shows_what_the_command_uses(capsys):
    with pytest.raises(SystemExit) as caught:
        parser().read(["-help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "--solver" in shown and "--gpu" in shown
    assert "--iterations" not in shown


def test_flag_files(tmp_path):
    path = tmp_path / "flags"
    path.write_text("# of a run\n-gpu=0\n\n  --solver 'a b.prototxt'\n")
    for words in ([f"-flagfile={path}"], ["--flagfile", str(path)]):
        flags = parser().read([*words, "-allow_nan"])
        assert (flags.gpu, flags.solver, flags.allow_nan) == ("0", "a b.prototxt", True)
    with pytest.raises(FileError, match="absent: cannot be read as a file of flags"):
        parser().read([f"-flagfile={tmp_path}/absent"])


def test_flag_files_within_flag_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").write_text("-gpu=0")
    (tmp_path / "outer").write_text("-flagfile inner\n-level 2")
    flags = parser().read(["-flagfile", "outer", "-flagfile", "", "-flagfile="])
    assert (flags.gpu, flags.level) == ("0", 2)
    (tmp_path / "inner").write_text("-flagfile=outer")
    with pytest.raises(FileError, match=r"^outer: is a file of flags that names itself with -flagfile; take"):
        parser().read(["-flagfile", "outer"])


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        (b"-gpu=0\n-stage it's", r"^flags:2: No closing quotation; where a quote is part of a value, put a backslash"),
        (b"-stage \xff", r"^flags: cannot be read as a file of flags: is no text \(UTF-8\)"),
        (None, "^flags: cannot be read as a file of flags: is a directory"),
    ],
)
def test_flag_files_that_cannot_be(tmp_path, monkeypatch, contents, text):
    monkeypatch.chdir(tmp_path)
    if contents is None:
        (tmp_path / "flags").mkdir()
    else:
        (tmp_path / "flags").write_bytes(contents)
    with pytest.raises(FileError, match=text):
        parser().read(["-flagfile=flags"])
    with pytest.raises(ParamError, match=r"^argument --flagfile: expected one argument, a file of flags"):
        parser().read(["a.prototxt", "-flagfile"])


def test_an_unknown_flag_counts_for_more_than_a_missing_argument():
    made = Parser("x", "X.", ())
    made.add_argument("first")
    with pytest.raises(ParamError, match=r"^unknown command line flag 'no_such'; "):
        made.read(["-no_such"])
    with pytest.raises(ParamError, match=r"^unknown command line flag 'no_such'; "):
        made.read(["--no_such=a b"])
    # Behind a flag, or in its value, such a word may be a value all the same.
    assert made.read(["a", "-solver", "--a b", "--log_file=--b"]).solver == "--a b"


@pytest.mark.parametrize(("text", "entries"), [(None, []), ("", []), ("a", ["a"]), (" a, b ,,c", ["a", "b", "c"])])
def test_lists(text, entries):
    assert names(text) == entries


@pytest.mark.parametrize(
    ("words", "command", "rest"),
    [
        (["train", "-solver", "x"], "train", ["-solver", "x"]),
        (["-solver", "x", "train"], "train", ["-solver", "x"]),
        (["--solver=x", "test", "-gpu", "0"], "test", ["--solver=x", "-gpu", "0"]),
        (["trian", "x"], "trian", ["x"]),
        ([], "", []),
        (["-help"], "", []),
        (["-solver", "x"], "", []),
    ],
)
def test_the_command_may_stand_anywhere(words, command, rest):
    assert split(words) == (command, rest)
