"""Raw tables: created from their declared shape, filled by whole loads, never updated.

A row is written only when it differs from the version before it in time, so reading a window twice adds nothing and a
provider's silent revision is kept beside the old value. Rows that cannot be used go to raw.quarantine with their reason.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import pyarrow as pa

from orchestration.catalog.tables import RAW_TABLES, Column, RawTable

BOOKKEEPING = """
create schema if not exists raw;
create table if not exists raw.loads (
    load_id varchar, run_id varchar, provider varchar, dataset varchar, responses integer,
    rows_seen bigint, rows_new bigint, rows_changed bigint, rows_quarantined bigint, drift varchar,
    first_fetched_at timestamptz, last_fetched_at timestamptz, status varchar, note varchar
);
create table if not exists raw.quarantine (
    load_id varchar, dataset varchar, reason varchar, payload varchar, payload_md5 varchar,
    _extracted_at timestamptz, _response_sha256 varchar, _run_id varchar
);
"""


@dataclass(frozen=True)
class Batch:
    """What one provider brought for one raw table."""

    table: RawTable
    rows: pa.Table
    drift: Sequence[str] = ()


@dataclass(frozen=True)
class Load:
    """Circumstances of one load, written to raw.loads."""

    run_id: str
    provider: str
    responses: int
    first_fetched_at: datetime
    last_fetched_at: datetime
    skipped: str | None = None


@dataclass(frozen=True)
class Loaded:
    """What became of a batch; counts are rows."""

    load_id: str
    dataset: str
    seen: int
    new: int
    changed: int
    quarantined: int


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create every raw table that is missing, so that dbt compiles whatever is configured."""
    con.execute(BOOKKEEPING)
    for table in RAW_TABLES.values():
        columns = ", ".join(f"{_q(name)} varchar" for name in [*table.column_names, "_extra"])
        con.execute(
            f"create table if not exists raw.{_q(table.name)} ({columns}, _extracted_at timestamptz, "
            "_response_sha256 varchar, _run_id varchar)"
        )


def load(con: duckdb.DuckDBPyConnection, load: Load, batches: Sequence[Batch]) -> list[Loaded]:
    """Write all batches of one provider in one transaction; after a crash either all of them are there or none.

    Returns one count per batch, in order.
    """
    done = []
    con.begin()
    try:
        for batch in batches:
            done.append(_load_one(con, load, batch))
        con.commit()
    except BaseException:
        con.rollback()
        raise
    return done


def newest_periods(con: duckdb.DuckDBPyConnection, table: RawTable) -> Mapping[str | None, date]:
    """Newest period held, per series of the table (None: the table as a whole)."""
    if table.period is None:
        return {}
    series = _q(table.series) if table.series else "null::varchar"
    moment = _instant(table.column(table.period))
    rows = con.execute(
        f"select {series} as series, max(({moment})::date) as newest from raw.{_q(table.name)} group by all"
    ).fetchall()
    return {row[0]: row[1] for row in rows if row[1] is not None}


def _load_one(con: duckdb.DuckDBPyConnection, load: Load, batch: Batch) -> Loaded:
    table, load_id = batch.table, uuid.uuid4().hex
    name, key = f"raw.{_q(table.name)}", ", ".join(_q(column) for column in table.key)
    served = ", ".join(_q(column) for column in table.column_names)
    content = "row(" + ", ".join(_q(c.name) for c in table.columns if c.versioned and c.name not in table.key) + ")"
    if content == "row()":
        content = "row(1)"
    # Copies of one row may differ in what makes no version; which of them is kept must not depend on their order.
    ties = ", ".join(["_response_sha256", "_extra", *(_q(c.name) for c in table.columns if not c.versioned)])
    con.register("arrived", batch.rows)
    con.execute(
        f"""
        create or replace temp table incoming as
        with judged as (select *, {_reason(table)} as reason from arrived{_newest(table)})
        select
            * exclude (reason),
            case
                when reason is null and min({content}) over same <> max({content}) over same
                    then 'two values for one key in one answer'
                else reason
            end as reason
        from judged
        -- Pages fetched at one instant count as one answer: nothing tells which of their values is the newer.
        window same as (partition by _extracted_at, {key}, reason)
        """
    )
    con.unregister("arrived")
    con.execute(
        f"""
        insert into raw.quarantine
        select distinct on (reason, payload) $load_id, $dataset, reason, payload, md5(payload), _extracted_at,
            _response_sha256, $run_id
        from (select *, json_object({_pairs(table)})::varchar as payload
              from incoming where reason is not null) as refused
        where not exists (
            select 1 from raw.quarantine as kept
            where kept.dataset = $dataset and kept.reason = refused.reason and kept.payload_md5 = md5(refused.payload)
        )
        order by reason, payload, _extracted_at, _response_sha256
        """,
        {"load_id": load_id, "dataset": table.name, "run_id": load.run_id},
    )
    con.execute(
        f"""
        create or replace temp table versions as
        with history as (
            select {served}, _extra, _extracted_at, _response_sha256, false as is_incoming
            from {name} semi join (select distinct {key} from incoming where reason is null) as touched using ({key})
            union all
            select {served}, _extra, _extracted_at, _response_sha256, true from incoming where reason is null
        ),
        compared as (
            select
                *,
                row_number() over story = 1 as is_first,
                {content} is distinct from lag({content}) over story as is_different
            from history
            window story as (partition by {key} order by _extracted_at, is_incoming, {ties})
        )
        select * from compared where is_incoming and (is_first or is_different)
        """
    )
    con.execute(
        f"""
        insert into {name} by name
        select {served}, _extra, _extracted_at, _response_sha256, $run_id as _run_id from versions
        order by {key}, _extracted_at
        """,
        {"run_id": load.run_id},
    )
    seen, quarantined = _one(con, "select count(*), count(reason) from incoming")
    new, changed = _one(con, "select count(*) filter (is_first), count(*) filter (not is_first) from versions")
    con.execute("drop table incoming; drop table versions")
    con.execute(
        "insert into raw.loads values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        [
            load_id,
            load.run_id,
            load.provider,
            table.name,
            load.responses,
            seen,
            new,
            changed,
            quarantined,
            json.dumps(sorted(batch.drift)),
            load.first_fetched_at,
            load.last_fetched_at,
            "skipped" if load.skipped else "loaded",
            load.skipped,
        ],
    )
    return Loaded(load_id, table.name, seen, new, changed, quarantined)


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, int]:
    row = con.execute(sql).fetchone()
    assert row is not None
    return row[0], row[1]


def _q(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _pairs(table: RawTable) -> str:
    return ", ".join(f"{_literal(name)}, {_q(name)}" for name in [*table.column_names, "_extra"])


def _instant(column: Column) -> str:
    """SQL that reads the column as an instant, null when it does not read so."""
    name = _q(column.name)
    return {
        # The cast alone accepts "2024-01-05 junk" and "2024-1-5", which would be a second key for the same day.
        "date": f"case when regexp_full_match({name}, '\\d{{4}}-\\d\\d-\\d\\d') then "
        f"try_cast(try_cast({name} as date) as timestamptz) end",
        "us_date": f"try_cast(try_strptime({name}, '%m/%d/%Y') as timestamptz)",
        "compact_date": f"case when regexp_full_match({name}, '\\d{{8}}') then "
        f"try_cast(try_strptime({name}, '%Y%m%d') as timestamptz) end",
        "unix": f"try(to_timestamp(try_cast({name} as double)))",
        "unix_ms": f"try(to_timestamp(try_cast({name} as double) / 1000))",
        "instant": f"try_cast({name} as timestamptz)",
        "unix_or_date": f"coalesce(try(to_timestamp(try_cast({name} as double))), try_cast({name} as timestamptz))",
    }[column.kind]


def _newest(table: RawTable) -> str:
    """SQL that leaves one usable row per key and answer: the one its provider calls newest."""
    if not table.newest_by:
        return ""
    key = ", ".join(["_extracted_at", "reason", *(_q(column) for column in table.key)])
    newest = f"{_instant(table.column(table.newest_by))} desc nulls last"
    return f" qualify reason is not null or rank() over (partition by {key} order by {newest}) = 1"


def _reason(table: RawTable) -> str:
    """SQL that says why a row cannot be used, null when it can."""
    branches = []
    for name in table.key:
        branches.append(f"when {_q(name)} is null then {_literal(f'{name} is missing')}")
    for column in table.columns:
        name, label = _q(column.name), column.name
        if column.kind == "text":
            continue
        missing = ", ".join(_literal(mark) for mark in sorted(column.missing))
        given = f"{name} is not null" + (f" and {name} not in ({missing})" if missing else "")
        if column.kind == "number":
            number = f"try_cast({name} as double)"
            branches.append(
                f"when {given} and ({number} is null or not isfinite({number})) "
                f"then {_literal(f'{label} is not a finite number')}"
            )
            if column.minimum is not None:
                branches.append(
                    f"when {given} and {number} < {column.minimum!r} then {_literal(f'{label} is below {column.minimum:g}')}"
                )
            continue
        instant = _instant(column)
        branches.append(f"when {given} and {instant} is null then {_literal(f'{label} is not a time')}")
        branches.append(f"when {instant} < timestamptz '1900-01-01' then {_literal(f'{label} is before 1900')}")
        # One day of grace: Asian session dates run ahead of UTC. A schedule may lie ahead, but milliseconds read as
        # seconds lie tens of thousands of years ahead.
        grace, ahead = ("100 years", "more than a century ahead") if column.future else ("1 day", "in the future")
        branches.append(f"when {instant} > _extracted_at + interval '{grace}' then {_literal(f'{label} lies {ahead}')}")
    return "case " + " ".join(branches) + " end"
