"""The program as a process: how it is started, signals, terminals."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
from cli_kit import FIXED, command, ended, saved, solver, started
from solver_kit import write_solver

from minicaffe.cli.main import main


@pytest.mark.parametrize(
    "program", [["minicaffe.train"], ["minicaffe", "train"], ["minicaffe", "-noallow_nan", "train"]]
)
def test_ways_to_start_it(tmp_path, program):
    done = subprocess.run(command(*program, solver(tmp_path, "max_iter: 1")), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "] Optimization Done." in done.stderr
    assert done.stdout == ""
    # No bar where there is no terminal.
    assert "\r" not in done.stderr and "%|" not in done.stderr


def test_an_error_has_no_traceback(tmp_path):
    path = solver(tmp_path, "max_iter: -1 average_loss: 0")
    done = subprocess.run(command("minicaffe.train", path), capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    shown = subprocess.run(command("minicaffe.train", path, "--debug"), capture_output=True, text=True)
    assert shown.returncode == 1
    assert "Traceback" in shown.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    """minicaffe summary NET | head"""
    solver(tmp_path)
    process = subprocess.Popen(
        command("minicaffe", "summary", tmp_path / "net.prototxt"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    text = process.stderr.read().decode()
    assert (process.wait(60), [line for line in text.splitlines() if line[:1] != "I"]) == (141, [])


def test_ctrl_c_saves_and_stops(tmp_path, capsys):
    process = started(tmp_path)
    process.send_signal(signal.SIGINT)
    status, text = ended(process)
    assert status == 0
    assert "] Optimization stopped early." in text
    assert text.count("] Optimization Done.") == 1
    (iteration,) = saved(tmp_path)
    # And it can be gone on from.
    more = solver(tmp_path, f"max_iter: {iteration + 2}")
    assert main(["train", more, "-snapshot", f"{tmp_path}/s_iter_{iteration}.solverstate"]) == 0
    assert saved(tmp_path) == [iteration, iteration + 2]


def test_a_closed_terminal_saves_and_goes_on(tmp_path):
    process = started(tmp_path)
    process.send_signal(signal.SIGHUP)
    while not saved(tmp_path):
        process.stderr.readline()
    process.send_signal(signal.SIGINT)
    status, _ = ended(process)
    assert status == 0
    assert len(saved(tmp_path)) == 2


def test_a_polite_kill_saves_and_stops(tmp_path):
    process = started(tmp_path)
    process.terminate()
    status, text = ended(process)
    assert (status, len(saved(tmp_path))) == (0, 1)
    assert "] Optimization stopped early." in text


def test_a_polite_kill_by_flag(tmp_path):
    process = started(tmp_path, "-sigterm_effect", "snapshot")
    process.terminate()
    while not saved(tmp_path):
        process.stderr.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 0


def test_effects_by_flag(tmp_path):
    process = started(tmp_path, "-sigint_effect", "none", "-sighup_effect", "stop")
    process.send_signal(signal.SIGINT)
    for _ in range(300):
        process.stderr.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    status, text = ended(process)
    assert (status, len(saved(tmp_path))) == (0, 1)
    assert "] Optimization stopped early." in text


# Ten minutes in short naps: a signal that one of BLAS's threads catches does not end the main thread's sleep.
SLOW = """
import sys, time
from minicaffe.layers.input import InputLayer
InputLayer.forward = lambda self, bottom, top: [time.sleep(0.02) for _ in range(30000)]
from minicaffe.cli.main import main
print("ready", file=sys.stderr, flush=True)
sys.exit(main())
"""


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    """The iteration takes ten minutes; the second Ctrl-C ends it at once, without a snapshot."""
    net = 'name: "slow" layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 } } }'
    path = write_solver(tmp_path, f'{FIXED} max_iter: 5 snapshot_prefix: "{tmp_path}/s"', net)
    process = subprocess.Popen([sys.executable, "-c", SLOW, "train", path], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "Learning Rate Policy" in line:
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    status, text = ended(process)
    assert status == 130
    assert text.splitlines()[-1] == "stopped"
    assert saved(tmp_path) == []


@pytest.mark.parametrize(("height", "width"), [(25, 140), (25, 0), (0, 140), (0, 0)])
def test_a_bar_on_a_terminal_beside_whole_lines(tmp_path, height, width):
    """The bar shows iteration, speed, time left, loss, accuracy; log lines stay whole."""
    settings = "max_iter: 400 display: 100 test_iter: 1 test_interval: 100"
    words = command("minicaffe.train", solver(tmp_path, settings))
    main_end, child_end = pty.openpty()
    fcntl.ioctl(child_end, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    process = subprocess.Popen(words, stderr=child_end, stdout=child_end, env={**os.environ, "COLUMNS": "140"})
    os.close(child_end)
    text = read_all(main_end)
    assert process.wait(60) == 0
    assert re.search(r" 0/400 \[00:00<\?, \?it/s\]", text)
    assert re.search(r" 400/400 \[\d\d:\d\d<00:00, .*it/s, accuracy=1, loss=[\d.e+-]+\]", text)
    # A log line begins at the start of a line that was wiped clean.
    logged = [line for line in re.split(r"[\r\n]", text) if "] Iteration" in line]
    assert len(logged) > 10
    assert all(re.match(r"I\d{4} ", line) for line in logged)


def read_all(descriptor):
    parts = []
    while select.select([descriptor], [], [], 60)[0]:
        try:
            parts.append(os.read(descriptor, 65536))
        except OSError:  # the other end is closed
            break
    os.close(descriptor)
    return b"".join(parts).decode()
