"""minicaffe run: Python as it is, but for `import caffe`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minicaffe.cli import run
from minicaffe.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


def minicaffe_run(folder, *words, **environment):
    """The finished process, started in a folder from which minicaffe is not to be seen."""
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from minicaffe.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "run", *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )


def script(folder, text, name="script.py"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


OLD = """\
import os, sys
from helper import HELP                      # lies beside the script
sys.path.insert(0, "opt/caffe/python")       # where a Caffe lies that was never built
os.environ["GLOG_minloglevel"] = "2"
assert "numpy" not in sys.modules            # what NumPy reads from the environment can still be set
import caffe, minicaffe
assert caffe is minicaffe and __name__ == "__main__" and sys.path[1] == os.path.dirname(os.path.abspath(__file__))
caffe.log("silenced")
print(sys.argv, HELP, flush=True)
def fails():
    raise KeyError("conv1")
fails()
"""


def test_a_script_unedited(tmp_path):
    """Its words, its folder, its exit status, and Python's own traceback."""
    script(tmp_path, "raise ImportError('no _caffe.so')", "opt/caffe/python/caffe/__init__.py")
    script(tmp_path, "HELP = 'found'", "scripts/helper.py")
    script(tmp_path, OLD, "scripts/old.py")
    done = minicaffe_run(tmp_path, "scripts/old.py", "--debug", "-gpu", "-help", "train")
    assert done.stdout == "['scripts/old.py', '--debug', '-gpu', '-help', 'train'] found\n"
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.strip(" ~^")]
    place = str(tmp_path / "scripts" / "old.py")
    expected = ["Traceback (most recent call last):", f'  File "{place}", line 12, in <module>', "    fails()"]
    expected += [f'  File "{place}", line 11, in fails', '    raise KeyError("conv1")', "KeyError: 'conv1'"]
    assert lines == expected


CHILDREN = """\
import multiprocessing, subprocess, sys
import caffe

def phase(_):
    return caffe.TEST

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(phase, [0]) == [1]
    code = "import caffe.io, site_of_mine; from caffe.proto import caffe_pb2; print(caffe.__name__)"
    subprocess.run([sys.executable, "-c", code], check=True)
    sys.exit(7)
"""


def test_processes_that_it_starts(tmp_path):
    """They find caffe, too; and a sitecustomize of the user's own runs as before."""
    folder = tmp_path / "site"
    script(folder, "import sys, types; sys.modules['site_of_mine'] = types.ModuleType('x')", "sitecustomize.py")
    done = minicaffe_run(tmp_path, script(tmp_path, CHILDREN), PYTHONPATH=str(folder))
    assert (done.returncode, done.stdout, done.stderr) == (7, "minicaffe\n", "")


def test_modules_and_what_is_not_there(tmp_path):
    script(tmp_path, "import sys; from caffe import layers as L; print(sys.argv[1:], L.__name__)", "pack/__main__.py")
    done = minicaffe_run(tmp_path, "-m", "pack", "a")
    assert (done.returncode, done.stdout) == (0, "['a'] minicaffe.layers\n")
    done = minicaffe_run(tmp_path, "absent.py")
    assert done.returncode == 2
    assert "can't open file" in done.stderr and "absent.py" in done.stderr


@pytest.mark.parametrize("flag", ["-help", "--help", "-h"])
def test_help(capsys, flag):
    assert main(["run", flag]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: minicaffe run SCRIPT [ARGUMENTS]") and "install_as_caffe()" in shown
    assert max(map(len, shown.splitlines())) <= 120


def test_it_must_be_the_first_word(capsys):
    assert main(["-gpu=0", "run", "script.py"]) == 1
    assert "run must be the first word" in capsys.readouterr().err


def test_where_a_process_cannot_be_replaced(tmp_path, monkeypatch):
    """Windows: it waits for Python, and ends as Python does."""
    path = str(script(tmp_path, "import caffe.proto, sys; sys.exit(caffe.TEST + 4)"))
    monkeypatch.setattr(run.os, "name", "nt")
    assert run.main([path]) == 5


def test_the_path_of_the_environment_is_kept():
    before = {"PYTHONPATH": os.pathsep.join(["/a", "", "/b"]), "HOME": "/h"}
    after = run.environment_with_caffe(before)
    assert after["PYTHONPATH"].split(os.pathsep) == [str(run.STARTUP), "/a", "/b"]
    assert after["HOME"] == "/h" and (run.STARTUP / "sitecustomize.py").is_file()
