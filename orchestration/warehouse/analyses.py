"""Tables of schema analytics: written as a whole by an analysis, with a comment on every column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    import pandas as pd

CORRELATIONS = {
    "asset": ("varchar", "BTC, ETH, TOTAL or TOTAL3; definitions in intermediate.int_benchmark_series"),
    "benchmark": ("varchar", "SPX: S&P 500 closes"),
    "bar": ("varchar", "utc_day or nyse_session: which crypto close is paired with a session"),
    "session_date": ("date", "last session of the window"),
    "window_sessions": ("integer", "length of the window in NYSE sessions"),
    "method": ("varchar", "pearson or spearman (ranks within the window), of log returns"),
    "n": ("integer", "pairs in the window; at least 0.9 of its sessions"),
    "r": ("double", "correlation, -1 to 1, no unit"),
    "r_low_95": ("double", "lower end of the 95 % Fisher band, for spearman widened after Bonett and Wright 2000"),
    "r_high_95": ("double", "upper end of the same band"),
    "known_at": ("timestamptz", "when the newest pair of the window became public"),
    "r_low_95_bootstrap": (
        "double",
        "lower end of the 95 % band by 1000 stationary bootstraps, mean block n^(1/3), seed 20251010; only at the newest "
        "session of each window, else null; too narrow at 20 sessions",
    ),
    "r_high_95_bootstrap": ("double", "upper end of the same band"),
}


def replace_table(
    con: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, tuple[str, str]], frame: pd.DataFrame
) -> int:
    """Replace analytics.<name> by the frame in one transaction; returns its rows.

    columns: name -> (SQL type, meaning); a frame without one of them raises.
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
        con.commit()
    except BaseException:
        con.rollback()
        raise
    return len(frame)
