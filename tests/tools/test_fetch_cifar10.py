"""Where CIFAR-10's files come from: the folder itself, another, a server on loopback; and what is refused."""

import hashlib
import http.server
import io
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from minicaffe.errors import FileError, FormatError
from minicaffe.tools import fetch_cifar10
from minicaffe.tools.command import run_command
from minicaffe.tools.download import Limits
from minicaffe.tools.fetch_cifar10 import ARCHIVE, fetch

QUICK = Limits(silence=0.5, total=2)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def archive_of(files):
    """As the real one is packed: all in a folder, and a text beside what is wanted."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("cifar-10-batches-bin"))
        for name, data in {**files, "batches.meta.txt": b"airplane\n"}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


REAL = {name: np.random.default_rng(i).bytes(300 + i) for i, name in enumerate(fetch_cifar10.FILES)}
NAMES = list(REAL)
PACKED = archive_of(REAL)


@pytest.fixture(autouse=True)
def small_cifar10(monkeypatch):
    """CIFAR-10 is six small files here; no proxy stands before the loopback, and no test leaves the machine."""
    monkeypatch.setattr(fetch_cifar10, "FILES", {name: sha256(data) for name, data in REAL.items()})
    monkeypatch.setattr(fetch_cifar10, "ARCHIVE_SIZE", len(PACKED))
    monkeypatch.setattr(fetch_cifar10, "ARCHIVE_SHA256", sha256(PACKED))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("MINICAFFE_CIFAR10_DIR", raising=False)
    monkeypatch.setenv("MINICAFFE_CIFAR10_MIRRORS", "http://127.0.0.1:9/")


@pytest.fixture
def serve():
    """serve(body) starts a server that answers all with it, or 404 for None; its address."""
    servers = []

    def start(body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if body is None or Path(self.path).name != ARCHIVE:
                    return self.send_error(404)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/somewhere/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_download(tmp_path, serve, capsys):
    fetch(tmp_path / "data" / "cifar10", mirrors=[serve(PACKED)], limits=QUICK)
    assert files_in(tmp_path / "data" / "cifar10") == REAL
    assert "the six files of CIFAR-10 are there and have the right checksums" in capsys.readouterr().err


def test_files_that_are_there_need_no_source(tmp_path):
    put(tmp_path, REAL)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    fetch(tmp_path, mirrors=[])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_only_what_is_missing_is_written(tmp_path, serve):
    put(tmp_path, {name: REAL[name] for name in NAMES[:4]})
    before = {path: path.stat().st_ino for path in tmp_path.iterdir()}
    fetch(tmp_path, mirrors=[serve(PACKED)], limits=QUICK)
    assert files_in(tmp_path) == REAL
    assert before == {path: path.stat().st_ino for path in before}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, "the server answers 404 Not Found"),
        (PACKED[:-1] + b"?", "not the file: "),
        (PACKED[:200], "not the file: 200 bytes with SHA-256 "),
        (PACKED + b"more", "sends more than the file can hold"),
        (b"<html>log in to this network first</html>", "not the file: "),
    ],
)
def test_a_bad_mirror_is_reported_and_the_next_one_asked(tmp_path, serve, capsys, body, text):
    fetch(tmp_path, mirrors=[serve(body), serve(PACKED)], limits=QUICK)
    assert files_in(tmp_path) == REAL
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("mirrors", ["http://127.0.0.1:9/", ""])
def test_nothing_answers(tmp_path, monkeypatch, capsys, mirrors):
    monkeypatch.setenv("MINICAFFE_CIFAR10_MIRRORS", mirrors)
    assert run_command(fetch_cifar10.main, ["--to", str(tmp_path / "to")]) == 1
    lines = capsys.readouterr().err.splitlines()
    if mirrors:
        assert lines[0] == "fetching http://127.0.0.1:9/cifar-10-binary.tar.gz" and lines[1].startswith("  failed: ")
    assert len(lines) == (3 if mirrors else 1)
    assert lines[-1] == (
        f"error: {tmp_path / 'to'}: lacks CIFAR-10, and no mirror gives it; fetch "
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz where there is a network, put it into this folder as "
        "it is and run this again, or name a folder that has it with --from DIR"
    )
    assert not (tmp_path / "to").exists()


def test_the_archive_beside_the_files(tmp_path):
    put(tmp_path, {ARCHIVE: PACKED})
    assert run_command(fetch_cifar10.main, ["--to", str(tmp_path)]) == 0
    assert files_in(tmp_path) == {**REAL, ARCHIVE: PACKED}


@pytest.mark.parametrize("contents", [REAL, {ARCHIVE: PACKED}], ids=["files", "archive"])
@pytest.mark.parametrize("named", ["flag", "environment"])
def test_another_folder(tmp_path, monkeypatch, contents, named):
    source, target = put(tmp_path / "from", contents), tmp_path / "to"
    if named == "environment":
        monkeypatch.setenv("MINICAFFE_CIFAR10_DIR", str(source))
    flags = ["--from", str(source)] if named == "flag" else []
    assert run_command(fetch_cifar10.main, [*flags, "-to", str(target)]) == 0
    assert files_in(target) == REAL
    assert files_in(source) == contents


def test_another_folder_that_lacks_one(tmp_path):
    source = put(tmp_path / "from", {name: REAL[name] for name in NAMES[:5]})
    with pytest.raises(
        FileError, match=f"from: has neither {ARCHIVE} nor {NAMES[5]}; --from and MINICAFFE_CIFAR10_DIR"
    ):
        fetch(tmp_path / "to", source)


@pytest.mark.parametrize(
    ("name", "text"),
    [(NAMES[2], "is not CIFAR-10's: 302 bytes with another SHA-256"), (ARCHIVE, "move it away, or fetch it again")],
)
def test_damaged_sources(tmp_path, name, text):
    data = {**REAL, ARCHIVE: PACKED}[name]
    source = put(tmp_path / "from", {**(REAL if name in REAL else {}), name: data[:-1] + b"?"})
    with pytest.raises(FormatError, match=text) as caught:
        fetch(tmp_path / "to", source)
    assert caught.value.file == str(source / name)
    assert not (tmp_path / "to" / name).exists()


def test_somebody_elses_file_stays(tmp_path, serve):
    put(tmp_path, {NAMES[1]: b"mine"})
    with pytest.raises(FileError, match=r"data_batch_2.bin: is not CIFAR-10's file \(wrong SHA-256\); move it away"):
        fetch(tmp_path, mirrors=[serve(PACKED)], limits=QUICK)
    assert files_in(tmp_path) == {NAMES[1]: b"mine"}


def test_a_folder_that_cannot_be_made(tmp_path, serve):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match="file/cifar10: cannot be made a folder"):
        fetch(tmp_path / "file" / "cifar10", mirrors=[serve(PACKED)], limits=QUICK)
