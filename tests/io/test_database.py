"""Cursors over both kinds of database, and databases that are made anew."""

import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from minicaffe.errors import DataError, FileError, FormatError, MinicaffeError, ParamError
from minicaffe.io.database import create_database, open_database
from minicaffe.io.records import NOTE_FILE

RECORDS = [(b"%03d" % i, b"value %d" % i) for i in range(7)]
VALUES = [value for _, value in RECORDS]


@pytest.fixture
def path(tmp_path, kind):
    with create_database(tmp_path / "db", kind) as writer:
        for key, value in reversed(RECORDS):
            writer.put(key, value)
    return tmp_path / "db"


def test_a_cursor_reads_in_order_of_keys_and_wraps_round(path, kind):
    with open_database(path, kind) as db:
        assert len(db) == 7
        cursor = db.cursor()
        assert (cursor.index, cursor.epoch) == (0, 0)
        assert cursor.read(5) == VALUES[:5]
        assert cursor.keys == [key for key, _ in RECORDS[:5]]
        assert (cursor.index, cursor.epoch) == (5, 0)
        # Through the end within one read, and more than once.
        assert cursor.read(18) == (VALUES * 4)[5:23]
        assert (cursor.index, cursor.epoch) == (2, 3)
        assert cursor.read(0) == []


def test_cursors_of_one_database_are_independent(path, kind):
    with open_database(path, kind) as db, open_database(path, kind) as again:
        one, two, other = db.cursor(), db.cursor(), again.cursor()
        assert one.read(3) + one.read(3) == VALUES[:6]
        assert two.read(3) + other.read(2) == VALUES[:3] + VALUES[:2]


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("before", range(8))
def test_seek_goes_exactly_where_a_cursor_stood(path, kind, before, by_key):
    with open_database(path, kind) as db:
        stood, cursor = db.cursor(), db.cursor()
        stood.read(7 + before)
        key = RECORDS[stood.index][0] if by_key and stood.index < 7 else b""
        cursor.seek(stood.index, stood.epoch, key)
        for _ in range(3):
            assert (cursor.index, cursor.epoch) == (stood.index, stood.epoch)
            assert cursor.read(4) == stood.read(4)


def test_seek_notices_another_database(path, kind):
    with open_database(path, kind) as db:
        cursor = db.cursor()
        cursor.seek(8)
        for _ in range(2):
            with pytest.raises(DataError, match="db: has no record 8, only 7 records: the database is another one"):
                cursor.read(1)
        cursor.seek(2, key=b"0025")
        with pytest.raises(DataError, match="db: has no record under the key b'0025'"):
            cursor.read(1)
        cursor.seek(7)
        assert cursor.read(1) == VALUES[:1]


def test_what_failed_once_is_no_end(path, kind, monkeypatch):
    with open_database(path, kind) as db:
        cursor, whole = db.cursor(), db.records

        def damaged(first_key=b"", skip=0):
            for record in whole(first_key, skip):
                if record[0] == b"004":
                    raise FormatError("is damaged")
                yield record

        monkeypatch.setattr(db, "records", damaged)
        cursor.seek(0)
        assert cursor.read(3) == VALUES[:3]
        for _ in range(3):
            with pytest.raises(FormatError, match="is damaged"):
                cursor.read(3)
        monkeypatch.undo()
        cursor.seek(cursor.index)
        assert cursor.read(4) == VALUES[3:]


def test_an_empty_database_is_told_when_read(tmp_path, kind):
    create_database(tmp_path / "db", kind).close()
    with open_database(tmp_path / "db", kind) as db:
        assert len(db) == 0
        with pytest.raises(DataError, match="db: is empty: there is no record to read"):
            db.cursor().read(1)


def test_unknown_backends_are_refused(tmp_path):
    for call in (open_database, create_database):
        with pytest.raises(ParamError, match='Unknown database backend "hdf5"; known are lmdb and leveldb'):
            call(tmp_path / "db", "hdf5")


def test_a_note_travels_with_its_database(tmp_path, kind):
    with create_database(tmp_path / "db", kind, note="Generated digits: é") as writer:
        writer.put(b"0", b"1")
    with open_database(tmp_path / "db", kind) as db:
        assert db.note == "Generated digits: é"
        assert db.cursor().read(1) == [b"1"]


def test_a_folder_whose_name_is_no_text(tmp_path, kind):
    path = tmp_path / "d\udcffb \u00e9"
    with create_database(path, kind) as writer:
        writer.put(b"key", b"value")
    assert os.fsencode(path.name) in os.listdir(os.fsencode(tmp_path))
    with open_database(path, kind) as db:
        assert list(db.records()) == [(b"key", b"value")]


def test_without_a_note_there_is_no_file(path, kind):
    assert not (path / NOTE_FILE).exists()
    with open_database(path, kind) as db:
        assert db.note == ""


def test_a_writer_replaces_and_grows(tmp_path, kind):
    # 32 MiB: an LMDB map doubles twice; several commits by count and by bytes.
    value = np.random.default_rng(0).bytes(16_000)
    with create_database(tmp_path / "db", kind) as writer:
        writer.put(b"0001", b"earlier")
        writer.commit()
        for i in range(2100):
            writer.put(b"%04d" % i, value[i:])
    with open_database(tmp_path / "db", kind) as db:
        assert all(found == value[i:] for i, (_, found) in enumerate(db.records()))
        assert len(db) == 2100


def test_large_records_are_committed_before_memory_fills(tmp_path, kind):
    writer = create_database(tmp_path / "db", kind)
    value = bytes(20 << 20)
    for i in range(4):
        writer.put(b"%d" % i, value)
    assert len(writer._batch) == 0
    writer.abort()


def test_nothing_lies_under_the_final_name_before_the_end(tmp_path, kind):
    with create_database(tmp_path / "db", kind) as writer:
        writer.put(b"0", b"1")
        writer.commit()
        assert not (tmp_path / "db").exists()
    assert os.listdir(tmp_path) == ["db"]


KILLED = """
import os, signal, sys
from minicaffe.io.database import create_database
with create_database(sys.argv[1], sys.argv[2]) as writer:
    writer.put(b"0", b"1")
    writer.commit()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process as POSIX does")
def test_what_a_killed_process_left_goes_when_the_database_is_made_anew(tmp_path, kind):
    def left():
        return sorted(name for name in os.listdir(tmp_path) if name.endswith(".tmp"))

    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "db"), kind], check=False)
    (stale,) = left()
    # Beside it, and none of it our business: another database's, a file, one that is being made.
    (tmp_path / stale.replace(".db.", ".db2.")).mkdir()
    (tmp_path / f"{stale[:-12]}01234567.tmp").write_text("")
    writer = create_database(tmp_path / "db", kind)
    assert stale not in left()
    (living,) = (name for name in left() if f".{os.getpid()}@" in name)
    others = [name for name in left() if name != living]
    assert len(others) == 2
    other = create_database(tmp_path / "db", kind)
    assert living in left()
    other.abort()
    writer.close()
    assert left() == others


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_nothing(tmp_path, kind, error):
    with pytest.raises(error), create_database(tmp_path / "db", kind) as writer:
        writer.put(b"0", b"1")
        writer.commit()
        raise error
    assert os.listdir(tmp_path) == []


def test_an_existing_folder_is_never_replaced(tmp_path, kind):
    (tmp_path / "db").mkdir()
    with pytest.raises(FileError, match=r"mkdir .*db failed: it exists already; remove it, or give another name"):
        create_database(tmp_path / "db", kind)
    assert os.listdir(tmp_path) == ["db"]
    # Made by somebody else in the meantime.
    writer = create_database(tmp_path / "later", kind)
    (tmp_path / "later").mkdir()
    with pytest.raises(FileError, match="it exists already"):
        writer.close()
    assert sorted(os.listdir(tmp_path)) == ["db", "later"]
    assert os.listdir(tmp_path / "later") == []


def test_a_missing_folder_around_it_is_told(tmp_path, kind):
    with pytest.raises(
        FileError, match=r"absent/db: the database cannot be written: No such file.*the folder around it"
    ):
        create_database(tmp_path / "absent" / "db", kind)


def test_permissions_are_those_of_caffe(path, kind):
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o744 & ~mask
    if kind == "lmdb":
        assert stat.S_IMODE((path / "data.mdb").stat().st_mode) == 0o664 & ~mask


def test_keys_that_cannot_be_are_told(tmp_path, kind):
    with create_database(tmp_path / "db", kind) as writer:
        with pytest.raises(DataError, match="a record needs a key"):
            writer.put(b"", b"1")
        writer.put(b"x" * 511, b"1")
        assert writer.longest_key == {"lmdb": 511, "leveldb": 0}[kind]
        if kind == "lmdb":
            # At once, not when the records are committed: the others are not lost with it.
            with pytest.raises(DataError, match=r"db: LMDB takes keys of up to 511 bytes, b'x+' has 512"):
                writer.put(b"x" * 512, b"1")
        writer.put(b"y", b"2")
    with open_database(tmp_path / "db", kind) as db:
        assert list(db.records()) == [(b"x" * 511, b"1"), (b"y", b"2")]


def test_writing_a_leveldb_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "plyvel", None)
    with pytest.raises(MinicaffeError, match=r'writing a LevelDB needs plyvel: pip install "minicaffe\[leveldb\]"'):
        create_database(tmp_path / "db", "leveldb")
    assert os.listdir(tmp_path) == []


def test_the_libraries_read_what_was_made(path, kind):
    if kind == "lmdb":
        import lmdb

        with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as transaction:
            assert list(transaction.cursor()) == RECORDS
    else:
        import plyvel

        with plyvel.DB(str(path)) as db:
            assert list(db) == RECORDS


def test_the_reason_of_a_leveldb_that_cannot_be_written_is_text(path, monkeypatch):
    plyvel = pytest.importorskip("plyvel")
    # As plyvel says it.
    error = plyvel.IOError(b"IO error: 000003.log: File too large")
    text = r"the database cannot be written: IO error: 000003\.log: File too large; the folder"
    with pytest.raises(FileError, match=text), create_database(path.parent / "new", "leveldb") as writer:

        def write(batch, sync=False):
            with writer._errors():
                raise error

        monkeypatch.setattr(writer, "_write", write)
        writer.put(b"key", b"value")
    assert not (path.parent / "new").exists()
