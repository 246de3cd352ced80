"""Output files: whole or not at all, whatever interrupts the writing."""

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from minicaffe.errors import FileError
from minicaffe.io import atomic
from minicaffe.io.atomic import atomic_path, atomic_paths, atomic_write, check_writable, remove_stale

posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and limits of POSIX")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask_027():
    before = os.umask(0o027)
    yield
    os.umask(before)


@contextlib.contextmanager
def file_size_limit(size):
    """Inside, the system refuses to let a file grow beyond `size` bytes, as a full disk would.

    No longer than that: pytest's own output may go to a file.
    """
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_new_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "out.bin"
    with atomic_write(path) as file:
        file.write(b"abc")
        assert not path.exists()
    assert path.read_bytes() == b"abc"
    assert names(tmp_path) == ["out.bin"]


def test_text_keeps_its_letters_and_line_ends(tmp_path):
    with atomic_write(tmp_path / "t", "w") as file:
        file.write("é\r\n\n")
    assert (tmp_path / "t").read_bytes() == "é\r\n\n".encode()


@pytest.mark.parametrize("exception", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, exception):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(exception), atomic_write(path) as file:
        file.write(b"new")
        raise exception("stop")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out.bin"]


def test_the_temporary_lies_beside_and_tells_its_writer(tmp_path):
    with atomic_path(tmp_path / "net.caffemodel") as temporary:
        folder, name = os.path.split(temporary)
        assert folder == str(tmp_path)
        assert name.startswith(f".net.caffemodel.{os.getpid()}@") and name.endswith(".tmp")
        with open(temporary, "wb") as file:
            file.write(b"by name")
    assert (tmp_path / "net.caffemodel").read_bytes() == b"by name"


def test_file_and_folder_are_flushed_around_the_rename(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def kind(descriptor):
        return "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"

    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append(kind(descriptor)), fsync(descriptor)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("rename"), replace(*paths)))
    with atomic_write(tmp_path / "out") as file:
        file.write(b"abc")
    assert calls == ["file", "rename", "folder"]


@posix
def test_a_new_file_obeys_the_umask(tmp_path, umask_027):
    with atomic_write(tmp_path / "new"):
        pass
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@posix
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_an_existing_file_keeps_its_permissions(tmp_path, umask_027, mode):
    path = tmp_path / "old"
    path.write_bytes(b"1")
    path.chmod(mode)
    with atomic_write(path) as file:
        file.write(b"2")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"2"


@posix
def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "file", tmp_path / "link"
    target.write_bytes(b"1")
    link.symlink_to(target)
    with atomic_write(link) as file:
        file.write(b"2")
    assert link.is_symlink() and target.read_bytes() == b"2"
    assert names(target.parent) == ["file"]


@posix
def test_what_cannot_be_replaced_is_written_directly():
    with atomic_write(os.devnull) as file:
        file.write(b"gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@posix
@pytest.mark.parametrize("limit", [0, 1, 4096, 9999])
def test_a_full_disk_leaves_the_old_file(tmp_path, limit):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with (
        file_size_limit(limit),
        pytest.raises(FileError, match=r"out\.bin: cannot be written: file too large; raise the limit"),
        atomic_write(path) as file,
    ):
        file.write(bytes(10000))
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out.bin"]


def test_a_missing_folder_is_named_with_the_remedy(tmp_path):
    path = tmp_path / "nowhere" / "out"
    with pytest.raises(FileError) as caught, atomic_write(path):
        pytest.fail("opened")
    assert (
        str(caught.value) == f"{path}: cannot be written: no such file or directory; create the folder first (mkdir -p)"
    )
    assert caught.value.file == str(path)
    assert isinstance(caught.value, OSError)


def test_a_folder_in_the_way(tmp_path):
    with (
        pytest.raises(FileError, match="is a directory; give the name of a file in it"),
        atomic_write(tmp_path),
    ):
        pytest.fail("opened")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EACCES, "give yourself permission to write there"),
        (errno.EROFS, "write to a folder on another disk"),
        (errno.ENOSPC, "free some space, or write elsewhere"),
        (errno.EIO, "check the disk, or write elsewhere"),
    ],
)
def test_each_refusal_says_what_to_do(tmp_path, monkeypatch, code, advice):
    def refuse(path, *args):
        raise OSError(code, os.strerror(code), path)

    with monkeypatch.context() as patch, pytest.raises(FileError) as caught:
        patch.setattr(os, "open", refuse)
        with atomic_write(tmp_path / "out"):
            pytest.fail("opened")
    assert str(caught.value).startswith(f"{tmp_path / 'out'}: cannot be written: {os.strerror(code).lower()}; {advice}")
    with monkeypatch.context() as patch, pytest.raises(FileError) as caught:
        patch.setattr(atomic, "open", refuse, raising=False)
        check_writable("net")
    assert str(caught.value).startswith(f"Cannot write to snapshot prefix 'net': {os.strerror(code).lower()}; {advice}")


@posix
def test_a_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "best.caffemodel"
    path.write_bytes(b"keep")
    # As for a user who is not root, also where the tests run as root.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with (
        pytest.raises(FileError, match="the file there is write-protected; give yourself"),
        atomic_write(path),
    ):
        pytest.fail("opened")
    assert path.read_bytes() == b"keep"


def test_errors_about_other_files_pass_through(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic_write(tmp_path / "out"):
        (tmp_path / "input").read_bytes()
    assert not isinstance(caught.value, FileError)
    assert names(tmp_path) == []


@pytest.mark.parametrize("prefix", ["lenet", "snapshots/", "snapshots/lenet"])
def test_a_writable_prefix_passes_and_nothing_stays(tmp_path, monkeypatch, prefix):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "snapshots").mkdir()
    check_writable(prefix)
    assert names(tmp_path) == ["snapshots"] and names(tmp_path / "snapshots") == []


@pytest.mark.parametrize("prefix", ["snapshots/", "snapshots/lenet"])
def test_a_prefix_without_its_folder(tmp_path, monkeypatch, prefix):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError) as caught:
        check_writable(prefix)
    text = str(caught.value)
    assert text.startswith(f"Cannot write to snapshot prefix '{prefix}': no such file or directory; ")
    assert "create the folder first (mkdir -p 'snapshots')" in text


@posix
def test_a_prefix_on_a_full_disk(tmp_path):
    text = r"Cannot write to snapshot prefix '.*lenet': file too large"
    with file_size_limit(0), pytest.raises(FileError, match=text):
        check_writable(tmp_path / "lenet")
    assert names(tmp_path) == []


WRITER = """
import sys, time
from minicaffe.io.atomic import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


@posix
def test_what_a_killed_process_left_is_removed_and_what_lives_is_not(tmp_path):
    path = tmp_path / "lenet_iter_10.caffemodel"
    path.write_bytes(b"old")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "writing\n"
    assert remove_stale(tmp_path / "lenet") == []
    temporary = next(tmp_path.glob(".lenet*.tmp"))
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert remove_stale(tmp_path / "other") == []
    assert remove_stale(tmp_path / "lenet") == [str(temporary)]
    assert names(tmp_path) == [path.name] and path.read_bytes() == b"old"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_killed_process_whose_status_nobody_asked_for_is_dead(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "net")], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "writing\n"
    (temporary,) = tmp_path.iterdir()
    writer.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)
    os.kill(writer.pid, 0)  # its number is still taken
    assert remove_stale(tmp_path / "net") == [str(temporary)]
    writer.wait()


def test_stale_files_by_name(tmp_path):
    host, dead, mine = atomic._HOST, 2**31 - 1, os.getpid()
    stale = [f".net_iter_1.solverstate.{pid}@{host}.0123abcd.tmp" for pid in (dead, 10**20, mine)]
    kept = [
        f".net_iter_1.solverstate.{os.getppid()}@{host}.0123abcd.tmp",
        f".net_iter_1.solverstate.{dead}@elsewhere.example.0123abcd.tmp",
        f".net_iter_1.solverstate.{dead}@{host}x.0123abcd.tmp",
        f".lenet_iter_1.solverstate.{dead}@{host}.0123abcd.tmp",
        "net_iter_1.solverstate",
        ".net.tmp",
    ]
    for name in stale + kept:
        (tmp_path / name).write_bytes(b"")
    assert sorted(remove_stale(tmp_path / "net")) == sorted(str(tmp_path / name) for name in stale)
    assert names(tmp_path) == sorted(kept)


def test_own_open_temporaries_are_not_stale(tmp_path):
    with atomic_write(tmp_path / "net_iter_1.caffemodel") as file:
        assert remove_stale(tmp_path / "net") == []
        file.write(b"abc")
    assert names(tmp_path) == ["net_iter_1.caffemodel"]


def test_no_folder_holds_nothing_stale(tmp_path):
    assert remove_stale(tmp_path / "nowhere" / "net") == []


# --- files that belong together ----------------------------------------------------------------


def write_pair(folder, contents):
    with atomic_paths(folder / "model", folder / "state") as paths:
        for path, content in zip(paths, contents, strict=True):
            # By writers that are atomic by themselves.
            with atomic_write(path, "w") as file:
                file.write(content)
        # No temporary of a temporary.
        assert len([name for name in os.listdir(folder) if name.endswith(".tmp")]) == 2


def pair_in(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_pair_appears_whole(tmp_path):
    write_pair(tmp_path, ["a", "b"])
    assert pair_in(tmp_path) == {"model": "a", "state": "b"}
    write_pair(tmp_path, ["c", "d"])
    assert pair_in(tmp_path) == {"model": "c", "state": "d"}


def test_nothing_of_a_pair_appears_before_all_is_written(tmp_path):
    write_pair(tmp_path, ["a", "b"])
    with pytest.raises(KeyError), atomic_paths(tmp_path / "model", tmp_path / "state") as (model, _):
        Path(model).write_text("new")
        raise KeyError
    assert pair_in(tmp_path) == {"model": "a", "state": "b"}


@pytest.mark.parametrize("there", [False, True])
def test_killed_at_any_point_a_pair_is_never_mixed(tmp_path, monkeypatch, there):
    """Every call that changes the folder is where the process may be killed last."""
    calls = {"unlink": os.unlink, "replace": os.replace}
    seen = []

    def spied(name):
        def call(*args):
            calls[name](*args)
            seen.append({k: v for k, v in pair_in(tmp_path).items() if not k.startswith(".")})

        return call

    if there:
        write_pair(tmp_path, ["a", "b"])
    for name in calls:
        monkeypatch.setattr(os, name, spied(name))
    write_pair(tmp_path, ["c", "d"])
    assert seen[-1] == {"model": "c", "state": "d"}
    assert all("state" not in found or found["model"] + found["state"] in ("ab", "cd") for found in seen)
    assert len(seen) == 2 + there


def test_a_pair_whose_first_file_stays_as_it_is_is_there_all_the_time(tmp_path, monkeypatch):
    write_pair(tmp_path, ["a", "b"])
    replace, seen = os.replace, []

    def spied(*args):
        seen.append({k: v for k, v in pair_in(tmp_path).items() if not k.startswith(".")})
        replace(*args)

    monkeypatch.setattr(os, "replace", spied)
    write_pair(tmp_path, ["a", "c"])
    assert seen == [{"model": "a", "state": "b"}] * 2
    assert pair_in(tmp_path) == {"model": "a", "state": "c"}


def test_a_state_whose_model_is_not_there_goes_before_a_model_appears(tmp_path, monkeypatch):
    (tmp_path / "state").write_text("of a model that is gone")
    replace = os.replace

    def spied(*args):
        assert "state" not in pair_in(tmp_path)
        replace(*args)

    monkeypatch.setattr(os, "replace", spied)
    write_pair(tmp_path, ["a", "b"])
    assert pair_in(tmp_path) == {"model": "a", "state": "b"}


@pytest.mark.parametrize("call", ["unlink", "replace"])
@pytest.mark.parametrize("done", [False, True])
def test_ctrl_c_while_a_pair_appears_waits_until_it_is_there(tmp_path, monkeypatch, call, done):
    """The old state is removed by then: to forget the new files would lose both pairs."""
    write_pair(tmp_path, ["a", "b"])
    really, pressed = getattr(os, call), []

    def interrupted(path, *args):
        first = not pressed
        pressed.append(path)
        if first and not done:
            raise KeyboardInterrupt
        really(path, *args)
        if first:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), atomic_paths(tmp_path / "model", tmp_path / "state") as (model, state):
        Path(model).write_text("c")
        Path(state).write_text("d")
        monkeypatch.setattr(os, call, interrupted)
    assert pressed
    assert pair_in(tmp_path) == {"model": "c", "state": "d"}


@posix
def test_an_error_names_the_file_of_the_pair_that_it_is_about(tmp_path):
    with file_size_limit(4096), pytest.raises(FileError) as caught:
        write_pair(tmp_path, ["a", "b" * 5000])
    assert str(caught.value).startswith(f"{tmp_path}/state: cannot be written: file too large; raise the limit")
    assert pair_in(tmp_path) == {}
