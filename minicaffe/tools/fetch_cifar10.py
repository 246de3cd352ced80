"""Put CIFAR-10's six binary files, checked, into a folder: `python -m minicaffe.tools.fetch_cifar10`.

Sources, in this order: what is there already; the folder of --from or MINICAFFE_CIFAR10_DIR, with the files or the
archive; the archive where somebody has put it beside them; the mirrors (or those that MINICAFFE_CIFAR10_MIRRORS lists).
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from minicaffe.errors import FileError, FormatError
from minicaffe.io.atomic import atomic_write, remove_stale
from minicaffe.tools.command import progress_bar, run_command, say
from minicaffe.tools.download import Limits, MirrorError, download, mirrors_from
from minicaffe.tools.flags import Parser
from minicaffe.tools.mnist_files import bytes_of

MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_SIZE = 170052171
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
# SHA-256 of each file: 10,000 records of a label and 32x32 pixels in three planes, red, green, blue.
FILES = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
# Seconds for the whole archive: 170 MB at 50 KB/s.
_TOTAL = 3600.0


def fetch(
    folder: Path, source: Path | None = None, mirrors: list[str] | None = None, limits: Limits | None = None
) -> None:
    """Fill `folder` with the six files from the first source that has them.

    Raises FileError where no source has them, where another file lies under one of their names (nothing is
    overwritten), or where the folder cannot be written; FormatError where what `source` holds is not CIFAR-10's.
    """
    missing = _missing(folder)
    if missing:
        mirrors = list(MIRRORS if mirrors is None else mirrors)
        for name, data in _contents(missing, folder, source, mirrors, limits or Limits(total=_TOTAL)):
            _put(folder / name, data)
    say(f"{folder}: the six files of CIFAR-10 are there and have the right checksums")


def _missing(folder: Path) -> list[str]:
    missing = [name for name in FILES if not (folder / name).exists()]
    for name in FILES:
        if name not in missing and not _is_right(bytes_of(folder / name), FILES[name]):
            raise FileError("is not CIFAR-10's file (wrong SHA-256); move it away", file=str(folder / name))
    return missing


def _contents(
    names: list[str], folder: Path, source: Path | None, mirrors: list[str], limits: Limits
) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file, one after the other: all of them together are large."""
    if source is not None and not (source / ARCHIVE).exists():
        yield from _from_folder(source, names)
        return
    packed = (folder if source is None else source) / ARCHIVE
    yield from _unpacked(_archive_in(packed) if packed.exists() else _from_mirrors(folder, mirrors, limits), names)


def _from_folder(source: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        path = source / name
        if not path.exists():
            advice = "--from and MINICAFFE_CIFAR10_DIR name a folder with one or the other (leave both out to download)"
            raise FileError(f"has neither {ARCHIVE} nor {name}; {advice}", file=str(source))
        say(f"taking {path}")
        data = bytes_of(path)
        if not _is_right(data, FILES[name]):
            raise FormatError(f"is not CIFAR-10's: {len(data)} bytes with another SHA-256", file=str(path))
        yield name, data


def _archive_in(path: Path) -> bytes:
    say(f"taking {path}")
    data = bytes_of(path)
    if not _is_right(data, ARCHIVE_SHA256):
        raise FormatError(f"is not CIFAR-10's: {_difference(data)}; move it away, or fetch it again", file=str(path))
    return data


def _from_mirrors(folder: Path, mirrors: list[str], limits: Limits) -> bytes:
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{ARCHIVE}"
        say(f"fetching {url}")
        try:
            data = download(url, ARCHIVE, ARCHIVE_SIZE, limits)
        except MirrorError as error:
            say(f"  {error}")
            continue
        if _is_right(data, ARCHIVE_SHA256):
            return data
        say(f"  not the file: {_difference(data)}")
    raise FileError(
        f"lacks CIFAR-10, and no mirror gives it; fetch {MIRRORS[0]}{ARCHIVE} where there is a network, put it into "
        "this folder as it is and run this again, or name a folder that has it with --from DIR",
        file=str(folder),
    )


def _unpacked(archive: bytes, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """The files out of the archive, whose checksum was right: what is in it can be relied on."""
    bar = progress_bar(len(names), desc="unpacking", unit="files")
    with bar, tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            name = PurePosixPath(member.name).name
            file = tar.extractfile(member) if name in names else None
            if file:
                yield name, file.read()
                bar.update()


def _put(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot be made a folder: {error.strerror or error}", file=str(path.parent)) from error
    remove_stale(path)
    with atomic_write(path) as stream:
        stream.write(data)


def _is_right(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def _difference(data: bytes) -> str:
    found = hashlib.sha256(data).hexdigest()
    return f"{len(data)} bytes with SHA-256 {found}, must be {ARCHIVE_SIZE} with {ARCHIVE_SHA256}"


def _parser() -> Parser:
    parser = Parser("fetch_cifar10", "Put CIFAR-10's six binary files into a folder.")
    parser.add("from", dest="source", metavar="DIR", type=Path, help=f"take {ARCHIVE}, or the six files, from DIR")
    parser.add("to", metavar="DIR", type=Path, default=Path("data/cifar10"), help="default: data/cifar10")
    parser.add("timeout", metavar="S", type=float, default=10, help="seconds without a byte from a mirror (default 10)")
    return parser


def main(argv: list[str]) -> int:
    flags = _parser().read(argv)
    named = os.environ.get("MINICAFFE_CIFAR10_DIR")
    fetch(
        flags.to,
        source=flags.source or (Path(named) if named else None),
        mirrors=mirrors_from(os.environ.get("MINICAFFE_CIFAR10_MIRRORS"), MIRRORS),
        limits=Limits(silence=flags.timeout, total=_TOTAL),
    )
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
