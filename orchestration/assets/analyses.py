"""Analyses as assets: each reads gated tables, calls a plain function, writes one table of schema analytics."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg
import duckdb

from orchestration.assets.report import picture_of
from orchestration.quality import store
from orchestration.settings import Settings
from orchestration.warehouse import connect
from orchestration.warehouse.analyses import CLAIMS, CORRELATION_BREAKS, CORRELATIONS, LIQUIDITY_LEAD_LAG, replace_table


@contextmanager
def _gated(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, opened only while both gates are open for what it holds."""
    with connect(settings.warehouse_path, wait_seconds=settings.busy_timeout_seconds) as con:
        store.require_open(con, "raw")
        store.require_open(con, "mart")
        yield con


def _sessions(con: duckdb.DuckDBPyConnection) -> list[date]:
    """Every NYSE session the pairs could stand on: a hole in the data is counted, not skipped."""
    rows = con.execute("select distinct session_date from intermediate.int_nyse_alignment order by 1").fetchall()
    return [session for (session,) in rows]


def build_analysis_assets(mart_keys: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The analyses, downstream of every mart so that the mart gate stands before each of them."""
    paired = [dg.AssetKey(["intermediate", name]) for name in ("int_session_returns", "int_nyse_alignment")]

    @dg.asset(
        key=["analytics", "correlations"],
        deps=[*mart_keys, *paired],
        group_name="analytics",
        kinds={"python", "pandas"},
        description="Rolling correlation of BTC, ETH, TOTAL and TOTAL3 with the S&P 500, Pearson's and of ranks, both bars, "
        "with n and 95 % band.",
    )
    def correlations(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.correlation import METHODS, rolling_correlations, with_bootstrap_band
        from orchestration.report import analyses as drawn

        with _gated(settings) as con:
            pairs = con.execute(
                "select asset, benchmark, bar, session_date, asset_log_return, benchmark_log_return, known_at "
                "from intermediate.int_session_returns order by asset, benchmark, bar, session_date"
            ).df()
            sessions = _sessions(con)
            frame = with_bootstrap_band(
                rolling_correlations(pairs, methods=METHODS, sessions=sessions), pairs, sessions
            )
            rows = replace_table(con, "correlations", CORRELATIONS, frame, build_id=store.mart_state(con))
        metadata: dict[str, dg.MetadataValue[Any]] = {"dagster/row_count": dg.MetadataValue.int(rows)}
        newest = frame.sort_values("session_date").groupby(["asset", "bar", "window_sessions", "method"]).tail(1)
        if rows:
            table = newest.drop(columns=["known_at", "benchmark"]).to_markdown(index=False, floatfmt=".2f")
            metadata["picture"] = picture_of(drawn.correlations(frame))
            metadata["newest"] = dg.MetadataValue.md(table)
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset(
        key=["analytics", "correlation_breaks"],
        deps=[*mart_keys, *paired],
        group_name="analytics",
        kinds={"python", "statsmodels"},
        description="Did the correlation with the S&P 500 change on 10 October 2025? Three tests, both bars, with and "
        "without the crash.",
    )
    def correlation_breaks(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.breaks import correlation_breaks as compute
        from orchestration.report import analyses as drawn

        with _gated(settings) as con:
            pairs = con.execute(
                "select asset, benchmark, bar, session_date, asset_day, days_spanned, asset_log_return, "
                "benchmark_log_return, known_at from intermediate.int_session_returns "
                "order by asset, benchmark, bar, session_date"
            ).df()
            frame = compute(pairs, _sessions(con))
            rows = replace_table(con, "correlation_breaks", CORRELATION_BREAKS, frame, build_id=store.mart_state(con))
        metadata: dict[str, dg.MetadataValue[Any]] = {"dagster/row_count": dg.MetadataValue.int(rows)}
        if rows:
            sides = ["n_before", "n_after", "r_before", "r_after"]
            table = frame[["asset", "bar", "includes_crash", "method", *sides, "p_value"]]
            metadata["picture"] = picture_of(drawn.correlation_breaks(frame))
            metadata["breaks"] = dg.MetadataValue.md(table.to_markdown(index=False, floatfmt=".3f"))
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset(
        key=["analytics", "liquidity_lead_lag"],
        deps=[*mart_keys, dg.AssetKey(["intermediate", "int_benchmark_series"])],
        group_name="analytics",
        kinds={"python", "scipy"},
        description="Cross-correlation of weekly net liquidity with BTC and TOTAL, 26 weeks either way, p over all lags.",
    )
    def liquidity_lead_lag(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.lead_lag import liquidity_lead_lag as compute
        from orchestration.report import analyses as drawn

        name = "net_liquidity_wednesday_usd"
        with _gated(settings) as con:
            liquidity = con.execute(
                f"select day, {name} as value, known_at from marts.liquidity where {name} is not null order by day"
            ).df()
            closes = con.execute(
                "select asset, day, close_value as value, known_at from intermediate.int_benchmark_series "
                "where asset in ('BTC', 'TOTAL') order by asset, day"
            ).df()
            frame = compute(liquidity, closes, name)
            rows = replace_table(con, "liquidity_lead_lag", LIQUIDITY_LEAD_LAG, frame, build_id=store.mart_state(con))
        metadata: dict[str, dg.MetadataValue[Any]] = {"dagster/row_count": dg.MetadataValue.int(rows)}
        if rows:
            strongest = frame.sort_values(["asset", "p_value_family"]).groupby("asset").head(1)
            table = strongest[["asset", "lag_weeks", "n", "r", "p_value_family"]]
            metadata["picture"] = picture_of(drawn.liquidity_lead_lag(frame))
            metadata["strongest_lag"] = dg.MetadataValue.md(table.to_markdown(index=False, floatfmt=".3f"))
        return dg.MaterializeResult(metadata=metadata)

    analyses = [correlations, correlation_breaks, liquidity_lead_lag]

    @dg.asset(
        key=["analytics", "claims"],
        deps=[*mart_keys, *(analysis.key for analysis in analyses)],
        group_name="analytics",
        kinds={"python", "duckdb"},
        description="The claims ledger: a verdict per claim with its number, range, as-of and query.",
    )
    def claims(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.claims import judge, load_claims

        with _gated(settings) as con:
            frame = judge(con, load_claims())
            rows = replace_table(con, "claims", CLAIMS, frame, build_id=store.mart_state(con))
        table = frame[["claim_number", "claim_en", "verdict", "reason_en"]].to_markdown(index=False)
        return dg.MaterializeResult(
            metadata={"dagster/row_count": dg.MetadataValue.int(rows), "verdicts": dg.MetadataValue.md(table)}
        )

    return [*analyses, claims]
