"""Releases: what is in one, and what a reader sees while the next is made."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration import open_release
from orchestration.catalog import CatalogError, load_catalog
from orchestration.catalog.origins import Origin, Permission, RowsBy
from orchestration.warehouse import connect, release
from orchestration.warehouse.release import ReleaseError

from .helpers import ROOT

TABLES = ("marts.liquidity", "marts.unlocks", "analytics.correlations")
FACTS = {"run_id": "run", "released_at": datetime(2025, 11, 12, 22, tzinfo=UTC), "as_of": None}


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse of build 0 in a folder whose name needs quoting."""
    with connect(tmp_path / "it's a home" / "warehouse.duckdb") as connection:
        connection.execute("create schema marts; create schema analytics; create schema staging; create schema raw")
        connection.execute("create table raw.secret_rows (i int); create view staging.v as select 1 as i")
        build(connection, 0)
        yield connection


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    return tmp_path / "it's a home" / "releases"


def build(con: duckdb.DuckDBPyConnection, number: int, rows: int = 500) -> None:
    """Replace every table one after the other, each marked with its build."""
    for name in TABLES:
        con.execute(
            f"create or replace table {name} as select range::integer as n, {number}::integer as build, "
            "date '2025-01-01' + range::integer as day, range / 7 as value_usd, 'it''s' as note, "
            f"timestamptz '2025-11-12 22:00:00+00' as known_at from range({rows})"
        )
    con.execute("comment on column marts.liquidity.value_usd is 'net liquidity, USD; ''daily'' flavour'")


def publish(con: duckdb.DuckDBPyConnection, releases: Path, name: str = "first", keep: int = 5) -> Path:
    return release.publish(con, releases, name, FACTS, keep=keep)


def on_disk(releases: Path) -> set[str]:
    return {path.name for path in releases.iterdir()}


# ------------------------------------------------------------------ content


def test_a_release_holds_marts_and_analytics_and_nothing_else(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    folder = publish(con, releases)
    assert folder == releases / "first"
    assert release.current(releases) == folder.resolve()
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == {
        "manifest.json",
        "tidegauge.duckdb",
        *(f"parquet/{name.split('.')[1]}.parquet" for name in TABLES),
    }
    with connect(folder / "tidegauge.duckdb", read_only=True, sandboxed=True) as reader:
        found = reader.execute("select schema_name || '.' || table_name from duckdb_tables() order by 1").fetchall()
        assert {row[0] for row in found} == set(TABLES)
        for name in TABLES:
            assert (
                reader.execute(f"from {name} order by n").fetchall()
                == con.execute(f"from {name} order by n").fetchall()
            )


def test_older_drivers_can_read_the_file(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    folder = publish(con, releases)
    with connect(folder / "tidegauge.duckdb", read_only=True) as reader:
        tags = reader.execute("select tags from duckdb_databases() where database_name = 'tidegauge'").fetchone()
    assert tags is not None
    assert tags[0]["storage_version"].startswith("v1.2.0")


def test_column_descriptions_come_along(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    with connect(publish(con, releases) / "tidegauge.duckdb", read_only=True) as reader:
        found = reader.execute("select column_name, comment from duckdb_columns() where comment is not null").fetchall()
    assert found == [("value_usd", "net liquidity, USD; 'daily' flavour")]


def test_parquet_and_table_are_equal_in_rows_and_types(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    folder = publish(con, releases)
    for name in TABLES:
        file = folder / "parquet" / f"{name.split('.')[1]}.parquet"
        assert pq.read_schema(file).names == ["n", "build", "day", "value_usd", "note", "known_at"]
        same = con.execute(
            f"select (select count(*) from (from {name} except all from read_parquet($1))), "
            f"(select count(*) from (from read_parquet($1) except all from {name}))",
            [str(file)],
        ).fetchone()
        assert same == (0, 0)
        con.execute("create or replace temp table back as from read_parquet($1)", [str(file)])
        types = [con.execute(f"describe {table}").fetchall() for table in (name, "back")]
        assert [row[:2] for row in types[0]] == [row[:2] for row in types[1]]


def test_the_manifest_says_what_is_there(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    con.execute("delete from marts.unlocks where n >= 3")
    folder = publish(con, releases)
    manifest = release.read_manifest(folder)
    assert {name: table["rows"] for name, table in manifest["tables"].items()} == {
        "marts.liquidity": 500,
        "marts.unlocks": 3,
        "analytics.correlations": 500,
    }
    for name, table in manifest["tables"].items():
        file = folder / "parquet" / f"{name.split('.')[1]}.parquet"
        assert table["parquet_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert pq.read_metadata(file).num_rows == table["rows"]
    assert (manifest["release"], manifest["run_id"], manifest["storage_version"]) == ("first", "run", "v1.2.0")
    assert manifest["released_at"] == str(FACTS["released_at"])
    assert str(releases) not in json.dumps(manifest)


def test_an_empty_table_is_released_empty(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    con.execute("delete from analytics.correlations")
    table = release.read_manifest(publish(con, releases))["tables"]["analytics.correlations"]
    assert (table["rows"], table["content_hash"]) == (0, "0" * 16)


def content_hash(con: duckdb.DuckDBPyConnection, releases: Path, name: str) -> str:
    return str(release.read_manifest(publish(con, releases, name))["tables"]["marts.liquidity"]["content_hash"])


def test_equal_content_has_an_equal_hash_whatever_the_order_of_insertion(
    con: duckdb.DuckDBPyConnection, releases: Path
) -> None:
    ordered = content_hash(con, releases, "ordered")
    con.execute("create table copied as from marts.liquidity; delete from marts.liquidity")
    con.execute("insert into marts.liquidity from copied where n % 2 = 1 order by n desc")
    con.execute("insert into marts.liquidity from copied where n % 2 = 0 order by hash(n)")
    assert content_hash(con, releases, "shuffled") == ordered
    one, other = (
        release.read_manifest(releases / name)["tables"]["marts.liquidity"] for name in ("ordered", "shuffled")
    )
    assert one == other, "the Parquet bytes too"


@pytest.mark.parametrize(
    "change",
    [
        "update marts.liquidity set value_usd = value_usd + 1e-9 where n = 7",
        "update marts.liquidity set note = null where n = 7",
        "delete from marts.liquidity where n = 499",
        "insert into marts.liquidity from marts.liquidity where n = 7",
    ],
)
def test_any_change_changes_the_hash(con: duckdb.DuckDBPyConnection, releases: Path, change: str) -> None:
    before = content_hash(con, releases, "before")
    con.execute(change)
    assert content_hash(con, releases, "after") != before


def test_equal_rows_do_not_cancel_out_in_the_hash(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    hashes = []
    for note in ("one", "other"):
        con.execute(f"create or replace table marts.liquidity as select '{note}' as note from range(2)")
        hashes.append(content_hash(con, releases, note))
    assert hashes[0] != hashes[1]


# ------------------------------------------------------------------ refusals and failures


def test_a_name_is_never_used_twice(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    folder = publish(con, releases)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    build(con, 1)
    with pytest.raises(ReleaseError, match="never overwritten"):
        publish(con, releases)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert on_disk(releases) == {"first", "current"}


def test_a_warehouse_without_marts_is_not_released(tmp_path: Path) -> None:
    with connect(tmp_path / "w.duckdb") as con, pytest.raises(ReleaseError, match="nothing to release"):
        publish(con, tmp_path / "releases")
    assert on_disk(tmp_path / "releases") == set()
    with pytest.raises(ReleaseError, match=r"nothing has been released yet: run `tidegauge run`"):
        release.current(tmp_path / "releases")


@pytest.mark.parametrize("step", ["_comments", "_sync", "os.rename", "json.dumps", "hashlib.sha256"])
def test_a_failure_leaves_the_current_release_and_no_remains(
    con: duckdb.DuckDBPyConnection, releases: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    publish(con, releases)
    build(con, 1)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"orchestration.warehouse.release.{step}", fail)
        with pytest.raises(OSError, match="No space left"):
            publish(con, releases, "second")
    assert on_disk(releases) == {"first", "current"}
    assert release.current(releases).name == "first"
    # The connection is as it was: the next attempt works.
    publish(con, releases, "second")
    assert release.current(releases).name == "second"


def test_a_failing_swap_leaves_the_current_release(
    con: duckdb.DuckDBPyConnection, releases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(con, releases)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("orchestration.warehouse.release.os.replace", fail)
        with pytest.raises(OSError, match="Input/output"):
            publish(con, releases, "second")
    assert release.current(releases).name == "first"
    publish(con, releases, "third")
    assert release.current(releases).name == "third"


def test_the_next_release_clears_what_a_killed_one_left(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    publish(con, releases)
    (releases / ".unfinished-abc" / "parquet").mkdir(parents=True)
    (releases / ".unfinished-abc" / "tidegauge.duckdb").write_bytes(b"half")
    (releases / ".current-next").symlink_to("nowhere")
    assert list(release.names(releases)) == ["first"]
    publish(con, releases, "second")
    assert on_disk(releases) == {"first", "second", "current"}


# ------------------------------------------------------------------ keeping and pruning


def test_the_newest_are_kept(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    build(con, 0, rows=1)
    for number in range(5):
        publish(con, releases, f"r{number}", keep=3)
    assert list(release.names(releases)) == ["r2", "r3", "r4"]
    assert release.current(releases).name == "r4"
    publish(con, releases, "r5", keep=1)
    assert on_disk(releases) == {"r5", "current"}


@pytest.mark.parametrize("keep", [1, 2])
def test_the_current_release_stays_although_the_clock_stepped_back(
    con: duckdb.DuckDBPyConnection, releases: Path, keep: int
) -> None:
    for name in ("ahead", "further ahead"):
        os.utime(publish(con, releases, name), (4_000_000_000, 4_000_000_000))
    publish(con, releases, "now", keep=keep)
    assert release.current(releases).name == "now"
    assert len(release.names(releases)) == keep
    with connect(releases / "current" / "tidegauge.duckdb", read_only=True) as reader:
        assert reader.execute("select count(*) from marts.liquidity").fetchone() == (500,)


def test_a_reader_keeps_the_release_it_has_open(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    publish(con, releases)
    with connect(releases / "current" / "tidegauge.duckdb", read_only=True) as reader:
        assert reader.execute("select any_value(build) from marts.liquidity").fetchone() == (0,)
        for number in (1, 2):
            build(con, number)
            publish(con, releases, f"r{number}", keep=1)
        assert not (releases / "first").exists()
        assert reader.execute("select count(*), min(build), max(build) from marts.unlocks").fetchone() == (500, 0, 0)
    with connect(releases / "current" / "tidegauge.duckdb", read_only=True) as reader:
        assert reader.execute("select distinct build from marts.unlocks").fetchall() == [(2,)]


def test_going_back_is_one_swap_of_the_link(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    first = publish(con, releases)
    before = release.read_manifest(first)
    build(con, 1)
    publish(con, releases, "second")
    release._point(releases, first)
    assert release.read_manifest(release.current(releases)) == before
    with connect(releases / "current" / "tidegauge.duckdb", read_only=True) as reader:
        assert reader.execute("select distinct build from marts.liquidity").fetchall() == [(0,)]


def test_everyone_may_read_a_release(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    folder = publish(con, releases)
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o044 == 0o044, path


# ------------------------------------------------------------------ readers during builds

READER = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from orchestration.warehouse import connect

releases, stop = Path(sys.argv[1]), Path(sys.argv[2])
seen, mixed, errors, last = [], [], [], False
print("ready", flush=True)
while not last:
    last = stop.exists()
    try:
        with connect(releases / "current" / "tidegauge.duckdb", read_only=True, wait_seconds=0) as con:
            builds = {con.execute(f"select list(distinct build) from {name}").fetchone()[0][0] for name in sys.argv[3:]}
        folder = (releases / "current").resolve()
        files = {pq.read_table(path, columns=["build"])["build"][0].as_py() for path in folder.glob("parquet/*")}
    except Exception as error:
        errors.append(repr(error))
        continue
    if len(builds) != 1 or len(files) != 1:
        mixed.append([sorted(builds), sorted(files)])
    seen.append(builds.pop())
print(len(seen), sorted(set(seen)), seen == sorted(seen), mixed, errors, sep="|")
"""


def test_a_reader_sees_one_build_at_a_time_and_no_error_during_twenty_releases(
    con: duckdb.DuckDBPyConnection, releases: Path, tmp_path: Path
) -> None:
    stop = tmp_path / "stop"
    publish(con, releases, "r0")
    command = [sys.executable, "-c", READER, str(releases), str(stop), *TABLES]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for number in range(1, 21):
            build(con, number)
            # All are kept: a folder may vanish below a reader who is slower than `keep` whole builds.
            publish(con, releases, f"r{number}", keep=21)
        stop.touch()
        reads, builds, in_order, mixed, errors = reader.communicate(timeout=60)[0].strip().split("|")
    assert (in_order, mixed, errors) == ("True", "[]", "[]")
    assert int(reads) >= 10
    assert len(json.loads(builds)) >= 5
    assert json.loads(builds)[-1] == 20


def test_a_release_can_be_moved_and_still_read(con: duckdb.DuckDBPyConnection, releases: Path, tmp_path: Path) -> None:
    publish(con, releases)
    shutil.copytree(releases, tmp_path / "elsewhere", symlinks=True)
    moved = release.current(tmp_path / "elsewhere")
    assert moved == tmp_path / "elsewhere" / "first"
    with connect(moved / "tidegauge.duckdb", read_only=True) as reader:
        assert reader.execute("select max(day) from marts.liquidity").fetchone() == (date(2026, 5, 15),)


def test_a_release_is_opened_by_home_or_by_folder_and_stays_what_it_was(
    con: duckdb.DuckDBPyConnection, releases: Path
) -> None:
    publish(con, releases)
    build_number = "select distinct build from marts.liquidity"
    with open_release(home=releases.parent) as current, open_release(releases / "first") as named:
        build(con, 1)
        publish(con, releases, "second")
        assert current.execute(build_number).fetchall() == named.execute(build_number).fetchall() == [(0,)]
    with open_release(home=str(releases.parent)) as newest:
        assert newest.execute(build_number).fetchall() == [(1,)]


def test_without_a_release_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReleaseError, match=r"nothing has been released yet: run `tidegauge run` or `tidegauge demo`"):
        open_release(home=tmp_path)
    monkeypatch.setenv("TIDEGAUGE_HOME", str(tmp_path / "other"))
    with pytest.raises(ReleaseError, match=r"other/releases: nothing has been released"):
        open_release()
    with pytest.raises(ReleaseError, match=r"no release here: name a folder below <home>/releases"):
        open_release(tmp_path)


# ------------------------------------------------------------------ going back, making room, passing on


def test_rolling_back_points_at_the_release_before_and_keeps_all(
    con: duckdb.DuckDBPyConnection, releases: Path
) -> None:
    for name in ("first", "second", "third"):
        publish(con, releases, name)
    assert release.roll_back(releases).name == "second"
    assert release.current(releases).name == "second"
    assert release.roll_back(releases, "third").name == "third"
    assert on_disk(releases) == {"first", "second", "third", "current"}
    with pytest.raises(ReleaseError, match="no release 'fourth': choose from first, second, third"):
        release.roll_back(releases, "fourth")
    release.roll_back(releases, "first")
    with pytest.raises(ReleaseError, match="oldest release"):
        release.roll_back(releases)


def test_pruning_never_takes_the_current_release(con: duckdb.DuckDBPyConnection, releases: Path) -> None:
    for name in ("first", "second", "third"):
        publish(con, releases, name)
    release.roll_back(releases, "first")
    assert release.prune(releases, 1) == ["second", "third"]
    assert on_disk(releases) == {"first", "current"}


ORIGINS = {
    "marts.liquidity": Origin(
        rows="own", columns={"n": "own", "d*": "own", "build": ("fred.WALCL",), "value_usd": ("fred.WALCL", "cboe.VIX")}
    ),
    "marts.unlocks": Origin(rows=RowsBy(by="n", values={"1": "own", "2": ("fiscaldata",), "3": ("yahoo",)})),
}


def test_a_public_copy_leaves_out_what_is_forbidden_or_not_registered(
    con: duckdb.DuckDBPyConnection, releases: Path, tmp_path: Path
) -> None:
    con.execute("alter table marts.unlocks alter n type varchar")
    original = publish(con, releases)
    target = release.export_public(original, tmp_path / "it's public", Permission(load_catalog()), ORIGINS)
    with connect(target / "tidegauge.duckdb", read_only=True) as copy:
        assert [row[0] for row in copy.execute("describe marts.liquidity").fetchall()] == ["n", "build", "day"]
        assert copy.execute("select n from marts.unlocks order by 1").fetchall() == [("1",), ("2",)]
        assert copy.execute("select count(*) from duckdb_tables()").fetchone() == (2,)
    assert pq.read_schema(target / "parquet" / "liquidity.parquet").names == ["n", "build", "day"]
    manifest = release.read_manifest(target)
    assert manifest["public_copy_of"] == "first"
    assert manifest["left_out"] == {
        "analytics.correlations": {"table": "origin not registered"},
        "marts.liquidity": {
            "columns": {
                "value_usd": "cboe.VIX",
                "note": "origin not registered",
                "known_at": "origin not registered",
            }
        },
        "marts.unlocks": {"rows by n": {"3": "yahoo"}},
    }
    assert any("Federal Reserve Bank of St. Louis" in text for text in manifest["attributions"])
    assert release.current(releases).name == "first"
    with pytest.raises(ReleaseError, match="never overwritten"):
        release.export_public(original, target, Permission(load_catalog()), ORIGINS)


def test_a_public_copy_of_nothing_allowed_is_refused(
    con: duckdb.DuckDBPyConnection, releases: Path, tmp_path: Path
) -> None:
    with pytest.raises(ReleaseError, match="nothing"):
        release.export_public(publish(con, releases), tmp_path / "public", Permission(load_catalog()), {})


def test_an_origin_nobody_knows_is_an_error_not_a_permission() -> None:
    with pytest.raises(CatalogError, match=r"fred\.NOPE is neither a provider nor a series"):
        Permission(load_catalog()).withheld(("fred.NOPE",))
