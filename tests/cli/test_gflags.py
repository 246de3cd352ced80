"""What every command does with flags, as gflags has it: -version, -help, unknown flags, values that cannot be."""

import re

import pytest

from minicaffe.cli.main import CAFFES, COMMANDS, main
from minicaffe.layers.base import TEST
from minicaffe.net.net import Net

# Words that a command cannot do without; it refuses its flags before it looks at them.
WORDS = {
    "convert_imageset": ["folder", "list", "db"],
    "convert_mnist_data": ["images", "labels", "db"],
    "convert_mnist_siamese_data": ["images", "labels", "db"],
    "convert_cifar_data": ["folder", "folder", "lmdb"],
    "compute_image_mean": ["db"],
    "extract_features": ["weights", "net", "blob", "db", "1", "lmdb"],
    "upgrade_net_proto_text": ["in", "out"],
    "upgrade_net_proto_binary": ["in", "out"],
    "upgrade_solver_proto_text": ["in", "out"],
    "summary": ["net"],
    "draw_net": ["net", "picture.svg"],
    "parse_log": ["log", "folder"],
    "plot_log": ["log", "-o", "picture.svg"],
}
NET = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }'


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(capsys, *words):
    """The one line that is said to words which are refused."""
    capsys.readouterr()
    assert main(list(words)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-version", "--version", "-version=true"])
def test_version(capsys, command, flag):
    with pytest.raises(SystemExit) as caught:
        main([command, flag])
    assert caught.value.code == 0
    assert re.fullmatch(r"minicaffe version \d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-help", "--help", "-h", "--help=1"])
def test_help(capsys, command, flag):
    with pytest.raises(SystemExit) as caught:
        main([command, flag])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: minicaffe {command} ") and "--debug" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_help_that_is_not_wanted(capsys):
    assert refused(capsys, "time", "-nohelp", "-version=false").startswith("error: Need a model definition")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-no_such_flag=1", "--no_such_flag"])
def test_an_unknown_flag(capsys, command, flag):
    text = "error: unknown command line flag 'no_such_flag'; "
    assert refused(capsys, command, *WORDS.get(command, []), flag) == f"{text}minicaffe {command} -help lists all flags"


@pytest.mark.parametrize("command", COMMANDS)
def test_an_illegal_value_of_a_boolean_flag(capsys, command):
    text = "error: illegal value 'maybe' for the flag 'debug', which is true or false; "
    assert refused(capsys, command, "-debug=maybe") == f"{text}minicaffe {command} -help lists all flags"


ILLEGAL = {
    "iterations": ["many", "1.5", "99999999999", "0x10"],
    "level": ["deep", "2147483648", "-2147483649"],
    "stage": ["\udcff"],
    "phase": ["VAL", "train"],
}


@pytest.mark.parametrize("command", CAFFES)
@pytest.mark.parametrize(("flag", "value"), [(flag, value) for flag, values in ILLEGAL.items() for value in values])
def test_illegal_values_of_caffes_flags(capsys, command, flag, value):
    """Also of those that the command does not use, as in Caffe."""
    text = refused(capsys, command, f"-{flag}={value}")
    shown = value.encode("ascii", "backslashreplace").decode()
    assert text.startswith(f"error: argument --{flag}: invalid ") and shown in text
    assert text.endswith(f"minicaffe {command} -help lists all flags")


@pytest.mark.parametrize("command", CAFFES)
@pytest.mark.parametrize("flag", ["solver", "model", "weights", "snapshot", "gpu", "stage", "level", "iterations"])
def test_a_flag_without_its_value(capsys, command, flag):
    for words in ([f"-{flag}"], [f"--{flag}", "-log_file", "x"]):
        assert refused(capsys, command, *words).startswith(f"error: argument --{flag}: expected one argument; ")


def test_empty_values_are_those_of_flags_not_given(capsys, tmp_path):
    """A script may say -stage "$STAGE" whether or not it has one."""
    (tmp_path / "net.prototxt").write_text(NET)
    words = ["-model", "net.prototxt", "-iterations", "1", "-stage", "", "-gpu", "", "-weights", "", "-snapshot", ""]
    assert main(["time", *words]) == 0
    assert refused(capsys, "time", "-model", "") == "error: Need a model definition to time: --model FILE"


def test_caffes_flags_that_a_command_does_not_use_are_taken(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    words = ["-solver", "s", "-snapshot=x", "--sigint_effect", "none", "-sighup_effect=stop"]
    assert main(["time", "-model", "net.prototxt", "-iterations=1", *words]) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_flags_of_glog_are_taken(capsys, command):
    """They change what is logged, not what is done: the command goes on to refuse what comes behind."""
    glogs = ["-logtostderr=1", "--alsologtostderr", "-nocolorlogtostderr", "-v=1", "-stderrthreshold", "0"]
    text = "error: unknown command line flag 'no_such_flag'; "
    words = WORDS.get(command, [])
    assert refused(capsys, command, *words, *glogs, "-minloglevel=1", "-no_such_flag").startswith(text)
    assert "invalid int32 value: 'x'" in refused(capsys, command, *words, "-minloglevel", "x")


def test_minloglevel_silences_the_log(capsys, tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    assert main(["time", "-model", "net.prototxt", "-iterations=1", "-minloglevel=2"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", CAFFES)
def test_the_log_folder_of_glog_is_a_file_here(capsys, command):
    text = "error: unknown command line flag 'log_dir'; do you mean --log_file?; "
    assert refused(capsys, command, "-log_dir=logs").startswith(text)


# --- -weights of commands that take one file ---------------------------------------------------


@pytest.mark.parametrize("command", ["test", "time"])
def test_one_file_of_weights(capsys, tmp_path, command):
    (tmp_path / "net.prototxt").write_text(NET)
    words = [command, "-model", "net.prototxt", "-iterations", "1"]
    text = "there is no file of that name, and a list of files is for train alone; give one file here"
    assert refused(capsys, *words, "-weights", "a.caffemodel,b") == f"error: --weights a.caffemodel,b: {text}"
    with Net(tmp_path / "net.prototxt", TEST) as net:
        net.save(tmp_path / "a.caffemodel,b")
    assert main([*words, "-weights", "a.caffemodel,b"]) == 0


@pytest.mark.parametrize(("command", "metavar"), [("test", "FILE"), ("time", "FILE"), ("train", "FILE[,FILE]")])
def test_help_says_how_many_files(capsys, command, metavar):
    with pytest.raises(SystemExit):
        main([command, "-help"])
    assert f" --weights {metavar} " in capsys.readouterr().out.replace("\n", " ")
