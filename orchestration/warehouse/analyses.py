"""Tables of schema analytics: written as a whole by an analysis, with a comment on every column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    import pandas as pd

CORRELATIONS = {
    "asset": (
        "varchar",
        "BTC (Coin Metrics price), ETH (TradingView TOTAL x ETH.D / 100), TOTAL, TOTAL3 (TradingView closes)",
    ),
    "benchmark": ("varchar", "SPX: S&P 500 closes"),
    "bar": ("varchar", "utc_day or nyse_session: which crypto close is paired with a session"),
    "session_date": ("date", "last session of the window"),
    "window_sessions": ("integer", "length of the window in NYSE sessions"),
    "method": ("varchar", "pearson, of log returns"),
    "n": ("integer", "pairs in the window; at least 0.9 of its sessions"),
    "r": ("double", "correlation, -1 to 1, no unit"),
    "r_low_95": ("double", "lower end of the 95 % Fisher band"),
    "r_high_95": ("double", "upper end of the 95 % Fisher band"),
    "known_at": ("timestamptz", "when the newest pair of the window became public"),
}


def replace_table(
    con: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, tuple[str, str]],
    frame: pd.DataFrame,
    *,
    build_id: str,
) -> int:
    """Replace analytics.<name> by the frame in one transaction; returns its rows.

    columns: name -> (SQL type, meaning); a frame without one of them raises.
    build_id: the build of the marts it was computed from, kept as the table's comment (see `of_other_builds`).
    """
    con.begin()
    try:
        con.execute("create schema if not exists analytics")
        con.execute(
            f"create or replace table analytics.{name} ({', '.join(f'{c} {t}' for c, (t, _) in columns.items())})"
        )
        con.register("frame", frame)
        con.execute(f"insert into analytics.{name} select {', '.join(columns)} from frame")
        con.unregister("frame")
        for column, (_, meaning) in columns.items():
            con.execute(f"comment on column analytics.{name}.{column} is '{meaning.replace(chr(39), chr(39) * 2)}'")
        con.execute(f"comment on table analytics.{name} is 'build {build_id}'")
        con.commit()
    except BaseException:
        con.rollback()
        raise
    return len(frame)


def of_other_builds(con: duckdb.DuckDBPyConnection, build_id: str) -> list[str]:
    """Analyses that were not computed from this build: beside its marts they would be a mix of two states."""
    rows = con.execute(
        "select table_name from duckdb_tables() where database_name = current_database() "
        "and schema_name = 'analytics' and comment is distinct from ? order by 1",
        [f"build {build_id}"],
    ).fetchall()
    return [name for (name,) in rows]
