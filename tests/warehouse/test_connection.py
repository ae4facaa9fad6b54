"""Opening the warehouse: who may, who waits, what is said about a file that cannot be used."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from orchestration.warehouse import WarehouseBusyError, WarehouseError, connect
from orchestration.warehouse.connection import open_for_reading
from orchestration.warehouse.lock import hold

from . import crashing


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "warehouse.duckdb"
    with connect(file) as con:
        con.execute("create table numbers as select range as i, hash(range) as h from range(60000)")
    return file


@pytest.fixture
def path(tmp_path: Path, template: Path) -> Path:
    """A warehouse with a table of several blocks."""
    return Path(shutil.copyfile(template, tmp_path / "warehouse.duckdb"))


@contextmanager
def held_elsewhere(home: Path) -> Iterator[int]:
    """Another process that has the warehouse open for writing; gives its id."""
    ours, theirs = multiprocessing.Pipe()
    holder = crashing.process(crashing.hold, home / "warehouse.duckdb", theirs)
    theirs.close()
    try:
        assert ours.recv() == "open"
        assert holder.pid is not None
        yield holder.pid
    finally:
        ours.close()
        holder.join(60)


def read(file: Path, **options: bool) -> int:
    with connect(file, wait_seconds=0, **options) as con:
        row = con.execute("select count(distinct hash(i, h)) from numbers").fetchone()
    assert row is not None
    return int(row[0])


def test_a_missing_warehouse_says_how_to_make_one(tmp_path: Path) -> None:
    with (
        pytest.raises(WarehouseError, match=r"no warehouse here yet: run `tidegauge run` or `tidegauge demo`"),
        connect(tmp_path / "warehouse.duckdb", read_only=True),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_writing_makes_the_folder(tmp_path: Path) -> None:
    with connect(tmp_path / "a folder" / "it's" / "データ.duckdb") as con:
        con.execute("create table t (i int)")
    assert (tmp_path / "a folder" / "it's" / "データ.duckdb").exists()


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(WarehouseError, match=r"cannot be made .*TIDEGAUGE_HOME"),
        connect(tmp_path / "file" / "w.duckdb"),
    ):
        pass


def test_every_connection_is_in_utc_and_downloads_nothing(path: Path) -> None:
    for read_only in (False, True):
        with connect(path, read_only=read_only) as con:
            row = con.execute(
                "select current_setting('TimeZone'), current_setting('autoinstall_known_extensions'), "
                "current_setting('autoload_known_extensions')"
            ).fetchone()
            assert row == ("UTC", False, False)


@pytest.mark.parametrize("read_only", [False, True])
def test_who_comes_second_is_told_who_holds_it_within_the_wait(path: Path, read_only: bool) -> None:
    with held_elsewhere(path.parent) as pid:
        start = time.monotonic()
        with (
            pytest.raises(WarehouseBusyError, match=f"in use by process {pid}:"),
            connect(path, read_only=read_only, wait_seconds=0.4),
        ):
            pass
        assert 0.2 < time.monotonic() - start < 5
    assert read(path, read_only=read_only) == 60000


def test_who_waits_gets_in_when_the_other_lets_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import orchestration.warehouse.connection as module

    opened, tries = module._open, []
    with held_elsewhere(path.parent) as pid:
        holder = pid

        def open_then_release(file: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
            tries.append(file)
            if len(tries) < 3:
                raise WarehouseBusyError(f"in use by process {holder}")
            return opened(file, read_only)

        monkeypatch.setattr(module, "_open", open_then_release)
    with connect(path, wait_seconds=30) as con:
        assert con.execute("select count(*) from numbers").fetchone() == (60000,)
    assert len(tries) == 3


def test_readers_share_and_a_writer_in_the_same_process_is_told_to_close(path: Path) -> None:
    with connect(path, read_only=True), connect(path, read_only=True) as second:
        assert second.execute("select count(*) from numbers").fetchone() == (60000,)
        with pytest.raises(WarehouseBusyError, match="in use in this process"), connect(path, wait_seconds=0):
            pass
    assert read(path) == 60000


def test_a_read_only_connection_cannot_write(path: Path) -> None:
    with connect(path, read_only=True) as con, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        con.execute("delete from numbers")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, duckdb.ConstraintException])
def test_an_exception_passes_unchanged_and_the_file_is_free_again(path: Path, error: type[BaseException]) -> None:
    mine = error("mine")
    with pytest.raises(error) as caught, connect(path) as con:
        raise mine
    assert caught.value is mine
    with pytest.raises(duckdb.ConnectionException):
        con.execute("select 1")
    with held_elsewhere(path.parent):
        pass


# ------------------------------------------------------------------ damage


def overwritten(offset: int, size: int = 64) -> Callable[[bytes], bytes]:
    noise = random.Random(offset).randbytes(size)
    return lambda whole: whole[:offset] + noise + whole[offset + size :]


def at_share(share: float) -> Callable[[bytes], bytes]:
    return lambda whole: overwritten(int(len(whole) * share))(whole)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "magic": overwritten(8, 8),
    "header": overwritten(16),
    "first header": overwritten(4096),
    "second header": overwritten(8192),
    "both headers": overwritten(4096, 8192),
    "first block": overwritten(12288),
    "middle": at_share(0.5),
    "one bit": lambda whole: whole[:100_000] + bytes([whole[100_000] ^ 4]) + whole[100_001:],
    "end": at_share(0.999),
    "cut to half": lambda whole: whole[: len(whole) // 2],
    "cut to the headers": lambda whole: whole[:5000],
    "empty": lambda whole: b"",
    "a web page": lambda whole: b"<!doctype html><title>502</title>" * 500,
    "text": lambda whole: b"no",
}


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_called_damaged_and_the_remedy_is_named(path: Path, damage: str, read_only: bool) -> None:
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(WarehouseError, match=r"cannot be read .*`tidegauge replay`") as caught:
        read(path, read_only=read_only)
    assert not isinstance(caught.value, WarehouseBusyError)
    assert path.read_bytes() == before, "evidence is kept"


def test_damage_is_not_taken_for_a_lock_because_of_the_folders_name(tmp_path: Path) -> None:
    file = tmp_path / "padlock" / "warehouse.duckdb"
    file.parent.mkdir()
    file.write_bytes(b"<html>")
    with pytest.raises(WarehouseError, match="cannot be read") as caught, connect(file, wait_seconds=0):
        pass
    assert not isinstance(caught.value, WarehouseBusyError)


def test_a_folder_in_the_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="directory"), connect(tmp_path, wait_seconds=0):
        pass


# ------------------------------------------------------------------ SQL typed by a person

ESCAPES = [
    "select * from read_text('/etc/hostname')",
    "select * from '/etc/hostname.csv'",
    "from read_csv('/etc/passwd')",
    "from sniff_csv('/etc/passwd')",
    "from glob('/etc/*')",
    "copy numbers to '{tmp}/out.csv'",
    "copy (select 1) to '{tmp}/out.parquet'",
    "copy numbers from '/etc/passwd'",
    "export database '{tmp}/exported'",
    "attach '{tmp}/other.duckdb' as other",
    "attach '/etc/hostname' as host",
    "install httpfs",
    "load httpfs",
    "load '{tmp}/x.duckdb_extension'",
    "set enable_external_access = true",
    "reset enable_external_access",
    "set lock_configuration = false",
    "set memory_limit = '1GB'",
    "set TimeZone = 'Asia/Tokyo'",
    "set autoinstall_known_extensions = true",
    "create persistent secret s (type http)",
    "select * from local_frame",
]


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("sql", ESCAPES)
def test_a_sandboxed_connection_reaches_nothing_but_its_tables(
    path: Path, tmp_path: Path, sql: str, read_only: bool
) -> None:
    import pandas as pd

    local_frame = pd.DataFrame({"secret": [1]})
    before = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    with connect(path, read_only=read_only, sandboxed=True) as con:
        assert con.execute("select count(*) from numbers").fetchone() == (60000,)
        with pytest.raises(duckdb.Error):
            con.execute(sql.format(tmp=tmp_path))
        assert con.execute("select current_setting('enable_external_access')").fetchone() == (False,)
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} - {f"{path.name}.wal"} == before
    assert len(local_frame) == 1


def test_the_sandbox_ends_with_its_connection(path: Path) -> None:
    with connect(path, read_only=True, sandboxed=True):
        pass
    with connect(path, read_only=True) as con:
        con.execute("set memory_limit = '1GB'")
        assert con.execute("select count(*) from read_text(?)", [__file__]).fetchone() == (1,)


def test_a_notebook_may_open_a_file_twice_and_reaches_nothing_else(path: Path) -> None:
    with open_for_reading(path) as first, open_for_reading(path) as second:
        for con in (first, second):
            assert con.execute("select count(*), current_setting('TimeZone') from numbers").fetchone() == (60000, "UTC")
            for sql in (
                f"select * from read_text('{__file__}')",
                "set enable_external_access = true",
                "drop table numbers",
            ):
                with pytest.raises(duckdb.Error):
                    con.execute(sql)


def test_who_holds_a_home_may_ask_again_with_another_patience(tmp_path: Path) -> None:
    # A lock object per file is kept: filelock refuses to make it again with another timeout.
    with hold(tmp_path, 30), hold(tmp_path, 0):
        pass
    with hold(tmp_path, 0):
        pass
