"""Put MNIST's four files, unpacked and checked, into a folder: `python -m minicaffe.tools.fetch_mnist`.

Sources, in this order: what is there already; the folder of --from or MINICAFFE_MNIST_DIR; the mirrors (or those
that MINICAFFE_MNIST_MIRRORS lists); and where none of them answers, digits drawn by minicaffe.tools.digits, with a
warning and a marker beside them. Generated digits give way to the real ones on the next run that can reach them.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from minicaffe.errors import FileError, FormatError
from minicaffe.io.atomic import atomic_write, remove_stale
from minicaffe.tools.command import run_command, say
from minicaffe.tools.download import Limits, fetch_from_mirrors, mirrors_from, unpack_gzip
from minicaffe.tools.mnist_files import FILES, MARKER, MnistFile, State, bytes_of, marker_text, md5, state_of

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SEED = 1

_WARNING = """\
************************************************************************
*  WARNING: these are generated digits, NOT MNIST.                     *
*  MNIST could not be fetched (see above). What a net reaches on these *
*  digits says nothing about MNIST. To get the real files, run         *
*  data/mnist/get_mnist.sh with a network, or with --from DIR.         *
************************************************************************"""


def fetch(
    folder: Path,
    source: Path | None = None,
    mirrors: list[str] | None = None,
    limits: Limits | None = None,
    seed: int = SEED,
) -> State:
    """Fill `folder` with the four files from the first source that has them; REAL or GENERATED says which they are.

    Raises FileError where `source` lacks a file or the folder cannot be written, FormatError where a file of
    `source` is not MNIST's. Nothing in the folder is lost: a file of other contents is renamed, and reported.
    """
    states = {file: state_of(folder, file) for file in FILES}
    missing = [file for file in FILES if states[file] is not State.REAL]
    if missing:
        contents = _real_files(folder, missing, source, mirrors, limits)
        if contents is None:
            return _fall_back(folder, states, seed)
        _put(folder, contents)
    (folder / MARKER).unlink(missing_ok=True)
    say(f"{folder}: the four MNIST files are there and have the right checksums")
    return State.REAL


def generate(folder: Path, seed: int = SEED) -> None:
    """Draw digits into `folder`; FileError where a real MNIST file lies there, which is never overwritten."""
    from minicaffe.tools.digits import draw_files

    real = [file.name for file in FILES if state_of(folder, file) is State.REAL]
    if real:
        raise FileError(
            f"holds MNIST's own {real[0]}; give generated digits another folder with --to", file=str(folder)
        )
    contents = draw_files(seed)
    # The marker first: at no moment do generated digits lie there without it.
    _put(folder, {MARKER: marker_text(contents, seed).encode(), **contents})


def _real_files(
    folder: Path, missing: list[MnistFile], source: Path | None, mirrors: list[str] | None, limits: Limits | None
) -> dict[str, bytes] | None:
    """All the missing files' bytes, or None: with one lacking, none is put into place."""
    if source is not None:
        return {file.name: _from_folder(source, file) for file in missing}
    mirrors = list(MIRRORS if mirrors is None else mirrors)
    contents = {}
    for file in missing:
        data = _packed_beside(folder, file) or fetch_from_mirrors(file, mirrors, limits or Limits(), say)
        if data is None:
            return None
        contents[file.name] = data
    return contents


def _from_folder(source: Path, file: MnistFile) -> bytes:
    """One file, plain or as .gz, of the folder that the user named."""
    for path in (source / file.name, source / f"{file.name}.gz"):
        if path.exists():
            say(f"taking {path}")
            return _checked(path, file)
    raise FileError(
        f"has neither {file.name} nor {file.name}.gz; --from and MINICAFFE_MNIST_DIR name a folder with MNIST's "
        "four files (leave both out to download them)",
        file=str(source),
    )


def _packed_beside(folder: Path, file: MnistFile) -> bytes | None:
    """The file as somebody fetched it into the folder by hand, still packed."""
    path = folder / f"{file.name}.gz"
    if not path.exists():
        return None
    try:
        return _checked(path, file)
    except FormatError as error:
        say(f"{error}; left alone")
        return None


def _checked(path: Path, file: MnistFile) -> bytes:
    data = bytes_of(path)
    if path.suffix == ".gz":
        try:
            data = unpack_gzip(data, file.size + 1)
        except FormatError as error:
            raise FormatError(f"is not MNIST's: {error}", file=str(path)) from error
    if md5(data) != file.md5:
        raise FormatError(
            f"is not MNIST's: {len(data)} bytes with MD5 {md5(data)} (unpacked), must be {file.size} with {file.md5}",
            file=str(path),
        )
    return data


def _fall_back(folder: Path, states: dict[MnistFile, State], seed: int) -> State:
    """No source has the real files: keep the generated ones that are there, or draw them."""
    if State.REAL in states.values():
        lacking = ", ".join(file.name for file in FILES if states[file] is not State.REAL)
        raise FileError(
            f"holds some of MNIST's files, and no source gives the others ({lacking}); run again with a network, "
            "or name a folder that has them with --from DIR",
            file=str(folder),
        )
    if set(states.values()) != {State.GENERATED}:
        say("no mirror gave MNIST: drawing 70,000 digits in its place")
        generate(folder, seed)
    say(_WARNING)
    return State.GENERATED


def _put(folder: Path, contents: dict[str, bytes]) -> None:
    _make_folder(folder)
    for file in FILES:
        if file.name in contents and state_of(folder, file) is State.UNKNOWN:
            _set_aside(folder / file.name)
    for name, data in contents.items():
        remove_stale(folder / name)
        with atomic_write(folder / name) as stream:
            stream.write(data)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot be made a folder: {error.strerror or error}", file=str(folder)) from error


def _set_aside(path: Path) -> None:
    """Rename a file that is neither MNIST's nor generated: it may be damaged, or somebody's own."""
    number = 1
    while (kept := path.with_name(f"unknown{number}-{path.name}")).exists():
        number += 1
    path.rename(kept)
    say(f"WARNING: {path} was not MNIST's file (wrong MD5); kept as {kept.name}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fetch_mnist", description="Put the four MNIST files into a folder.")
    parser.add_argument("--from", dest="source", metavar="DIR", type=Path, help="take the four files (or .gz) from DIR")
    parser.add_argument("--to", metavar="DIR", type=Path, default=Path("data/mnist"), help="default: data/mnist")
    parser.add_argument("--generate", action="store_true", help="draw digits, and do not look for MNIST")
    parser.add_argument("--seed", type=int, default=SEED, help="of the generated digits (default: %(default)s)")
    parser.add_argument("--timeout", metavar="S", type=float, default=10, help="seconds without a byte from a mirror")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Exit status 0 also for generated digits: the tutorial runs on them."""
    arguments = _parser().parse_args(argv)
    if arguments.generate:
        generate(arguments.to, arguments.seed)
        return 0
    named = os.environ.get("MINICAFFE_MNIST_DIR")
    fetch(
        arguments.to,
        source=arguments.source or (Path(named) if named else None),
        mirrors=mirrors_from(os.environ.get("MINICAFFE_MNIST_MIRRORS"), MIRRORS),
        limits=Limits(silence=arguments.timeout),
        seed=arguments.seed,
    )
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
