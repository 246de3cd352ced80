"""Log lines: their exact form, who is silenced, copies in files, and peace with a progress bar."""

import datetime
import importlib.util
import inspect
import io
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from minicaffe import log
from minicaffe.errors import FileError

LINE = re.compile(r"([IWEF])(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6}) ( *\d+) ([\w.]+):(\d+)\] (.*)\n", re.DOTALL)


pytestmark = pytest.mark.usefixtures("all_logged")


def test_the_prefix_has_glogs_old_form(capsys):
    before = datetime.datetime.now().replace(microsecond=0)
    log.info("Iteration 100, lr = 0.00992565")
    number = inspect.currentframe().f_lineno - 1
    severity, month, day, hour, minute, second, _, thread, file, line, text = LINE.fullmatch(
        capsys.readouterr().err
    ).groups()
    assert (severity, file, int(line), text) == (
        "I",
        "test_log.py",
        number,
        "Iteration 100, lr = 0.00992565",
    )
    moment = before.replace(month=int(month), day=int(day), hour=int(hour), minute=int(minute), second=int(second))
    assert datetime.timedelta(0) <= moment - before <= datetime.timedelta(seconds=5)
    assert int(thread) == threading.get_native_id()
    assert len(thread) >= 5


def test_four_blank_separated_fields_stand_before_the_message(capsys):
    log.info("Solving LeNet")
    assert capsys.readouterr().err.split()[4:] == ["Solving", "LeNet"]


def test_microseconds_and_thread_are_padded():
    # 0.000042 s after a full second, thread 7
    assert re.fullmatch(r"I\d{4} \d\d:\d\d:\d\d\.000042     7", log._prefix(log.INFO, 1_700_000_000_000_042_000, 7))


@pytest.mark.parametrize(
    ("call", "letter"),
    [
        (log.info, "I"),
        (log.warning, "W"),
        (log.error, "E"),
        (lambda text: log.write("FATAL", text), "F"),
        (lambda text: log.write("WARNING", text), "W"),
        (lambda text: log.write(log.ERROR, text), "E"),
    ],
)
def test_severities(capsys, call, letter):
    call("text")
    match = LINE.fullmatch(capsys.readouterr().err)
    assert (match[1], match[9]) == (letter, "test_log.py")


def test_an_unknown_severity_is_refused():
    with pytest.raises(ValueError, match="not in tuple"):
        log.write("LOUD", "text")


def test_a_message_of_several_lines_has_one_prefix(capsys):
    log.info("Initializing: \nname: 'a'\nlayer {\n}\n")
    match = LINE.fullmatch(capsys.readouterr().err)
    assert match[11] == "Initializing: \nname: 'a'\nlayer {\n}\n"


@pytest.mark.parametrize("level", [log.INFO, log.WARNING, log.ERROR, log.FATAL, 4])
def test_a_level_silences_what_is_less_severe(capsys, level):
    log.set_level(level)
    for severity in range(4):
        log.write(severity, f"message {severity}")
    log.info("message 0")
    log.warning("message 1")
    log.error("message 2")
    seen = {int(number) for number in re.findall(r"message (\d)", capsys.readouterr().err)}
    assert seen == set(range(level, 4))
    assert [log.enabled(severity) for severity in range(4)] == [severity in seen for severity in range(4)]


@pytest.mark.parametrize(
    ("value", "seen"), [("0", "IWE"), ("1", "WE"), ("2", "E"), ("3", ""), ("", "IWE"), ("x", "IWE")]
)
def test_glog_minloglevel_is_honoured(value, seen, monkeypatch, capsys):
    monkeypatch.setenv("GLOG_minloglevel", value)
    spec = importlib.util.spec_from_file_location("just_imported", log.__file__)
    fresh = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, fresh)
    spec.loader.exec_module(fresh)
    for severity in (fresh.info, fresh.warning, fresh.error):
        severity("said")
    assert "".join(line[0] for line in capsys.readouterr().err.splitlines()) == seen


def test_glog_minloglevel_silences_a_process():
    code = "from minicaffe import log; log.info('a'); log.warning('b'); log.error('c')"
    environment = {**os.environ, "GLOG_minloglevel": "2"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert [line[0] for line in run.stderr.splitlines()] == ["E"]
    assert run.stdout == ""


def test_a_file_gets_a_copy_and_keeps_what_it_held(tmp_path, capsys):
    path = tmp_path / "train.log"
    path.write_text("an earlier run\n")
    with log.add_file(path):
        log.info("one")
        log.to_stderr(False)
        log.info("two")
    log.info("three")
    first, *rest = path.read_text().splitlines(keepends=True)
    assert first == "an earlier run\n"
    assert [LINE.fullmatch(line)[11] for line in rest] == ["one", "two"]
    assert re.findall(r"\] (\w+)", capsys.readouterr().err) == ["one"]


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(
        FileError, match=r"absent/train\.log: cannot be written: no such file or directory; give another"
    ):
        log.add_file(tmp_path / "absent" / "train.log")


@pytest.mark.parametrize(
    ("error", "text"),
    [(FileError("x.lmdb is gone"), "FileError: x.lmdb is gone"), (KeyboardInterrupt(), "KeyboardInterrupt")],
)
def test_the_file_tells_why_it_ends(tmp_path, capsys, error, text):
    path = tmp_path / "a.log"
    with pytest.raises(type(error)), log.add_file(path):
        raise error
    match = LINE.fullmatch(path.read_text())
    assert (match[1], match[11]) == ("E", text)
    assert capsys.readouterr().err == ""


def test_names_that_are_no_text_can_be_logged(tmp_path):
    with log.add_file(tmp_path / "a.log"):
        log.info("Opened lmdb caf\udce9")
    assert "caf\\udce9" in (tmp_path / "a.log").read_text()


def test_a_broken_stderr_and_a_closed_file_stop_nothing(monkeypatch, tmp_path):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Broken())
    file = log.add_file(tmp_path / "a.log")
    log.info("one")
    file._file.close()
    log.info("two")
    file.close()
    monkeypatch.setattr(sys, "stderr", None)
    log.info("three")
    assert LINE.fullmatch((tmp_path / "a.log").read_text())[11] == "one"


def test_a_bar_makes_room_for_each_line(monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)

    class Bar:
        def clear(self):
            stderr.write("<clear>")

        def refresh(self):
            stderr.write("<bar>")

    with log.beside(Bar()):
        log.info("inside")
    log.info("outside")
    assert re.sub(r"I\d{4} .*?\] ", "", stderr.getvalue()) == "<clear>inside\n<bar>outside\n"


def test_lines_of_many_threads_stay_whole(capsys):
    def work(number):
        for i in range(50):
            log.info(f"thread {number} line {i} end")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [LINE.fullmatch(line)[11] for line in capsys.readouterr().err.splitlines(keepends=True)]
    assert sorted(texts) == sorted(f"thread {n} line {i} end" for n in range(4) for i in range(50))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.01, "0.01"),
        (1e-05, "1e-05"),
        (2.302581, "2.30258"),
        (np.float32(0.1), "0.1"),
        (100000, "100000"),
        (1000000, "1e+06"),
        (123456789.0, "1.23457e+08"),
        (1.0, "1"),
        (0.0, "0"),
        (-0.0, "-0"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (-float("inf"), "-inf"),
        (np.array(0.5), "0.5"),
    ],
)
def test_numbers_look_as_in_cpp(number, text):
    assert log.g(number) == text
