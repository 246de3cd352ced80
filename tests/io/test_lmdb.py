"""Our LMDB reader against databases that the LMDB library wrote."""

import os
import struct

import pytest
from hypothesis import given, settings, strategies as st

from minicaffe.errors import DataError, FileError, FormatError, MinicaffeError
from minicaffe.io.database import open_database

lmdb = pytest.importorskip("lmdb")

PAGE = 4096


def write(path, batches, **options):
    """One transaction per batch of (key, value)."""
    with lmdb.open(str(path), map_size=64 << 20, sync=False, **options) as env:
        for batch in batches:
            with env.begin(write=True) as transaction:
                for key, value in batch:
                    transaction.put(key, value)


def ours(path):
    with open_database(path, "lmdb") as db:
        found = list(db.records())
        assert len(db) == len(found)
    return found


def many(count=3000, size=300):
    return [(b"%08d" % i, bytes([i % 251]) * (size + i % 7)) for i in range(count)]


@pytest.mark.parametrize("size", [0, 300, 1500, 2100, 10_000])
@pytest.mark.parametrize("batch", [100, 3000])
def test_reads_what_was_written_and_touches_nothing(tmp_path, size, batch):
    count = 3000 if size < 2000 else 400
    records, path = many(count, size), tmp_path / "db"
    write(path, [records[i : i + batch] for i in range(0, count, batch)])
    (path / "lock.mdb").unlink()
    before = {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(path)}
    assert ours(path) == records
    assert {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(path)} == before


def test_reads_from_a_folder_that_nobody_may_write(tmp_path):
    write(tmp_path / "db", [many(10)])
    for name in os.listdir(tmp_path / "db"):
        os.chmod(tmp_path / "db" / name, 0o400)
    os.chmod(tmp_path / "db", 0o500)
    try:
        assert ours(tmp_path / "db") == many(10)
    finally:
        os.chmod(tmp_path / "db", 0o700)


@settings(max_examples=50, deadline=None)
@given(
    changes=st.lists(st.tuples(st.binary(min_size=1, max_size=4), st.one_of(st.none(), st.integers(0, 9000)))),
    batch=st.integers(1, 20),
    first=st.binary(max_size=4),
    skip=st.integers(0, 20),
)
def test_any_history_leaves_what_was_put(tmp_path_factory, changes, batch, first, skip):
    path, model = tmp_path_factory.mktemp("lmdb") / "db", {}
    with lmdb.open(str(path), map_size=64 << 20, sync=False) as env:
        for start in range(0, len(changes), batch):
            with env.begin(write=True) as transaction:
                for key, size in changes[start : start + batch]:
                    if size is None:
                        transaction.delete(key)
                        model.pop(key, None)
                    else:
                        model[key] = key[:1] * size
                        transaction.put(key, model[key])
    assert ours(path) == sorted(model.items())
    with open_database(path, "lmdb") as db:
        expected = [record for record in sorted(model.items()) if record[0] >= first]
        assert list(db.records(first)) == expected
        assert list(db.records(first, skip=skip)) == expected[skip:]


def test_from_any_key_on_in_a_deep_tree(tmp_path):
    # Long keys: few of them fit into a branch.
    records = [(b"%0500d" % (2 * i), b"%d" % i) for i in range(2000)]
    write(tmp_path / "db", [records])
    with lmdb.open(str(tmp_path / "db")) as env:
        assert env.stat()["depth"] > 3
    with open_database(tmp_path / "db", "lmdb") as db:
        for i in range(0, 4001, 37):
            first = b"%0500d" % i
            assert list(db.records(first)) == [record for record in records if record[0] >= first]
        assert list(db.records(skip=1234)) == records[1234:]


def test_a_reader_keeps_its_records_while_others_write(tmp_path):
    write(tmp_path / "db", [many(100)])
    with open_database(tmp_path / "db", "lmdb") as db:
        write(tmp_path / "db", [[(b"%08d" % 5, b"new")]])
        assert list(db.records()) == many(100)
    assert dict(ours(tmp_path / "db"))[b"%08d" % 5] == b"new"


def test_what_is_no_lmdb_is_told(tmp_path):
    with pytest.raises(FileError, match=r"absent: no such folder; create it with a convert tool, or correct the path"):
        open_database(tmp_path / "absent", "lmdb")
    assert not (tmp_path / "absent").exists()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match="file: is a file, an LMDB is a folder"):
        open_database(tmp_path / "file", "lmdb")
    (tmp_path / "other").mkdir()
    with pytest.raises(FileError, match=r"other: is not an LMDB: it has no file data.mdb; copy it whole"):
        open_database(tmp_path / "other", "lmdb")
    (tmp_path / "other" / "CURRENT").write_bytes(b"")
    with pytest.raises(FileError, match=r"\(it holds CURRENT: its backend is LEVELDB\)"):
        open_database(tmp_path / "other", "lmdb")
    assert os.listdir(tmp_path / "other") == ["CURRENT"]


def put_bytes(path, position, data):
    with open(path / "data.mdb", "r+b") as file:
        file.seek(position)
        file.write(data)


@pytest.mark.parametrize(
    ("position", "data", "text"),
    [
        (16, bytes(4), "is not an LMDB data file: no LMDB mark in the page at byte 0; copy or create it again"),
        (PAGE + 16, b"\xff", f"is not an LMDB data file: no LMDB mark in the page at byte {PAGE}"),
        (20, b"\x02", "has LMDB's data version 2, must be 1"),
        (40, struct.pack("<I", 1000), "is damaged: pages of 1000 bytes"),
        (PAGE + 92, struct.pack("<H", 4), "orders its keys in a way of its own .flags 0x4., Caffe's have none"),
        (PAGE + 94, struct.pack("<H", 999), "is damaged: a tree of 999 levels"),
        (PAGE + 128, struct.pack("<Q", 9999), "is damaged: page 9999 is asked for, the last one is "),
        (PAGE + 128, struct.pack("<Q", 1), "is damaged: page 1 is no branch of the tree"),
    ],
)
def test_damaged_meta_pages_are_told(tmp_path, position, data, text):
    path = tmp_path / "db"
    # The second meta page is that of the first transaction.
    write(path, [many(100)])
    put_bytes(path, position, data)
    with pytest.raises(FormatError, match=f"data.mdb: {text}"):
        ours(path)


def test_files_cut_short_are_told(tmp_path):
    path = tmp_path / "db"
    write(path, [many(500, 3000)])
    whole = (path / "data.mdb").read_bytes()
    for size in (PAGE + 50, 100, 0):
        os.truncate(path / "data.mdb", size)
        with pytest.raises(FormatError, match=f"data.mdb: is cut short: {size} bytes, not even the first two pages"):
            open_database(path, "lmdb")
    for size in (2 * PAGE, len(whole) // 2, len(whole) - 2 * PAGE):
        (path / "data.mdb").write_bytes(whole[:size])
        with pytest.raises(
            FormatError, match=rf"data.mdb: is cut short: {size} bytes, at least \d+ are needed; copy or"
        ):
            open_database(path, "lmdb")


def test_named_databases_are_refused(tmp_path):
    with lmdb.open(str(tmp_path / "db"), max_dbs=1) as env:
        env.open_db(b"named")
    with pytest.raises(FormatError, match="b'named' holds a database or several values, no Datum"):
        ours(tmp_path / "db")


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    """A small database of two levels with values in pages of their own, and its bytes."""
    path = tmp_path_factory.mktemp("lmdb") / "db"
    write(path, [many(60, 40), [(b"%08d" % 5, b"long" * 3000)], [(b"%08d" % 50, b"long" * 3000)]])
    return path, (path / "data.mdb").read_bytes()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_lies_there_gives_records_or_a_typed_error(whole_file, data):
    path, whole = whole_file
    damaged = bytearray(whole)
    # Headers and the places of nodes matter most: they stand in the first 200 bytes of a page.
    for _ in range(data.draw(st.integers(1, 4))):
        page = data.draw(st.integers(0, len(whole) // PAGE - 1))
        position = page * PAGE + data.draw(st.one_of(st.integers(0, 200), st.integers(0, PAGE - 8)))
        new = data.draw(st.binary(min_size=1, max_size=8))
        damaged[position : position + len(new)] = new
    (path / "data.mdb").write_bytes(damaged)
    try:
        with open_database(path, "lmdb") as db:
            found = list(db.records())
    except MinicaffeError as error:
        assert str(path) in str(error)
    else:
        assert all(isinstance(value, bytes) for _, value in found)
    finally:
        (path / "data.mdb").write_bytes(whole)


def test_keys_out_of_order_are_told(whole_file):
    path, whole = whole_file
    damaged = whole.replace(b"00000007", b"00000001")
    assert damaged != whole
    (path / "data.mdb").write_bytes(damaged)
    with pytest.raises(FormatError, match=r"is damaged: key b'00000001' stands behind b'0000000[16]'"):
        ours(path)
    (path / "data.mdb").write_bytes(whole)


def test_a_closed_database_is_told(tmp_path):
    write(tmp_path / "db", [many(100)])
    db = open_database(tmp_path / "db", "lmdb")
    cursor = db.cursor()
    assert len(cursor.read(1)) == 1
    db.close()
    db.close()
    with pytest.raises(DataError, match="db: is closed"):
        cursor.read(1)
