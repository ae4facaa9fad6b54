"""Analyses as assets: each reads gated tables, calls a plain function, writes one table of schema analytics."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb

from orchestration.assets.report import picture_of
from orchestration.assets.sources import WAREHOUSE_POOL
from orchestration.quality import store
from orchestration.settings import Settings
from orchestration.warehouse import connect
from orchestration.warehouse.analyses import (
    CAPITAL_COMPETITION,
    CLAIMS,
    CORRELATION_BREAK_SEARCHES,
    CORRELATION_BREAKS,
    CORRELATIONS,
    LIQUIDITY_LEAD_LAG,
    LIQUIDITY_LEAD_LAG_STABILITY,
    UNLOCK_EVENT_STUDY,
    replace_table,
)

if TYPE_CHECKING:
    import pandas as pd

LIQUIDITY = "net_liquidity_wednesday_usd"
"""The net liquidity whose lead is sought: the only flavour that is a level of one day each week."""


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


def _pairs(con: duckdb.DuckDBPyConnection) -> "pd.DataFrame":
    """Returns of a crypto asset and the S&P 500 between consecutive sessions, with the closes at their end."""
    return con.execute(
        "select asset, benchmark, bar, session_date, asset_day, days_spanned, asset_close, benchmark_close, "
        "asset_log_return, benchmark_log_return, known_at from intermediate.int_session_returns "
        "order by asset, benchmark, bar, session_date"
    ).df()


def _liquidity_and_closes(con: duckdb.DuckDBPyConnection, name: str) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """A net liquidity of marts.liquidity, and the closes of BTC and TOTAL."""
    liquidity = con.execute(
        f"select day, {name} as value, known_at from marts.liquidity where {name} is not null order by day"
    ).df()
    closes = con.execute(
        "select asset, day, close_value as value, known_at from intermediate.int_benchmark_series "
        "where asset in ('BTC', 'TOTAL') order by asset, day"
    ).df()
    return liquidity, closes


def build_analysis_assets(mart_keys: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The analyses, downstream of every mart so that the mart gate stands before each of them."""
    paired = [dg.AssetKey(["intermediate", name]) for name in ("int_session_returns", "int_nyse_alignment")]

    @dg.asset(
        key=["analytics", "correlations"],
        deps=[*mart_keys, *paired],
        group_name="analytics",
        pool=WAREHOUSE_POOL,
        kinds={"python", "pandas"},
        description="Rolling correlation of BTC, ETH, TOTAL and TOTAL3 with the S&P 500, both bars, with n and 95 % band: "
        "Pearson's, of ranks, corrected for asynchronous closes; of levels as what a chart suggests.",
    )
    def correlations(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.correlation import (
            METHODS,
            rolling_correlations,
            with_bootstrap_band,
            with_conclusions,
        )
        from orchestration.report import analyses as drawn

        with _gated(settings) as con:
            pairs, sessions = _pairs(con), _sessions(con)
            rolled = rolling_correlations(pairs, methods=METHODS, sessions=sessions)
            frame = with_conclusions(with_bootstrap_band(rolled, pairs, sessions), pairs, sessions)
            rows = replace_table(con, "correlations", CORRELATIONS, frame, build_id=store.mart_state(con))
        metadata: dict[str, dg.MetadataValue[Any]] = {"dagster/row_count": dg.MetadataValue.int(rows)}
        newest = frame.sort_values("session_date").groupby(["asset", "bar", "window_sessions", "method"]).tail(1)
        if rows:
            table = newest.drop(columns=["known_at", "benchmark", "parameters", "note"]).to_markdown(
                index=False, floatfmt=".2f"
            )
            metadata["picture"] = picture_of(drawn.correlations(frame))
            metadata["newest"] = dg.MetadataValue.md(table)
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset(
        key=["analytics", "correlation_breaks"],
        deps=[*mart_keys, *paired],
        group_name="analytics",
        pool=WAREHOUSE_POOL,
        kinds={"python", "statsmodels"},
        description="Did the correlation with the S&P 500 change on 10 October 2025? Three tests, both bars, with and "
        "without the crash.",
    )
    def correlation_breaks(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.breaks import correlation_breaks as compute
        from orchestration.report import analyses as drawn

        with _gated(settings) as con:
            frame = compute(_pairs(con), _sessions(con))
            rows = replace_table(con, "correlation_breaks", CORRELATION_BREAKS, frame, build_id=store.mart_state(con))
        metadata: dict[str, dg.MetadataValue[Any]] = {"dagster/row_count": dg.MetadataValue.int(rows)}
        if rows:
            sides = ["n_before", "n_after", "r_before", "r_after"]
            table = frame[["asset", "bar", "includes_crash", "method", *sides, "p_value"]]
            metadata["picture"] = picture_of(drawn.correlation_breaks(frame))
            metadata["breaks"] = dg.MetadataValue.md(table.to_markdown(index=False, floatfmt=".3f"))
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset(
        key=["analytics", "correlation_break_searches"],
        deps=[*mart_keys, *paired],
        group_name="analytics",
        pool=WAREHOUSE_POOL,
        kinds={"python", "numpy"},
        description="Did the correlation with the S&P 500 change at any date? Sup-F over a year and over the whole history, "
        "both bars, with and without the crash; which dates could be seen.",
    )
    def correlation_break_searches(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.break_search import correlation_break_searches as compute
        from orchestration.report import analyses as drawn

        with _gated(settings) as con:
            frame = compute(_pairs(con), _sessions(con))
            rows = replace_table(
                con,
                "correlation_break_searches",
                CORRELATION_BREAK_SEARCHES,
                frame,
                build_id=store.mart_state(con),
            )
        metadata: dict[str, dg.MetadataValue[Any]] = {"dagster/row_count": dg.MetadataValue.int(rows)}
        if rows:
            found = ["n", "break_session_date", "p_value", "verdict", "newest_testable_date"]
            table = frame[["asset", "bar", "window_sessions", "includes_crash", *found]]
            if frame["p_value"].notna().any():
                metadata["picture"] = picture_of(drawn.correlation_break_searches(frame))
            metadata["searches"] = dg.MetadataValue.md(table.to_markdown(index=False, floatfmt=".3f"))
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset(
        key=["analytics", "liquidity_lead_lag"],
        deps=[*mart_keys, dg.AssetKey(["intermediate", "int_benchmark_series"])],
        group_name="analytics",
        pool=WAREHOUSE_POOL,
        kinds={"python", "scipy"},
        description="Cross-correlation of weekly net liquidity with BTC and TOTAL, 26 weeks either way, p over all lags.",
    )
    def liquidity_lead_lag(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.lead_lag import liquidity_lead_lag as compute
        from orchestration.report import analyses as drawn

        with _gated(settings) as con:
            frame = compute(*_liquidity_and_closes(con, LIQUIDITY), LIQUIDITY)
            rows = replace_table(con, "liquidity_lead_lag", LIQUIDITY_LEAD_LAG, frame, build_id=store.mart_state(con))
        metadata: dict[str, dg.MetadataValue[Any]] = {"dagster/row_count": dg.MetadataValue.int(rows)}
        if rows:
            strongest = frame.sort_values(["asset", "p_value_family"]).groupby("asset").head(1)
            table = strongest[["asset", "lag_weeks", "n", "r", "p_value_family"]]
            metadata["picture"] = picture_of(drawn.liquidity_lead_lag(frame))
            metadata["strongest_lag"] = dg.MetadataValue.md(table.to_markdown(index=False, floatfmt=".3f"))
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset(
        key=["analytics", "liquidity_lead_lag_stability"],
        deps=[*mart_keys, dg.AssetKey(["intermediate", "int_benchmark_series"]), liquidity_lead_lag],
        group_name="analytics",
        pool=WAREHOUSE_POOL,
        kinds={"python", "scipy"},
        description="Does the strongest lag of liquidity hold over rolling windows, and does it meet the lags others publish?",
    )
    def liquidity_lead_lag_stability(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.lag_stability import liquidity_lead_lag_stability as compute
        from orchestration.report import analyses as drawn

        with _gated(settings) as con:
            lags = con.execute("select * from analytics.liquidity_lead_lag order by asset, lag_weeks").df()
            frame = compute(*_liquidity_and_closes(con, LIQUIDITY), lags, LIQUIDITY)
            rows = replace_table(
                con,
                "liquidity_lead_lag_stability",
                LIQUIDITY_LEAD_LAG_STABILITY,
                frame,
                build_id=store.mart_state(con),
            )
        metadata: dict[str, dg.MetadataValue[Any]] = {"dagster/row_count": dg.MetadataValue.int(rows)}
        if rows:
            table = frame.loc[
                frame["method"] != "rolling",
                [
                    "asset",
                    "method",
                    "source",
                    "lag_weeks",
                    "n",
                    "r",
                    "p_value_family",
                    "windows",
                    "near_share",
                    "verdict",
                ],
            ]
            if frame["lag_weeks"].notna().any():
                metadata["picture"] = picture_of(drawn.liquidity_lead_lag_stability(frame))
            metadata["stability"] = dg.MetadataValue.md(table.to_markdown(index=False, floatfmt=".3f"))
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset(
        key=["analytics", "capital_competition"],
        deps=[*mart_keys, dg.AssetKey(["intermediate", "int_benchmark_series"])],
        group_name="analytics",
        pool=WAREHOUSE_POOL,
        kinds={"python", "pandas"},
        description="BTC, ETH and the totals beside six equity indices over the same windows, local and in USD: return, "
        "volatility, return relative to the S&P 500 with a band, stablecoin supply as a flow proxy.",
    )
    def capital_competition(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.competition import INDICES
        from orchestration.analytics.competition import capital_competition as compute
        from orchestration.report import analyses as drawn

        with _gated(settings) as con:
            closes = con.execute(
                "with crypto as ("
                "select asset as member, day, close_value as value, known_at from intermediate.int_benchmark_series "
                "where asset <> 'SPX' union all "
                "select index_id, day, market_cap_usd, known_at from marts.market_cap_totals "
                "where index_id = 'TOTAL3ES' and source = 'tradingview_less_stablecoins') "
                "select member, currency_view, day, value, known_at from crypto, (values ('local'), ('usd')) v(currency_view) "
                "union all select index_id, 'local', session_date, close_local, known_at from marts.equity_returns "
                "union all select index_id, 'usd', session_date, close_usd, known_at from marts.equity_returns "
                "where close_usd is not null order by member, currency_view, day"
            ).df()
            stablecoins = con.execute(
                "select day, stablecoins_usd as value, known_at from marts.liquidity "
                "where stablecoins_usd is not null and stablecoins_age_days = 0 order by day"
            ).df()
            frame = compute(closes.replace({"member": INDICES}), stablecoins)
            rows = replace_table(con, "capital_competition", CAPITAL_COMPETITION, frame, build_id=store.mart_state(con))
        metadata: dict[str, dg.MetadataValue[Any]] = {"dagster/row_count": dg.MetadataValue.int(rows)}
        if rows:
            band = [f"relative_return_{part}pct" for part in ("", "low_95_", "high_95_")]
            table = frame[["window_name", "currency_view", "member", "n", "return_pct", *band, "verdict"]]
            if frame["relative_return_pct"].notna().any():
                metadata["picture"] = picture_of(drawn.capital_competition(frame))
            metadata["panel"] = dg.MetadataValue.md(table.to_markdown(index=False, floatfmt=".1f"))
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset(
        key=["analytics", "unlock_event_study"],
        deps=list(mart_keys),
        group_name="analytics",
        pool=WAREHOUSE_POOL,
        kinds={"python", "statsmodels"},
        description="Abnormal returns of tokens around scheduled unlocks, against BTC and the other altcoins, by kind, size "
        "and recipient, beside placebo dates; what was excluded and why.",
    )
    def unlock_event_study(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.analytics.event_study import daily_log_returns
        from orchestration.analytics.event_study import unlock_event_study as compute
        from orchestration.report import analyses as drawn

        with _gated(settings) as con:
            events = con.execute(
                "select event_id, token_id as asset_id, kind, allocation_group, cast(unlock_at at time zone 'UTC' as date) as "
                "unlock_day, amount_tokens, circulating_pct, first_seen_at, known_at from marts.unlocks order by event_id"
            ).df()
            prices = con.execute(
                "select asset_id, source, day, price_usd, known_at from marts.market_caps "
                "where price_usd is not null and asset_class not in ('stablecoin', 'wrapped') "
                "order by asset_id, source, day"
            ).df()
            frame = compute(events, daily_log_returns(prices))
            rows = replace_table(con, "unlock_event_study", UNLOCK_EVENT_STUDY, frame, build_id=store.mart_state(con))
        metadata: dict[str, dg.MetadataValue[Any]] = {"dagster/row_count": dg.MetadataValue.int(rows)}
        if rows:
            given = ["benchmark", "window_name", "method", "placebo_shift_days", "is_reconstructed"]
            numbers = ["n", "mean_car_pct", "low_95_pct", "high_95_pct", "verdict", "excluded"]
            table = frame.loc[frame["grouping"] == "all", [*given, *numbers]]
            if frame["mean_car_pct"].notna().any():
                metadata["picture"] = picture_of(drawn.unlock_event_study(frame))
            metadata["study"] = dg.MetadataValue.md(table.to_markdown(index=False, floatfmt=".2f"))
        return dg.MaterializeResult(metadata=metadata)

    analyses = [
        correlations,
        correlation_breaks,
        correlation_break_searches,
        liquidity_lead_lag,
        liquidity_lead_lag_stability,
        capital_competition,
        unlock_event_study,
    ]

    @dg.asset(
        key=["analytics", "claims"],
        deps=[*mart_keys, *(analysis.key for analysis in analyses)],
        group_name="analytics",
        pool=WAREHOUSE_POOL,
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
