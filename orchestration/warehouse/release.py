"""Publishing: the gated tables copied into a folder of their own, then one atomic swap of `current`.

A reader only ever opens a release, so the pipeline never waits for readers and they never see half a build.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from orchestration.catalog.origins import Origin, Permission, RowsBy
from orchestration.warehouse.connection import connect_to_copy_from, open_for_reading

SCHEMAS = ("marts", "analytics")

STORAGE_VERSION = "v1.2.0"
"""Every DuckDB driver from 1.2 on opens it; the default of DuckDB 2.0 shuts older BI drivers out."""


class ReleaseError(Exception):
    """A release that cannot be made or found."""


def publish(
    con: duckdb.DuckDBPyConnection,
    releases_dir: Path,
    name: str,
    facts: Mapping[str, Any],
    *,
    keep: int,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Copy every table of marts and analytics to `releases/<name>` and make it `current`.

    Args:
        con: connection on the warehouse.
        releases_dir: the home's releases folder.
        name: folder name of the release, the run id.
        facts: what the manifest says beside rows and hashes (run, as-of, versions, gates, terms).
        keep: how many releases stay on disk, this one included.
        files: further files of the release, name to content; their digests stand in the manifest.

    Returns the release folder. `current` is untouched when anything fails.
    """
    target = releases_dir / name
    _write(con, target, {table: f"select * from {quoted(table)}" for table in tables_of(con)}, facts, files or {})
    _point(releases_dir, target)
    prune(releases_dir, keep)
    return target


def export_public(release: Path, target: Path, permission: Permission, origins: Mapping[str, Origin]) -> Path:
    """Copy of a release without what the owners of the data do not let pass; its manifest says what was left out and why.

    Args:
        release: folder of a release.
        target: new folder of the copy.
        permission: which sources may be passed on.
        origins: what each table is made of; a table, column or row that is not registered stays at home.

    Raises:
        ReleaseError: `target` exists.
    """
    manifest = read_manifest(release)
    selects, left_out = {}, {}
    with connect_to_copy_from(release / "tidegauge.duckdb") as con:
        for table in tables_of(con):
            select, reasons = _allowed(con, table, origins.get(table), permission)
            if select:
                selects[table] = select
            if reasons:
                left_out[table] = reasons
        kept = {name: value for name, value in manifest.items() if name not in ("tables", "terms", "release", "files")}
        facts = {
            **kept,
            "public_copy_of": manifest["release"],
            "left_out": left_out,
            "attributions": permission.attributions,
        }
        _write(con, target, selects, facts)
    return target


def _allowed(
    con: duckdb.DuckDBPyConnection, table: str, origin: Origin | None, permission: Permission
) -> tuple[str | None, dict[str, Any]]:
    """What of a table may be passed on, as a query, and what may not, with the source that forbids it."""
    if origin is None:
        return None, {"table": "origin not registered"}
    where, reasons = "", {}
    if isinstance(origin.rows, RowsBy):
        values, forbidden = permission.values(origin.rows)
        if not values:
            return None, {"table": "; ".join(sorted(set(forbidden.values())))}
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        where = f' where "{origin.rows.by}" in ({listed})'
        if forbidden:
            reasons[f"rows by {origin.rows.by}"] = forbidden
    elif withheld := permission.withheld(origin.rows):
        return None, {"table": ", ".join(withheld)}
    columns = [name for name, *_ in con.execute(f"describe {quoted(table)}").fetchall()]
    kept, dropped = permission.columns(origin, columns)
    if dropped:
        reasons["columns"] = dropped
    return f"select {', '.join(quoted(name) for name in kept)} from {quoted(table)}{where}", reasons


def _write(
    con: duckdb.DuckDBPyConnection,
    target: Path,
    selects: Mapping[str, str],
    facts: Mapping[str, Any],
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """A folder with these tables, files and a manifest, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise ReleaseError(f"{target}: a release of this name exists: releases are never overwritten")
    if not selects:
        raise ReleaseError("nothing to release: the warehouse has no marts")
    staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=".unfinished-"))
    try:
        manifest = {
            **facts,
            "release": target.name,
            "storage_version": STORAGE_VERSION,
            "tables": _copy(con, staging, selects),
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
        for name, content in files.items():
            (staging / name).parent.mkdir(exist_ok=True)
            (staging / name).write_bytes(content)
        (staging / "manifest.json").write_text(
            json.dumps(manifest, indent=1, sort_keys=True, default=str) + "\n", "utf-8"
        )
        staging.chmod(0o755)
        for path in [*staging.rglob("*"), staging]:
            _sync(path)
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def current(releases_dir: Path) -> Path:
    """Folder of the release that readers get.

    Raises:
        ReleaseError: there is none yet.
    """
    link = releases_dir / "current"
    if not link.exists():
        raise ReleaseError(f"{releases_dir}: nothing has been released yet: run `tidegauge run` or `tidegauge demo`")
    return link.resolve()


def report_of(release: Path) -> Path:
    """The page of a release.

    Raises:
        ReleaseError: it was made without one.
    """
    page = release / "report.html"
    if not page.is_file():
        raise ReleaseError(f"{release}: this release has no report: run the pipeline again")
    return page


def built_as_of(releases_dir: Path, as_of: datetime) -> Path | None:
    """The newest release that was built as of this instant, None without one."""
    for name in reversed(names(releases_dir)):
        stated = read_manifest(releases_dir / name).get("as_of")
        if stated and datetime.fromisoformat(stated) == as_of:
            return releases_dir / name
    return None


def open_release(folder: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection on one release that the caller closes; later releases do not change what it reads.

    Raises:
        ReleaseError: the folder holds no release.
    """
    database = folder.resolve() / "tidegauge.duckdb"
    if not database.exists():
        raise ReleaseError(f"{folder}: no release here: name a folder below <home>/releases, or a home")
    return open_for_reading(database)


def read_manifest(release: Path) -> dict[str, Any]:
    """The manifest of a release folder."""
    manifest: dict[str, Any] = json.loads((release / "manifest.json").read_text("utf-8"))
    return manifest


def verify(release: Path) -> int:
    """The number of files of a release, each read back as its manifest states it.

    Raises:
        ReleaseError: naming the files that are missing or changed.
    """
    manifest = read_manifest(release)
    stated = {
        f"parquet/{name.split('.', 1)[1]}.parquet": table["parquet_sha256"]
        for name, table in manifest["tables"].items()
    }
    stated |= manifest.get("files", {})
    changed = [
        name
        for name, digest in stated.items()
        if not (release / name).is_file() or hashlib.sha256((release / name).read_bytes()).hexdigest() != digest
    ]
    if changed:
        raise ReleaseError(
            f"{release}: missing or changed: {', '.join(changed)}: restore it from a backup, or prune it"
        )
    return len(stated)


def names(releases_dir: Path) -> Sequence[str]:
    """Releases on disk, oldest first."""
    if not releases_dir.is_dir():
        return []
    found = [p for p in releases_dir.iterdir() if p.is_dir() and not p.is_symlink() and not p.name.startswith(".")]
    return [p.name for p in sorted(found, key=lambda p: (p.stat().st_mtime_ns, p.name))]


def tables_of(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Every table of the released schemas, as `schema.name`."""
    rows = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database() "
        "and schema_name in (select unnest(?)) order by 1",
        [list(SCHEMAS)],
    ).fetchall()
    return [name for (name,) in rows]


def quoted(name: str) -> str:
    """`schema.table` or a column as an identifier; a name of ours holds no quotation mark."""
    return ".".join(f'"{part}"' for part in name.split(".", 1))


def _copy(con: duckdb.DuckDBPyConnection, folder: Path, selects: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    (folder / "parquet").mkdir()
    con.execute(f"attach '{_sql(folder / 'tidegauge.duckdb')}' as released (storage_version '{STORAGE_VERSION}')")
    tables: dict[str, dict[str, Any]] = {}
    try:
        for name, select in selects.items():
            schema, table = name.split(".", 1)
            copied = f"released.{quoted(name)}"
            con.execute(f'create schema if not exists released."{schema}"')
            con.execute(f"create table {copied} as {select} order by all")
            _comments(con, schema, table)
            parquet = folder / "parquet" / f"{table}.parquet"
            con.execute(f"copy (select * from {copied}) to '{_sql(parquet)}' (format parquet, compression zstd)")
            rows, digest = contents(con, copied)
            tables[name] = {
                "rows": rows,
                "content_hash": digest,
                "parquet_sha256": hashlib.sha256(parquet.read_bytes()).hexdigest(),
            }
    finally:
        con.execute("detach released")
    return tables


def contents(con: duckdb.DuckDBPyConnection, table: str) -> tuple[int, str]:
    """Rows of a table and a hash of them in any order, as a manifest states them; `table` is quoted by the caller."""
    # A sum, because in an exclusive or two equal rows cancel out.
    rows, digest = con.execute(
        f"select count(*), coalesce(sum(hash(t)), 0) % (1::hugeint << 64) from {table} as t"
    ).fetchone() or (0, 0)
    return rows, f"{digest:016x}"


def _comments(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> None:
    """Carry descriptions over: a BI tool shows them beside the columns."""
    rows = con.execute(
        "select column_name, comment from duckdb_columns() as home where database_name = current_database() "
        "and schema_name = ? and table_name = ? and comment is not null and exists (select 1 from duckdb_columns() as copy "
        "where copy.database_name = 'released' and (copy.schema_name, copy.table_name, copy.column_name) = "
        "(home.schema_name, home.table_name, home.column_name))",
        [schema, table],
    ).fetchall()
    for column, comment in rows:
        con.execute(
            f'comment on column released."{schema}"."{table}"."{column}" is \'{comment.replace(chr(39), chr(39) * 2)}\''
        )


def _point(releases_dir: Path, target: Path) -> None:
    link = releases_dir / "current"
    temporary = releases_dir / ".current-next"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target.name)
    temporary.replace(link)
    _sync(releases_dir)


def roll_back(releases_dir: Path, name: str | None = None) -> Path:
    """Point `current` at `name`, or at the release before the current one; returns its folder.

    Raises:
        ReleaseError: there is no such release; the text lists those that are.
    """
    now, found = current(releases_dir).name, names(releases_dir)
    if name is None:
        older = found[: found.index(now)]
        if not older:
            raise ReleaseError(f"{now} is the oldest release on disk: there is nothing to go back to")
        name = older[-1]
    if name not in found:
        raise ReleaseError(f"no release {name!r}: choose from {', '.join(found)}")
    _point(releases_dir, releases_dir / name)
    return releases_dir / name


def prune(releases_dir: Path, keep: int) -> list[str]:
    """Delete all but the newest `keep` releases and what a killed run left; the current one stays. Returns what went."""
    now = current(releases_dir).name
    # The current one is set apart by name: after a rollback, or a clock that stepped back, its time is not the latest.
    others = [name for name in names(releases_dir) if name != now]
    gone = others[: max(0, len(others) - (keep - 1))]
    for name in gone:
        shutil.rmtree(releases_dir / name, ignore_errors=True)
    for leftover in releases_dir.glob(".unfinished-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    return gone


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sql(path: Path) -> str:
    return str(path).replace("'", "''")
