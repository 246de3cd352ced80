"""Our LevelDB reader against databases that the LevelDB library wrote."""

import os
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings, strategies as st

from minicaffe.errors import DataError, FileError, FormatError, MinicaffeError
from minicaffe.io.database import open_database

plyvel = pytest.importorskip("plyvel")

BLOCK = 32768


def library(path, **options):
    return plyvel.DB(str(path), create_if_missing=True, **options)


def contents(path):
    """What the library itself finds there."""
    with library(path) as db:
        return list(db)


def ours(path):
    with open_database(path, "leveldb") as db:
        found = list(db.records())
        assert len(db) == len(found)
    return found


def snapshot(folder):
    return {entry.name: (entry.stat().st_mtime_ns, entry.stat().st_size) for entry in os.scandir(folder)}


def fill(path, count=200, size=1000, batch=10, compact=False, **options):
    """A database of `count` records whose values differ in size and bytes; the first half in tables if `compact`."""
    records = [(b"%08d" % i, bytes([i % 251]) * (size + i)) for i in range(count)]
    with library(path, **options) as db:
        for start in range(0, count, batch):
            with db.write_batch() as changes:
                for key, value in records[start : start + batch]:
                    changes.put(key, value)
            if compact and start + batch == count // 2:
                db.compact_range()
    return records


def suffixes(path):
    return {os.path.splitext(name)[1] for name in os.listdir(path)}


@pytest.mark.parametrize("compression", [None, "snappy"])
@pytest.mark.parametrize("batch", [1, 10, 50])
@pytest.mark.parametrize(("compact", "expected"), [(False, {".log"}), (True, {".log", ".ldb"})])
def test_reads_what_was_written_and_touches_nothing(tmp_path, compression, batch, compact, expected):
    path = tmp_path / "db"
    records = fill(path, batch=batch, compact=compact, compression=compression)
    assert suffixes(path) & {".log", ".ldb"} == expected
    before = snapshot(path)
    assert ours(path) == records
    assert snapshot(path) == before


def test_values_longer_than_many_blocks(tmp_path):
    values = [os.urandom(size) for size in (0, 1, BLOCK - 100, BLOCK, 5 * BLOCK + 3, 300_000)]
    with library(tmp_path / "db") as db:
        for i, value in enumerate(values):
            db.put(b"%d" % i, value)
    assert [value for _, value in ours(tmp_path / "db")] == values


@pytest.mark.parametrize("last", range(BLOCK - 60, BLOCK + 10))
def test_records_that_end_near_a_block_end(tmp_path, last):
    # 12 bytes of batch, 1 of kind, key and two lengths: the next record begins anywhere around the block's end.
    with library(tmp_path / "db") as db:
        db.put(b"a", b"x" * (last - 19))
        db.put(b"b", b"y" * 50)
    assert ours(tmp_path / "db") == [(b"a", b"x" * (last - 19)), (b"b", b"y" * 50)]


def test_the_newest_of_logs_and_tables_counts(tmp_path):
    path = tmp_path / "db"
    fill(path, write_buffer_size=64 << 10)
    with library(path) as db:
        db.compact_range()
        for i in range(0, 200, 3):
            db.put(b"%08d" % i, b"second")
        for i in range(0, 200, 5):
            db.delete(b"%08d" % i)
        db.put(b"%08d" % 10, b"third")
    # Opened once more, the library moves the log into a table of its own.
    with library(path, write_buffer_size=64 << 10) as db:
        db.put(b"%08d" % 9, b"fourth")
        db.delete(b"%08d" % 199)
    expected = {b"%08d" % i: bytes([i % 251]) * (1000 + i) for i in range(200)}
    expected.update({b"%08d" % i: b"second" for i in range(0, 200, 3)})
    for i in [*range(0, 200, 5), 199]:
        expected.pop(b"%08d" % i, None)
    expected[b"%08d" % 10], expected[b"%08d" % 9] = b"third", b"fourth"
    found = ours(path)
    assert found == sorted(expected.items())
    assert found == contents(path)


KEYS = st.binary(max_size=3)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.binary(max_size=40)),
        st.tuples(st.just("delete"), KEYS),
        st.tuples(st.just("reopen")),
        st.tuples(st.just("compact")),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(changes=CHANGES, transaction=st.booleans())
def test_any_history_leaves_what_the_library_sees(tmp_path_factory, changes, transaction):
    path, model = tmp_path_factory.mktemp("leveldb") / "db", {}
    db = library(path)
    for kind, *arguments in changes:
        if kind == "put":
            key, value = arguments
            with db.write_batch(transaction=transaction) as batch:
                batch.put(key, b"overwritten")
                batch.put(key, value)
            model[key] = value
        elif kind == "delete":
            db.delete(arguments[0])
            model.pop(arguments[0], None)
        elif kind == "reopen":
            db.close()
            db = library(path)
        else:
            db.compact_range()
    db.close()
    assert ours(path) == sorted(model.items())


def test_records_from_a_key_on_and_with_some_left_out(tmp_path):
    path = tmp_path / "db"
    records = fill(path, compact=True)
    with open_database(path, "leveldb") as db:
        for first in (b"", b"00000000", b"00000099x", b"00000199", b"1"):
            expected = [record for record in records if record[0] >= first]
            assert list(db.records(first)) == expected
            assert list(db.records(first, skip=3)) == expected[3:]


def test_a_log_whose_end_is_torn_gives_what_was_committed(tmp_path):
    path = tmp_path / "db"
    records = fill(path, count=60, batch=20)
    log = next(path.glob("*.log"))
    whole = log.read_bytes()
    for size in (len(whole) - 1, len(whole) - 20_000, BLOCK + 3, BLOCK - 2, 5, 0):
        log.write_bytes(whole[:size])
        found = ours(path)
        assert len(found) % 20 == 0 and len(found) < 60
        assert found == records[: len(found)]
    # Space reserved and never used, as some file systems leave it.
    log.write_bytes(whole + bytes(100_000))
    assert ours(path) == records


def test_zeros_between_records_are_damage(tmp_path):
    path = tmp_path / "db"
    fill(path, count=60, batch=1)
    log = next(path.glob("*.log"))
    whole = log.read_bytes()
    log.write_bytes(whole[:7] + bytes(BLOCK - 7) + whole[BLOCK:])
    with pytest.raises(FormatError, match=rf"{log}: is damaged at byte \d+: "):
        ours(path)


@pytest.mark.parametrize("table", [False, True])
def test_every_damaged_byte_is_noticed(tmp_path, table):
    path = tmp_path / "db"
    records = fill(path, count=30, size=100, batch=5)
    if table:
        with library(path) as db:
            db.compact_range()
    damaged = 0
    for file in sorted(path.glob("*.ldb" if table else "*.log")) + sorted(path.glob("MANIFEST-*")):
        whole = file.read_bytes()
        for position in range(0, len(whole), 11):
            file.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
            try:
                found = ours(path)
            except FormatError as error:
                damaged += 1
                assert str(tmp_path) in str(error)
            else:
                # A table's other blocks (filters, statistics) do not matter.
                assert table and found == records
        file.write_bytes(whole)
    assert damaged > 50
    assert ours(path) == records


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_lies_there_gives_records_or_a_typed_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("leveldb") / "db"
    fill(path, count=20, size=10)
    with library(path) as db:
        db.put(b"z", b"later")
    file = data.draw(st.sampled_from(sorted(path.glob("[!L]*"))))
    whole = file.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    file.write_bytes(whole[:cut] + data.draw(st.binary(max_size=60)) + whole[cut + data.draw(st.integers(0, 60)) :])
    try:
        found = ours(path)
    except MinicaffeError as error:
        assert str(path) in str(error)
    else:
        assert all(isinstance(value, bytes) for _, value in found)


def test_what_is_no_leveldb_is_told(tmp_path):
    with pytest.raises(FileError, match=r"absent: no such folder; create it with a convert tool, or correct the path"):
        open_database(tmp_path / "absent", "leveldb")
    assert not (tmp_path / "absent").exists()
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(FileError, match="file: is a file, a LevelDB is a folder"):
        open_database(file, "leveldb")
    (tmp_path / "other").mkdir()
    with pytest.raises(FormatError, match="other: is not a LevelDB: it has no file CURRENT; copy it whole"):
        open_database(tmp_path / "other", "leveldb")
    (tmp_path / "other" / "data.mdb").write_bytes(b"")
    with pytest.raises(FormatError, match=r"\(it holds data.mdb: its backend is LMDB\)"):
        open_database(tmp_path / "other", "leveldb")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*.ldb", r"\.ldb: is missing; copy or create"),
        ("*.log", ""),
        ("MANIFEST-*", "CURRENT: names MANIFEST-[0-9]+, which is missing; copy the database whole"),
    ],
)
def test_missing_files_are_told(tmp_path, pattern, text):
    path = tmp_path / "db"
    records = fill(path)
    with library(path):
        pass
    next(path.glob(pattern)).unlink()
    if text:
        with pytest.raises(FormatError, match=text):
            ours(path)
    else:
        # The log was empty: all had gone into a table.
        assert ours(path) == records


def test_the_only_log_may_not_be_missing(tmp_path):
    fill(tmp_path / "db")
    next((tmp_path / "db").glob("*.log")).unlink()
    with pytest.raises(FormatError, match=r"its log 000003.log is missing; copy the database whole"):
        ours(tmp_path / "db")


@pytest.mark.parametrize("name", [b"", b"MANIFEST-000002", b"../MANIFEST-000002\n", b"\xff" * 5000])
def test_a_strange_current_is_told(tmp_path, name):
    fill(tmp_path / "db")
    (tmp_path / "db" / "CURRENT").write_bytes(name)
    with pytest.raises(FormatError, match="CURRENT: must hold the name of a manifest and a line end, holds b"):
        ours(tmp_path / "db")


def test_a_table_cut_short_is_told_on_opening(tmp_path):
    path = tmp_path / "db"
    fill(path)
    with library(path):
        pass
    table = next(path.glob("*.ldb"))
    whole = table.read_bytes()
    table.write_bytes(whole[:-1])
    with pytest.raises(FormatError, match=rf"cut short: {len(whole) - 1} bytes of {len(whole)}"):
        open_database(path, "leveldb")


def test_tables_of_old_databases_are_found_under_their_old_names(tmp_path):
    path = tmp_path / "db"
    records = fill(path)
    with library(path):
        pass
    for table in path.glob("*.ldb"):
        table.rename(table.with_suffix(".sst"))
    assert ours(path) == records


def test_another_order_of_keys_is_refused(tmp_path):
    with library(tmp_path / "db", comparator=lambda a, b: (a < b) - (a > b), comparator_name=b"backwards") as db:
        db.put(b"a", b"b")
    with pytest.raises(FormatError, match=r"keys are ordered by b'backwards', known is b'leveldb.BytewiseComparator'"):
        ours(tmp_path / "db")


def test_snappy_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "db"
    fill(path)
    with library(path):
        pass
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(MinicaffeError, match=re.escape('needs cramjam: pip install "minicaffe[leveldb]"')):
        ours(path)


def test_two_readers_and_a_writer_may_have_it_open(tmp_path):
    path = tmp_path / "db"
    records = fill(path)
    with library(path), open_database(path, "leveldb") as one, open_database(path, "leveldb") as other:
        assert list(one.records()) == list(other.records()) == records


def test_a_closed_database_is_told(tmp_path):
    fill(tmp_path / "db")
    db = open_database(tmp_path / "db", "leveldb")
    cursor = db.cursor()
    assert len(cursor.read(3)) == 3
    db.close()
    db.close()
    with pytest.raises(DataError, match="db: is closed"):
        cursor.read(1)


def test_reading_needs_no_leveldb_library(tmp_path):
    fill(tmp_path / "db")
    code = (
        "import sys; sys.modules['plyvel'] = sys.modules['lmdb'] = None\n"
        "from minicaffe.io.database import open_database\n"
        f"print(len(open_database({str(tmp_path / 'db')!r}, 'leveldb')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "200"
