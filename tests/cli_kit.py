"""What tests of the command line share: runs in this process, and processes of their own."""

import re
import subprocess
import sys

import pytest
from solver_kit import write_solver

from minicaffe import backend, log
from minicaffe.cli.main import main

FIXED = 'base_lr: 0.1 lr_policy: "fixed" random_seed: 1'


@pytest.fixture(autouse=True)
def as_before():
    """What a command switches is switched back: the log's level, the device. For a conftest.py to import."""
    before = log.set_level(log.INFO)
    yield
    log.set_level(before)
    backend.set_mode_cpu()


def solver(folder, settings="max_iter: 4 display: 2"):
    return write_solver(folder, f'{FIXED} snapshot_prefix: "{folder}/s" {settings}')


def run(capsys, *words):
    """(exit status, messages, last line of stderr)."""
    capsys.readouterr()
    status = main([str(word) for word in words])
    text = capsys.readouterr().err
    logged = re.findall(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] (.*)$", text, re.MULTILINE)
    return status, logged, text.splitlines()[-1] if text else ""


def command(*words):
    return [sys.executable, "-m", *map(str, words)]


ENDLESS = "max_iter: 1000000000 display: 1"


def started(folder, *words, settings=ENDLESS):
    """A training process that has begun to iterate."""
    process = subprocess.Popen(
        command("minicaffe.train", solver(folder, settings), *words), stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if "] Iteration 5 " in line:
            return process
    pytest.fail("training did not begin")


def ended(process):
    """(exit status, the rest of stderr)."""
    text = process.communicate(timeout=60)[1]
    return process.returncode, text


def saved(folder):
    return sorted(int(path.stem.rpartition("_")[2]) for path in folder.glob("*.solverstate"))
