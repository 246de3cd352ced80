"""An LMDB database, read without the LMDB library: that maps the file, and a damaged map ends the whole process.

    file:    pages; 0 and 1 are meta pages, of which the one with the later transaction counts
    page:    number (uint64) | unused (uint16) | flags | lower | upper (uint16 each) | places of nodes (uint16 each)
    node:    low and high half of the value's size | flags | key's size (uint16 each) | key | value
    branch:  a node's first three numbers are its child's page, 16 bits each, low ones first; keys are the least
             below them, the first node's is not used
    value:   in the node, or in pages of its own (flag BIGDATA; the node holds their number) behind one page header

It writes, creates and locks nothing. A process that writes to the database meanwhile may reuse pages that are being
read; that is noticed in most cases, not in all.

Source: LMDB 0.9, lmdb.h and mdb.c; data version 1, little-endian, 64-bit page numbers.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from minicaffe.errors import FileError, FormatError
from minicaffe.io.database_kinds import file_of_kind
from minicaffe.io.read_at import FileReader, damaged
from minicaffe.io.records import Database, Record

_PAGE = struct.Struct("<QHHHH")
_NODE = struct.Struct("<HHHH")
_KEY_SIZE = struct.Struct("<6xH")
# A meta page: magic, version, address, map size; tree of free pages; tree of records; last page, transaction.
_HEAD, _TAIL = struct.Struct("<IIQQ"), struct.Struct("<QQ")
# A tree: page size (or 0), flags, depth; branch, leaf and overflow pages; entries, root.
_TREE = struct.Struct("<IHHQQQQQ")
_META_SIZE = _PAGE.size + _HEAD.size + 2 * _TREE.size + _TAIL.size
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _META_PAGE = 0x01, 0x02, 0x08
_BIGDATA = 0x01
_NO_PAGE = (1 << 64) - 1
# Reverse keys, sorted duplicates, integer keys and what goes with them: other orders than Caffe's.
_OTHER_ORDERS = 0x7E
# Leaves of a database that was filled in order lie side by side: this many pages are read at a time.
_READ_AHEAD = 16
# LMDB goes no deeper.
_DEEPEST = 32


class _Meta(NamedTuple):
    """What a meta page tells: bytes per page, levels of the tree, records, numbers of the root and the last page."""

    page_size: int
    depth: int
    entries: int
    root: int
    last_page: int
    transaction: int


class LMDBDatabase(Database):
    """Pages are checked as they are read.

    Raises FileError where there is no such folder, FormatError where data.mdb is damaged or cut short.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._file = FileReader(file_of_kind(path, "lmdb", FileError))
        try:
            self._meta = _read_meta(self._file)
            # Pages that were taken and given back at the end need not be there: only then is every page looked at.
            if self._file.size() < (self._meta.last_page + 1) * self._meta.page_size:
                for _ in self.records():
                    pass
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return self._meta.entries

    def records(self, first_key: bytes = b"", skip: int = 0) -> Iterator[Record]:
        last, page_size = b"", self._meta.page_size
        for page, places in _Tree(self._file, self._meta).leaves(first_key):
            for place in places[skip:]:
                low, high, flags, key_size = _NODE.unpack_from(page, place)
                start = place + _NODE.size + key_size
                end = start + (low | high << 16)
                key = page[place + _NODE.size : start]
                if key <= last:
                    raise damaged(self._file.path, f"key {key!r} stands behind {last!r}")
                last = key
                if flags:
                    yield key, self._value_elsewhere(key, flags, page[start : start + 8], end - start)
                elif end <= page_size:
                    yield key, page[start:end]
                else:
                    raise damaged(self._file.path, f"the value of {key!r} runs over its page")
            skip = max(skip - len(places), 0)

    def _value_elsewhere(self, key: bytes, flags: int, place: bytes, size: int) -> bytes:
        """The value of a node that holds but the number of its first page."""
        if flags != _BIGDATA:
            raise FormatError(f"{key!r} holds a database or several values, no Datum", file=self._file.path)
        number, last = int.from_bytes(place, "little"), self._meta.last_page
        if number > last:
            raise damaged(self._file.path, f"the value of {key!r} lies in page {number}, the last one is {last}")
        return self._file.read_exactly(size, number * self._meta.page_size + _PAGE.size)

    def close(self) -> None:
        super().close()
        self._file.close()


class _Tree:
    """The pages from the root to the leaves, as one reader of them goes along."""

    def __init__(self, file: FileReader, meta: _Meta) -> None:
        self._file, self._meta = file, meta
        # Pages that were read together, and the number of the first.
        self._ahead, self._first = b"", 0

    def leaves(self, first_key: bytes) -> Iterator[tuple[bytes, Sequence[int]]]:
        """Each leaf page in the order of keys, and the places of its nodes, without those below `first_key`."""
        if self._meta.root != _NO_PAGE:
            yield from self._below(self._meta.root, self._meta.depth, first_key)

    def _below(self, number: int, depth: int, first_key: bytes) -> Iterator[tuple[bytes, Sequence[int]]]:
        page = self._read(number)
        places = self._places(page, number, _LEAF if depth == 1 else _BRANCH)
        if depth == 1:
            first = bisect_left(places, first_key, key=lambda place: _key(page, place)) if first_key else 0
            yield page, places[first:]
            return
        # The first node's key is not used: everything less than the second's lies below it.
        first = bisect_right(places, first_key, lo=1, key=lambda place: _key(page, place)) - 1 if first_key else 0
        for place in places[first:]:
            low, middle, high, _ = _NODE.unpack_from(page, place)
            yield from self._below(low | middle << 16 | high << 32, depth - 1, first_key)
            # Further children have nothing below it.
            first_key = b""

    def _read(self, number: int) -> bytes:
        size = self._meta.page_size
        start = (number - self._first) * size
        if not 0 <= start < len(self._ahead):
            if number > self._meta.last_page:
                raise damaged(self._file.path, f"page {number} is asked for, the last one is {self._meta.last_page}")
            self._ahead, self._first, start = self._file.read(_READ_AHEAD * size, number * size), number, 0
        page = self._ahead[start : start + size]
        return page if len(page) == size else self._file.read_exactly(size, number * size)

    def _places(self, page: bytes, number: int, kind: int) -> tuple[int, ...]:
        """Where the page's nodes begin; FormatError where this cannot be a page of that kind."""
        found, _, flags, lower, _ = _PAGE.unpack_from(page)
        if found != number or not flags & kind or not _PAGE.size <= lower <= len(page) or lower & 1:
            raise damaged(self._file.path, f"page {number} is no {'leaf' if kind == _LEAF else 'branch'} of the tree")
        places = struct.unpack_from(f"<{(lower - _PAGE.size) // 2}H", page, _PAGE.size)
        if not places or max(places) + _NODE.size > len(page):
            raise damaged(self._file.path, f"page {number} has no nodes where it should")
        return places


def _key(page: bytes, place: int) -> bytes:
    (size,) = _KEY_SIZE.unpack_from(page, place)
    start = place + _NODE.size
    return page[start : start + size]


def _read_meta(file: FileReader) -> _Meta:
    """The later of both meta pages; the second one's place follows from the first's page size."""
    first = _parse_meta(file, 0)
    second = _parse_meta(file, first.page_size)
    return second if second.transaction > first.transaction else first


def _parse_meta(file: FileReader, position: int) -> _Meta:
    page = file.read(_META_SIZE, position)
    if len(page) < _META_SIZE:
        raise FormatError(
            f"is cut short: {file.size()} bytes, not even the first two pages; copy or create it again", file=file.path
        )
    magic, version, _, _ = _HEAD.unpack_from(page, _PAGE.size)
    if magic != _MAGIC or not _PAGE.unpack_from(page)[2] & _META_PAGE:
        text = f"is not an LMDB data file: no LMDB mark in the page at byte {position}; copy or create it again"
        raise FormatError(text, file=file.path)
    if version != _VERSION:
        raise FormatError(f"has LMDB's data version {version}, must be {_VERSION} (LMDB 0.9)", file=file.path)
    at = _PAGE.size + _HEAD.size
    page_size, *_ = _TREE.unpack_from(page, at)
    _, flags, depth, _, _, _, entries, root = _TREE.unpack_from(page, at + _TREE.size)
    last_page, transaction = _TAIL.unpack_from(page, at + 2 * _TREE.size)
    if not 512 <= page_size <= 65536 or page_size & (page_size - 1):
        raise damaged(file.path, f"pages of {page_size} bytes")
    if flags & _OTHER_ORDERS:
        raise FormatError(f"orders its keys in a way of its own (flags {flags:#x}), Caffe's have none", file=file.path)
    if root != _NO_PAGE and not 1 <= depth <= _DEEPEST:
        raise damaged(file.path, f"a tree of {depth} levels")
    return _Meta(page_size, depth, entries, root, last_page, transaction)
