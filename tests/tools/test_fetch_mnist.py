"""Where the four files come from: a server on loopback, folders, the generator; and what never happens to them."""

import gzip
import http.server
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from minicaffe.errors import FileError, FormatError
from minicaffe.io import idx
from minicaffe.tools import digits, fetch_mnist, mnist_files
from minicaffe.tools.command import run_command
from minicaffe.tools.download import Limits, mirrors_from, unpack_gzip
from minicaffe.tools.mnist_files import MARKER, MnistFile, State, md5, note_of, state_of

QUICK = Limits(silence=0.5, total=2)


def idx_files(seed):
    """Two small sets in MNIST's names; seed 0 plays the part of MNIST, others that of generated digits."""
    rng = np.random.default_rng(seed)
    images = [idx.encode_images(rng.integers(0, 256, (n, 4, 5), np.uint8)) for n in (6, 3)]
    labels = [idx.encode_labels(rng.integers(0, 10, n, np.uint8)) for n in (6, 3)]
    contents = (images[0], labels[0], images[1], labels[1])
    return {file.name: data for file, data in zip(mnist_files.FILES, contents, strict=True)}


REAL = idx_files(0)
NAMES = list(REAL)


@pytest.fixture(autouse=True)
def small_mnist(monkeypatch):
    """MNIST is nine digits here, the generator is quick, and no proxy stands before the loopback."""
    small = tuple(MnistFile(name, len(data), md5(data)) for name, data in REAL.items())
    monkeypatch.setattr(mnist_files, "FILES", small)
    monkeypatch.setattr(fetch_mnist, "FILES", small)
    monkeypatch.setattr(digits, "draw_files", lambda seed: idx_files(100 + seed))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("MINICAFFE_MNIST_DIR", raising=False)
    # Nothing listens there: no test of this file ever leaves the machine.
    monkeypatch.setenv("MINICAFFE_MNIST_MIRRORS", "http://127.0.0.1:9/")


@dataclass
class Mirror:
    """A server of REAL; `wrong` says by file name (or for all, by "") what goes wrong."""

    wrong: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    url: str = ""

    def answer(self, handler):
        name = Path(handler.path).stem
        self.asked.append(name)
        fault = self.wrong.get(name, self.wrong.get("", "good"))
        body = gzip.compress(REAL[name])
        if fault == "absent":
            return handler.send_error(404)
        if fault == "silent":
            return time.sleep(2 * QUICK.silence)
        if fault == "other":
            body = gzip.compress(REAL[name][:-1] + b"?")
        if fault == "corrupt":
            body = body[:20] + bytes([body[20] ^ 0xFF]) + body[21:]
        if fault == "no gzip":
            body = b"<html>log in to this network first</html>"
        if fault == "bomb":
            body = gzip.compress(bytes(1 << 24))
        if fault == "endless":
            body = bytes(1 << 20)
        handler.send_response(200)
        if fault != "endless":
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if fault == "drips":
            return drip(handler, body)
        handler.wfile.write(body[: len(body) // 2] if fault == "cut short" else body)


def drip(handler, body):
    """A byte now and then: never silent, never done."""
    for byte in body:
        try:
            handler.wfile.write(bytes([byte]))
        except OSError:
            return
        time.sleep(QUICK.silence / 2)


@pytest.fixture
def serve():
    servers = []

    def start(**wrong):
        mirror = Mirror({name.replace("_", "-"): fault for name, fault in wrong.items()})

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.answer(self)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        mirror.url = f"http://127.0.0.1:{server.server_port}/mnist/"
        return mirror

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def fetch(folder, *mirrors, **options):
    return fetch_mnist.fetch(folder, mirrors=[mirror.url for mirror in mirrors], limits=QUICK, **options)


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_download(tmp_path, serve):
    mirror = serve()
    assert fetch(tmp_path / "data" / "mnist", mirror) is State.REAL
    assert files_in(tmp_path / "data" / "mnist") == REAL
    assert mirror.asked == NAMES


def test_files_that_are_there_are_not_fetched_again(tmp_path, serve):
    mirror = serve()
    for name in NAMES[:3]:
        (tmp_path / name).write_bytes(REAL[name])
    assert fetch(tmp_path, mirror) is State.REAL
    assert mirror.asked == NAMES[3:]
    assert fetch(tmp_path, mirror) is State.REAL
    assert mirror.asked == NAMES[3:]
    assert files_in(tmp_path) == REAL


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("absent", "the server answers 404 Not Found"),
        ("silent", "failed: timed out"),
        ("drips", "too slow: "),
        ("cut short", "cut short: "),
        ("corrupt", "damaged gzip"),
        ("no gzip", "damaged gzip"),
        ("bomb", "not the file: "),
        ("other", "not the file: "),
        ("endless", "sends more than the file can hold"),
    ],
)
def test_a_bad_mirror_is_reported_and_the_next_one_asked(tmp_path, serve, capsys, fault, text):
    bad, good = serve(**{"": fault}), serve()
    assert fetch(tmp_path, bad, good) is State.REAL
    assert files_in(tmp_path) == REAL
    assert text in capsys.readouterr().err
    assert good.asked == NAMES


def test_a_mirror_that_does_not_answer_is_asked_once(tmp_path, serve):
    silent, good = serve(**{"": "silent"}), serve()
    fetch(tmp_path, silent, good)
    assert silent.asked == NAMES[:1]


def test_one_bad_file_comes_from_the_other_mirror(tmp_path, serve):
    first, second = serve(t10k_images_idx3_ubyte="corrupt"), serve()
    assert fetch(tmp_path, first, second) is State.REAL
    assert (first.asked, second.asked) == (NAMES, ["t10k-images-idx3-ubyte"])


def test_nothing_answers_so_digits_are_drawn(tmp_path, capsys):
    assert run_command(fetch_mnist.main, ["--to", str(tmp_path)]) == 0
    assert files_in(tmp_path).keys() == {*NAMES, MARKER}
    assert {name: data for name, data in files_in(tmp_path).items() if name != MARKER} == idx_files(101)
    assert "NOT MNIST" in (tmp_path / MARKER).read_text()
    err = capsys.readouterr().err
    assert "http://127.0.0.1:9/train-images-idx3-ubyte.gz" in err
    assert "failed: [Errno" in err
    assert "WARNING: these are generated digits, NOT MNIST." in err


def test_generated_digits_are_kept_warned_of_and_replaced_by_the_real_ones(tmp_path, serve, capsys):
    fetch(tmp_path)
    before = files_in(tmp_path)
    capsys.readouterr()
    assert fetch(tmp_path, seed=2) is State.GENERATED
    assert files_in(tmp_path) == before
    assert "NOT MNIST" in capsys.readouterr().err
    assert fetch(tmp_path, serve()) is State.REAL
    assert files_in(tmp_path) == REAL


def test_a_mirror_that_fails_half_way_replaces_no_generated_file(tmp_path, serve):
    fetch(tmp_path)
    before = files_in(tmp_path)
    assert fetch(tmp_path, serve(t10k_labels_idx1_ubyte="absent")) is State.GENERATED
    assert files_in(tmp_path) == before


def test_generate_on_request_asks_no_mirror(tmp_path, serve, monkeypatch):
    mirror = serve()
    monkeypatch.setenv("MINICAFFE_MNIST_MIRRORS", mirror.url)
    assert run_command(fetch_mnist.main, ["--to", str(tmp_path), "--generate", "--seed", "3"]) == 0
    assert mirror.asked == []
    assert (tmp_path / NAMES[0]).read_bytes() == idx_files(103)[NAMES[0]]
    assert [state_of(tmp_path, file) for file in mnist_files.FILES] == [State.GENERATED] * 4
    # Other generated digits may take their place; nobody's own file was there to keep.
    assert run_command(fetch_mnist.main, ["--to", str(tmp_path), "--generate", "--seed", "4"]) == 0
    assert files_in(tmp_path).keys() == {*NAMES, MARKER}


def test_generated_digits_never_take_the_place_of_real_ones(tmp_path):
    (tmp_path / NAMES[1]).write_bytes(REAL[NAMES[1]])
    with pytest.raises(FileError, match=f"holds MNIST's own {NAMES[1]}; give generated digits another folder"):
        fetch_mnist.generate(tmp_path)
    with pytest.raises(FileError, match=rf"no source gives the others \({NAMES[0]}, {NAMES[2]}, {NAMES[3]}\)"):
        fetch(tmp_path)
    assert files_in(tmp_path) == {NAMES[1]: REAL[NAMES[1]]}


@pytest.mark.parametrize("packed", [False, True])
def test_from_a_folder(tmp_path, serve, packed):
    source, mirror = tmp_path / "from", serve()
    source.mkdir()
    for name, data in REAL.items():
        (source / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)
    assert fetch(tmp_path / "to", mirror, source=source) is State.REAL
    assert files_in(tmp_path / "to") == REAL
    assert mirror.asked == []


def test_from_the_environment_and_generated_ones_give_way(tmp_path, monkeypatch):
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    for name, data in REAL.items():
        (source / name).write_bytes(data)
    fetch(target)
    monkeypatch.setenv("MINICAFFE_MNIST_DIR", str(source))
    assert run_command(fetch_mnist.main, ["--to", str(target)]) == 0
    assert files_in(target) == REAL


def test_from_a_folder_that_lacks_one(tmp_path, serve):
    (tmp_path / NAMES[0]).write_bytes(REAL[NAMES[0]])
    with pytest.raises(FileError, match=f"has neither {NAMES[1]} nor {NAMES[1]}.gz; --from"):
        fetch(tmp_path / "to", serve(), source=tmp_path)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("fault", ["other", "gzip"])
def test_from_a_folder_with_a_wrong_file(tmp_path, capsys, fault):
    path = tmp_path / (NAMES[0] + ".gz" if fault == "gzip" else NAMES[0])
    path.write_bytes(REAL[NAMES[0]][:-1] + b"?")
    assert run_command(fetch_mnist.main, ["--from", str(tmp_path), "--to", str(tmp_path / "to")]) == 1
    assert f"error: {path}: is not MNIST's: " in capsys.readouterr().err


def test_files_fetched_by_hand_and_still_packed(tmp_path):
    for name, data in REAL.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
    assert fetch(tmp_path) is State.REAL
    assert all((tmp_path / name).read_bytes() == data for name, data in REAL.items())


def test_a_damaged_packed_file_is_reported_and_left_alone(tmp_path, serve, capsys):
    packed = tmp_path / f"{NAMES[0]}.gz"
    packed.write_bytes(gzip.compress(REAL[NAMES[0]])[:-9])
    assert fetch(tmp_path, serve()) is State.REAL
    assert f"{packed}: is not MNIST's: gzip cut short after" in capsys.readouterr().err
    assert packed.exists()


def test_an_unknown_file_is_kept_under_another_name(tmp_path, serve, capsys):
    (tmp_path / NAMES[0]).write_bytes(b"mine")
    (tmp_path / f"unknown1-{NAMES[0]}").write_bytes(b"mine too")
    assert fetch(tmp_path, serve()) is State.REAL
    kept = {f"unknown1-{NAMES[0]}": b"mine too", f"unknown2-{NAMES[0]}": b"mine"}
    assert files_in(tmp_path) == {**REAL, **kept}
    assert f"was not MNIST's file (wrong MD5); kept as unknown2-{NAMES[0]}" in capsys.readouterr().err


def test_a_generated_file_that_changed_is_drawn_again(tmp_path):
    fetch(tmp_path)
    (tmp_path / NAMES[2]).write_bytes(b"cut")
    assert fetch(tmp_path) is State.GENERATED
    assert (tmp_path / NAMES[2]).read_bytes() == idx_files(101)[NAMES[2]]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match="file/mnist: cannot be made a folder"):
        fetch(tmp_path / "file" / "mnist")


def test_the_note_follows_the_marker_and_the_bytes(tmp_path):
    fetch(tmp_path)
    assert "NOT MNIST" in note_of(tmp_path / NAMES[0])
    (tmp_path / NAMES[0]).write_bytes(REAL[NAMES[0]])
    assert note_of(tmp_path / NAMES[0]) == ""
    assert note_of(tmp_path / "my-own-images") == ""


def test_mirrors_of_the_environment():
    assert mirrors_from(None, ["default"]) == ["default"]
    assert mirrors_from("http://a/, http://b/\nhttp://c", ["default"]) == ["http://a/", "http://b/", "http://c"]
    assert mirrors_from("", ["default"]) == []


def test_unpacking_stops_at_the_limit():
    assert unpack_gzip(gzip.compress(b"abc"), 3) == b"abc"
    assert len(unpack_gzip(gzip.compress(bytes(1 << 20)), 10)) == 10
    with pytest.raises(FormatError, match="gzip cut short after 0 bytes"):
        unpack_gzip(b"", 10)


def test_the_command_line_shows_no_traceback_unless_asked(capsys):
    def fail(argv):
        assert argv == ["x"]
        raise FileError("is missing", file="f")

    assert run_command(fail, ["x"]) == 1
    assert capsys.readouterr().err == "error: f: is missing\n"
    with pytest.raises(FileError):
        run_command(fail, ["x", "--debug"])


def test_what_the_system_refuses_is_one_line_too(tmp_path, capsys):
    (tmp_path / MARKER).mkdir()
    for name, data in REAL.items():
        (tmp_path / name).write_bytes(data)
    assert run_command(fetch_mnist.main, ["--to", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.skipif(os.name != "posix", reason="SIGINT as a shell sends it")
def test_ctrl_c_is_no_traceback(capsys):
    def interrupted(argv):
        raise KeyboardInterrupt

    assert run_command(interrupted, []) == 130
    assert capsys.readouterr().err == "stopped\n"
