"""Fetch a file, gzipped ones also from one of several mirrors, checked and unpacked in memory; with time-outs."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minicaffe.errors import FormatError
from minicaffe.tools.command import progress_bar
from minicaffe.tools.mnist_files import MnistFile, md5
from minicaffe.version import __version__

_CHUNK = 1 << 16
# What a mirror may send beyond the unpacked size before it is stopped: gzip adds some bytes, never this many.
_SLACK = 1 << 16


class MirrorError(Exception):
    """One mirror failed; the text says how. silent: it did not answer at all, so there is no sense in asking again."""

    def __init__(self, text: str, silent: bool = False) -> None:
        super().__init__(text)
        self.silent = silent


@dataclass
class Limits:
    """Seconds: `silence` without a byte, `total` for one file."""

    silence: float = 10.0
    total: float = 600.0


def fetch_from_mirrors(
    file: MnistFile, mirrors: list[str], limits: Limits, report: Callable[[str], None]
) -> bytes | None:
    """The unpacked bytes of `file` from the first mirror that has them whole; None where none has.

    Each failure is reported; a mirror that did not answer leaves the list `mirrors`.
    """
    for mirror in list(mirrors):
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        report(f"fetching {url}")
        try:
            return _unpack(download(url, file.name, file.size + _SLACK, limits), file)
        except MirrorError as error:
            report(f"  {error}")
            if error.silent:
                mirrors.remove(mirror)
    return None


def mirrors_from(text: str | None, default: Sequence[str]) -> list[str]:
    """Mirrors listed in an environment variable, parted by blanks or commas; the default where it is unset."""
    return list(default) if text is None else text.replace(",", " ").split()


def download(url: str, name: str, most: int, limits: Limits) -> bytes:
    """The bytes behind an address. name: what the progress bar calls them. most: how many there can be at the most.

    Raises MirrorError where they do not come, not whole, too many, or too slowly.
    """
    try:
        request = urllib.request.Request(url, headers={"User-Agent": f"minicaffe/{__version__}"})
        with urllib.request.urlopen(request, timeout=limits.silence) as response:
            return _receive(response, name, most, limits)
    except urllib.error.HTTPError as error:
        raise MirrorError(f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        # URLError wraps what happened; a time-out while reading comes bare.
        reason = getattr(error, "reason", error)
        raise MirrorError(f"failed: {reason or type(reason).__name__}", silent=True) from error


def _receive(response: http.client.HTTPResponse, name: str, most: int, limits: Limits) -> bytes:
    length = response.headers.get("Content-Length", "")
    announced = int(length) if length.isdigit() else None
    deadline = time.monotonic() + limits.total
    data = bytearray()
    with progress_bar(announced, desc=name, unit="B", unit_scale=True) as bar:
        # read1 gives what has come; read would wait for a whole chunk, past any deadline, on a server that drips.
        while chunk := response.read1(_CHUNK):
            data += chunk
            bar.update(len(chunk))
            if len(data) > most:
                raise MirrorError(f"sends more than the file can hold: {len(data)} bytes and no end")
            if time.monotonic() > deadline:
                raise MirrorError(f"too slow: {len(data)} bytes in {limits.total:g} s", silent=True)
    if announced is not None and len(data) != announced:
        raise MirrorError(f"cut short: {len(data)} of {announced} bytes came")
    return bytes(data)


def _unpack(packed: bytes, file: MnistFile) -> bytes:
    try:
        data = unpack_gzip(packed, file.size + 1)
    except FormatError as error:
        raise MirrorError(str(error)) from error
    if md5(data) != file.md5:
        raise MirrorError(
            f"not the file: {len(data)} bytes with MD5 {md5(data)}, must be {file.size} with MD5 {file.md5}"
        )
    return data


def unpack_gzip(packed: bytes, limit: int) -> bytes:
    """Unpack gzip, at most `limit` bytes of it: a few kilobytes may announce gigabytes."""
    engine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        data = engine.decompress(packed, limit)
    except zlib.error as error:
        raise FormatError(f"damaged gzip ({error})") from error
    if len(data) < limit and not engine.eof:
        raise FormatError(f"gzip cut short after {len(packed)} bytes")
    return data
