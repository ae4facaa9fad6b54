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
    "method": ("varchar", "pearson or spearman (ranks within the window), of log returns"),
    "n": ("integer", "pairs in the window; at least 0.9 of its sessions"),
    "r": ("double", "correlation, -1 to 1, no unit"),
    "r_low_95": ("double", "lower end of the 95 % Fisher band, for spearman widened after Bonett and Wright 2000"),
    "r_high_95": ("double", "upper end of the same band"),
    "known_at": ("timestamptz", "when the newest pair of the window became public"),
    "r_low_95_bootstrap": (
        "double",
        "lower end of the 95 % band by 500 stationary bootstraps, mean block n^(1/3), seed 20251010; only at the newest "
        "session of each window, else null; too narrow at 20 sessions",
    ),
    "r_high_95_bootstrap": ("double", "upper end of the same band"),
}

CORRELATION_BREAKS = {
    "asset": ("varchar", "BTC, ETH, TOTAL or TOTAL3; definitions in intermediate.int_benchmark_series"),
    "benchmark": ("varchar", "SPX: S&P 500 closes"),
    "bar": ("varchar", "utc_day or nyse_session: which crypto close is paired with a session"),
    "break_date": ("date", "UTC day of the break, named beforehand: the crash of 10 October 2025"),
    "includes_crash": (
        "boolean",
        "true: the bar that holds the crash counts as after the break (Friday under utc_day, Monday under "
        "nyse_session); false: it is left out of both sides",
    ),
    "method": (
        "varchar",
        "wald_hac: r_c = a + b r_s + g D + d D r_s, Newey-West Wald test of g = d = 0; fisher_z: two-sample z of the "
        "correlations; fisher_z_bootstrap: the same z, its p by resampling blocks of days",
    ),
    "n_before": ("integer", "pairs before the break"),
    "n_after": ("integer", "pairs after the break"),
    "r_before": ("double", "Pearson correlation of log returns before the break, no unit"),
    "r_before_low_95": ("double", "lower end of its 95 % Fisher band"),
    "r_before_high_95": ("double", "upper end of its 95 % Fisher band"),
    "r_after": ("double", "Pearson correlation of log returns after the break, no unit"),
    "r_after_low_95": ("double", "lower end of its 95 % Fisher band"),
    "r_after_high_95": ("double", "upper end of its 95 % Fisher band"),
    "volatility_delta": ("double", "variance of the benchmark on its louder side / on its calmer side - 1"),
    "r_before_volatility_corrected": (
        "double",
        "r_before at the calmer side's variance: r / sqrt(1 + delta (1 - r^2)), Forbes and Rigobon 2002; r_before "
        "itself where that side is the calmer one",
    ),
    "r_after_volatility_corrected": ("double", "r_after at the calmer side's variance, as before"),
    "statistic": ("double", "wald_hac: F with 2 and n - 4 degrees of freedom; else z, negative where r rose"),
    "p_value": ("double", "two-sided p of one test, not corrected for the number of rows of this table"),
    "lags": ("integer", "wald_hac: Newey-West lags, floor(4 (n / 100)^(2/9))"),
    "parameters": ("varchar", "JSON: longest windows in sessions, pairs needed, samples, seed, mean block"),
    "note": ("varchar", "why numbers are null, or what to mind about them"),
    "known_at": ("timestamptz", "when the newest pair used became public"),
}

LIQUIDITY_LEAD_LAG = {
    "liquidity": (
        "varchar",
        "net_liquidity_wednesday_usd of marts.liquidity: Fed assets - Wednesday TGA - reverse repo",
    ),
    "asset": ("varchar", "BTC or TOTAL; definitions in intermediate.int_benchmark_series"),
    "lag_weeks": ("integer", "weeks by which the asset follows; positive: liquidity leads; by period, not by release"),
    "n": ("integer", "pairs of weeks at this lag"),
    "r": ("double", "correlation of weekly log changes, Wednesday to Wednesday, no unit; null below 20 pairs"),
    "r_low_95_bootstrap": ("double", "lower end of the 95 % band of this lag alone, stationary bootstrap of its pairs"),
    "r_high_95_bootstrap": ("double", "upper end of the same band"),
    "p_value_family": (
        "double",
        "share of samples without any relation whose strongest lag of all is at least as strong as this one; the "
        "smallest of an asset is the p of its search over all lags",
    ),
    "parameters": ("varchar", "JSON: samples, seed, mean block in weeks, pairs needed"),
    "known_at": ("timestamptz", "when the newest value used became public"),
}

CLAIMS = {
    "claim_id": ("varchar", "key of the claim in analytics/claims.yml"),
    "claim_number": ("integer", "number of the claim in the ledger"),
    "claim_en": ("varchar", "the claim, paraphrased, in English"),
    "claim_ja": ("varchar", "the claim, paraphrased, in Japanese"),
    "supports_if_en": ("varchar", "what would support it, in English"),
    "supports_if_ja": ("varchar", "what would support it, in Japanese"),
    "verdict": (
        "varchar",
        "supported, contradicted, inconclusive or not testable with these data: what rule says about the row of query",
    ),
    "value": ("double", "the number that query computed, in unit; null when the data lack it"),
    "value_low": (
        "double",
        "lower end of the range over defensible definitions, or of the 95 % band: reason says which",
    ),
    "value_high": ("double", "upper end of the same range"),
    "unit": ("varchar", "unit of value, value_low, value_high and article_value"),
    "article_value": ("double", "the figure the claim states or implies, in unit; null when it states none"),
    "n": ("bigint", "observations that the number stands on"),
    "as_of": ("timestamptz", "newest known_at of the rows used"),
    "reason_en": ("varchar", "the numbers behind the verdict, or what is missing, in English"),
    "reason_ja": ("varchar", "the same in Japanese"),
    "query": ("varchar", "the SQL that gave the numbers; runs on a release; null when no table could answer"),
    "rule": ("varchar", "the conditions that gave the verdict, over the columns of query and article_value"),
    "link": ("varchar", "where the underlying figures or facts are published"),
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
