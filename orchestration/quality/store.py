"""The record of builds and gate results inside the warehouse, and `require_open`, which everything downstream calls.

A result counts only for the state of the data it was computed on; how checks are computed is in `gate`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestration.quality.checks import (
    CHECKS,
    CheckResult,
    Gate,
    GateClosedError,
)

if TYPE_CHECKING:
    import duckdb

_TABLES = """
create schema if not exists quality;
create table if not exists quality.builds (
    ordinal bigint, build_id varchar, run_id varchar, raw_state varchar, as_of timestamptz, is_full boolean, status varchar,
    started_at timestamptz
);
create table if not exists quality.results (
    ordinal bigint, evaluation_id varchar, run_id varchar, gate varchar, state varchar, evaluated_at timestamptz, asset varchar,
    name varchar, is_passed boolean, severity varchar, description varchar, remedy varchar, note varchar,
    observed varchar, failing_rows varchar, failing_count bigint
);
"""


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create `quality.builds` and `quality.results` where they do not exist."""
    con.execute(_TABLES)


# ------------------------------------------------------------------ state


def raw_state(con: duckdb.DuckDBPyConnection) -> str:
    """A digest of the newest load of every raw dataset: it changes whenever anything is loaded."""
    if not _exists(con, "raw", "loads"):
        return "empty"
    row = con.execute(
        """
        select md5(string_agg(dataset || '=' || newest || '/' || loads, ';' order by dataset))
        from (
            select dataset, max_by(load_id, (last_fetched_at, load_id)) as newest, count(*) as loads
            from raw.loads group by dataset
        )
        """
    ).fetchone()
    return str(row[0]) if row and row[0] else "empty"


def last_fetch(con: duckdb.DuckDBPyConnection) -> datetime | None:
    """When the newest response arrived, None for an empty warehouse."""
    if not _exists(con, "raw", "loads"):
        return None
    row = con.execute("select max(last_fetched_at) from raw.loads where status = 'loaded'").fetchone()
    return row[0] if row else None


def mart_state(con: duckdb.DuckDBPyConnection) -> str:
    """The id of the newest build, or `empty`: every dbt build, also of one model, makes a new state."""
    build = _newest_build(con)
    return str(build["build_id"]) if build else "empty"


def current_state(con: duckdb.DuckDBPyConnection, gate: Gate) -> str:
    """The state that results of `gate` must carry to count."""
    return raw_state(con) if gate == "raw" else mart_state(con)


# ------------------------------------------------------------------ builds


def start_build(
    con: duckdb.DuckDBPyConnection, *, run_id: str, as_of: datetime | None, is_full: bool, started_at: datetime
) -> str:
    """Record that dbt is about to change the marts; until `finish_build` the mart gate is closed.

    A killed build therefore leaves a closed gate, not marts that are half new under an old verdict.
    """
    create_tables(con)
    build_id = uuid.uuid4().hex
    con.execute(
        "insert into quality.builds values ((select count(*) + 1 from quality.builds), ?, ?, ?, ?, ?, 'started', ?)",
        [build_id, run_id, raw_state(con), as_of, is_full, started_at],
    )
    return build_id


def finish_build(con: duckdb.DuckDBPyConnection, build_id: str) -> None:
    """Record that every selected model was built and every test passed."""
    con.execute("update quality.builds set status = 'succeeded' where build_id = ?", [build_id])


def build_as_of(con: duckdb.DuckDBPyConnection) -> datetime | None:
    """The `as_of` instant of the newest build, None for a build of everything known."""
    build = _newest_build(con)
    return build["as_of"] if build else None


def _newest_build(con: duckdb.DuckDBPyConnection, *, full: bool = False) -> dict[str, Any] | None:
    if not _exists(con, "quality", "builds"):
        return None
    # Not ordered by instant: two builds share one when the clock is fixed.
    rows = con.execute(
        "select build_id, raw_state, as_of, is_full, status from quality.builds "
        "where is_full or not ? order by ordinal desc limit 1",
        [full],
    ).fetchall()
    return dict(zip(("build_id", "raw_state", "as_of", "is_full", "status"), rows[0], strict=True)) if rows else None


def _build_problem(con: duckdb.DuckDBPyConnection) -> str | None:
    """Why the marts as they stand are not one whole build of the current raw tables, or None."""
    newest, full = _newest_build(con), _newest_build(con, full=True)
    if newest is None or full is None:
        return "the marts were never built in full: run dbt for all models"
    if newest["status"] != "succeeded" or full["status"] != "succeeded":
        return "the last dbt build did not finish: run dbt for all models again"
    if newest["as_of"] != full["as_of"]:
        return "some marts were built as of another instant than the rest: run dbt for all models again"
    if full["raw_state"] != raw_state(con):
        return "raw tables were loaded after the last full dbt build: run dbt for all models again"
    return None


# ------------------------------------------------------------------ results


def store_results(
    con: duckdb.DuckDBPyConnection,
    results: Sequence[CheckResult],
    *,
    gate: Gate,
    run_id: str,
    state: str,
    evaluated_at: datetime,
) -> str:
    """Keep one evaluation of a gate, all results or none; return its id."""
    create_tables(con)
    evaluation_id = uuid.uuid4().hex
    before = con.execute("select count(*) from quality.results").fetchone()
    first = (before[0] if before else 0) + 1
    rows = [
        [
            first + position,
            evaluation_id,
            run_id,
            gate,
            state,
            evaluated_at,
            each.asset,
            each.name,
            each.passed,
            each.severity,
            each.description,
            each.remedy,
            each.note,
            json.dumps(each.observed),
            json.dumps(each.failing_rows),
            each.failing_count,
        ]
        for position, each in enumerate(results)
    ]
    con.execute("begin")
    try:
        con.executemany(f"insert into quality.results values ({', '.join('?' * 16)})", rows)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return evaluation_id


def store_crash(
    con: duckdb.DuckDBPyConnection, gate: Gate, problem: BaseException, *, run_id: str, evaluated_at: datetime
) -> None:
    """Record a gate that could not be evaluated as a failure of the current state: a crashed check is a failed check."""
    crash = CheckResult(
        gate=gate,
        name="evaluation",
        asset=gate,
        passed=False,
        severity="error",
        description="The gate can be evaluated.",
        remedy="Fix the cause and evaluate the gate again.",
        note=f"{type(problem).__name__}: {problem}",
    )
    store_results(con, [crash], gate=gate, run_id=run_id, state=current_state(con, gate), evaluated_at=evaluated_at)


def last_results(con: duckdb.DuckDBPyConnection, gate: Gate) -> list[dict[str, Any]]:
    """The newest stored evaluation of a gate, whatever state it belongs to; for status, report and manifest."""
    if not _exists(con, "quality", "results"):
        return []
    columns = (
        "evaluation_id", "run_id", "gate", "state", "evaluated_at", "asset", "name", "is_passed", "severity",
        "description", "remedy", "note", "observed", "failing_rows", "failing_count",
    )  # fmt: skip
    rows = con.execute(
        f"select {', '.join(columns)} from quality.results where evaluation_id = "
        "(select evaluation_id from quality.results where gate = ? order by ordinal desc limit 1) order by ordinal",
        [gate],
    ).fetchall()
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    return [
        {**row, "observed": json.loads(row["observed"]), "failing_rows": json.loads(row["failing_rows"])}
        for row in found
    ]


def require_open(con: duckdb.DuckDBPyConnection, gate: Gate) -> None:
    """Return when the gate is open for the data as they stand now.

    Raises:
        GateClosedError: a check of error severity failed, the gate was never evaluated on this state, or (mart gate)
            the marts are not one whole build of the current raw tables. The text says what, where and why.
    """
    remedy = f"evaluate the {gate} gate (its asset checks) and try again"
    if gate == "mart" and (problem := _build_problem(con)):
        raise GateClosedError(f"mart gate is closed: {problem}")
    results = last_results(con, gate)
    if not results:
        raise GateClosedError(f"{gate} gate is closed: it was never evaluated: {remedy}")
    if results[0]["state"] != current_state(con, gate):
        raise GateClosedError(f"{gate} gate is closed: the data changed after its last evaluation: {remedy}")
    failed = [row for row in results if not row["is_passed"] and row["severity"] == "error"]
    if failed:
        raise GateClosedError(
            f"{gate} gate is closed: {len(failed)} checks failed\n" + "\n".join(describe(row) for row in failed)
        )
    missing = {(spec.asset, spec.name) for spec in CHECKS[gate]} - {(row["asset"], row["name"]) for row in results}
    if missing:
        names = ", ".join(sorted(f"{asset}:{name}" for asset, name in missing))
        raise GateClosedError(f"{gate} gate is closed: not evaluated: {names}: {remedy}")


def describe(row: dict[str, Any]) -> str:
    """`raw/fred_observations jump: <rule>. <first failing row> ... <remedy>` on one line."""
    shown = row["failing_rows"][:3]
    rows = "; ".join(", ".join(f"{k}={v}" for k, v in each.items()) for each in shown)
    more = f" (and {row['failing_count'] - len(shown)} more)" if row["failing_count"] > len(shown) else ""
    parts = [f"{row['asset']} {row['name']}: {row['description']}", row["note"], rows + more, row["remedy"]]
    return " | ".join(part for part in parts if part)


def _exists(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    return bool(
        con.execute(
            "select 1 from duckdb_tables() where database_name = current_database() and schema_name = ? "
            "and table_name = ?",
            [schema, table],
        ).fetchone()
    )
