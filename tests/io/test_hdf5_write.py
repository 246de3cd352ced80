"""HDF5 files on their way to the disk: whole or not at all, and no refusal that the library could lose."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest

from minicaffe.errors import FileError
from minicaffe.io.hashing import Written
from minicaffe.io.hdf5_write import hdf5_written, write_hdf5

posix = pytest.mark.skipif(os.name != "posix", reason="limits and signals of POSIX")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "out.h5"
    path.write_bytes(b"old")
    return path


def write(path, fill):
    with hdf5_written(path, fill):
        pass


def many(file):
    """Groups, and datasets smaller and larger than what the library holds back: about 90 KB."""
    for i, size in enumerate([1, 10, 100, 1000, 10_000, 10_000]):
        file.create_dataset(f"group{i}/0", data=np.full(size, i, "f4"))


def only_the_old(path):
    return path.read_bytes() == b"old" and os.listdir(path.parent) == [path.name]


def test_the_block_sees_a_whole_file_that_is_not_there_yet(path):
    with hdf5_written(path, many) as file:
        assert path.read_bytes() == b"old"
        file.seek(0)
        written = file.read()
        file.seek(0, os.SEEK_END)
        file.write(b"amended")
    assert path.read_bytes() == written + b"amended"
    with h5py.File(path) as file:
        assert [file[f"group{i}/0"][-1] for i in range(6)] == list(range(6))


@pytest.mark.parametrize("exception", [ValueError, KeyboardInterrupt])
def test_what_fill_or_the_block_raises_leaves_the_old_file(path, exception):
    def fail(file):
        many(file)
        raise exception("stop")

    with pytest.raises(exception, match="stop"):
        write(path, fail)
    with pytest.raises(exception, match="stop"), hdf5_written(path, many):
        raise exception("stop")
    assert only_the_old(path)


@posix
def test_a_limit_anywhere_is_noticed(path, tmp_path):
    """A file size limit at every 1 KiB, as a disk that is full there."""
    resource = pytest.importorskip("resource")
    write(tmp_path / "whole", many)
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "whole").unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in [*range(0, len(whole), 1024), len(whole) - 1]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(FileError) as caught:
                write(path, many)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "cannot be written: file too large; raise the limit on file sizes" in str(caught.value)
        assert only_the_old(path), limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole), hard))
    try:
        write(path, many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == whole


@posix
def test_an_interrupt_stops_it_soon_and_leaves_the_old_file(path):
    """It reaches the main thread, while the library goes on in another."""
    over = threading.Event()

    def slow(file):
        time.sleep(0.1)
        file.create_dataset("first", data=np.zeros(100_000))
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.1)
        file.create_dataset("second", data=np.zeros(100_000))
        over.set()

    with pytest.raises(KeyboardInterrupt):
        write(path, slow)
    assert only_the_old(path)
    assert over.is_set(), "the library is not left in the middle of its work"


@posix
def test_a_pipe_and_a_device_get_the_file(path):
    write(path, many)
    os.mkfifo(path.parent / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((path.parent / "pipe").read_bytes()), daemon=True)
    reader.start()
    write(path.parent / "pipe", many)
    reader.join(10)
    assert got == [path.read_bytes()]
    written = write_hdf5(os.devnull, many)
    assert written == Written(len(got[0]), hashlib.sha256(got[0]).hexdigest())


MEMORY = """
import numpy as np, sys
from minicaffe.io.hashing import Written
from minicaffe.io.hdf5_write import hdf5_written, write_hdf5
def high():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
values = np.ones((64, 1 << 18), "f4")
with hdf5_written(sys.argv[1], lambda file: file.create_dataset("small", data=values[0])): pass
before = high()
with hdf5_written(sys.argv[1], lambda file: file.create_dataset("all", data=values)): pass
print(high() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is asked for as on Linux")
def test_it_takes_no_memory(path):
    """64 MB are written with less than 4 MB more."""
    run = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
    assert path.stat().st_size > 64 << 20
    assert int(run.stdout) < 4096, "kB"
