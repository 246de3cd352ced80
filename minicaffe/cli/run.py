"""minicaffe run: Python, where `import caffe` gives minicaffe. For scripts and notebooks that stay as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from minicaffe import pycaffe

USAGE = """\
usage: minicaffe run SCRIPT [ARGUMENTS]
       minicaffe run -m MODULE [ARGUMENTS]

Run a Python script that says `import caffe`, unedited: it gets minicaffe, whatever Caffe may be installed. All words
are handed to Python as they are, so that -m, -c and -i work, too. Processes that the script starts, the kernels of
`minicaffe run -m jupyter lab` for one, get minicaffe as well.

From inside a program: minicaffe.install_as_caffe()"""
STARTUP = Path(pycaffe.__file__).with_name("startup")


def main(argv: list[str]) -> int:
    """Replace this process by Python with these arguments; Python's exit status, where a process cannot be replaced."""
    if argv[:1] in (["-help"], ["--help"], ["-h"]):
        print(USAGE)
        return 0
    command, environment = [sys.executable, *argv], environment_with_caffe(os.environ)
    if os.name == "posix":
        sys.stdout.flush()
        os.execve(sys.executable, command, environment)
    return subprocess.call(command, env=environment)


def environment_with_caffe(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, with PYTHONPATH beginning with the folder whose sitecustomize.py Python runs as it starts."""
    folders = [str(STARTUP), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    return {**environment, "PYTHONPATH": os.pathsep.join(folders)}
