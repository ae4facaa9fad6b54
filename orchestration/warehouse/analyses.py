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
    "method": (
        "varchar",
        "pearson or spearman (ranks within the window) of log returns; pearson_async: (c0 + c+1 + c-1) / sqrt(vx vy) of "
        "log returns, for closes hours apart; pearson_levels: of the closes, spurious-prone, only what a chart suggests",
    ),
    "n": (
        "integer",
        "pairs in the window; at least 0.9 of its sessions; pearson_async: those with both neighbours, of window - 2",
    ),
    "r": ("double", "correlation, -1 to 1 (pearson_async can exceed 1), no unit; null: too few pairs in every window"),
    "r_low_95": (
        "double",
        "lower end of the 95 % Fisher band, for spearman widened after Bonett and Wright 2000; null where it does not "
        "hold: pearson_async, pearson_levels",
    ),
    "r_high_95": ("double", "upper end of the same band"),
    "known_at": ("timestamptz", "when the newest pair of the window became public"),
    "r_low_95_bootstrap": (
        "double",
        "lower end of the 95 % band by 500 stationary bootstraps, mean block n^(1/3), seed 20251010; only at the newest "
        "session of each window, else null; too narrow at 20 sessions; never of pearson_levels",
    ),
    "r_high_95_bootstrap": ("double", "upper end of the same band"),
    "verdict": (
        "varchar",
        "positive or negative: the Fisher band (pearson_async: the bootstrap's) excludes zero; inconclusive: it holds "
        "zero, or too few pairs; null: no band was computed",
    ),
    "parameters": ("varchar", "JSON: share of a window that must be there, samples, seed"),
    "note": ("varchar", "why numbers are null, or what to mind about them"),
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
    "verdict": (
        "varchar",
        "break: p < 0.05; no break: p >= 0.05; inconclusive: no p, or fewer than 100 pairs on a side and either p >= 0.05 "
        "or the Wald test, which then finds too many",
    ),
    "parameters": ("varchar", "JSON: longest windows in sessions, pairs needed, samples, seed, mean block"),
    "note": ("varchar", "why numbers are null, or what to mind about them"),
    "known_at": ("timestamptz", "when the newest pair used became public"),
}

CORRELATION_BREAK_SEARCHES = {
    "asset": ("varchar", "BTC, ETH, TOTAL or TOTAL3; definitions in intermediate.int_benchmark_series"),
    "benchmark": ("varchar", "SPX: S&P 500 closes"),
    "bar": ("varchar", "utc_day or nyse_session: which crypto close is paired with a session"),
    "window_sessions": ("integer", "NYSE sessions searched, up to the newest; null: the whole history"),
    "includes_crash": ("boolean", "false: the bar that holds the crash of 10 October 2025 is left out"),
    "method": (
        "varchar",
        "sup_f: largest F of r_c = a + b r_s against two regressions over all dates, Andrews 1993; p by Hansen's "
        "fixed-regressor bootstrap, 2000",
    ),
    "first_session_date": ("date", "session of the oldest pair searched"),
    "last_session_date": ("date", "session of the newest pair searched"),
    "n": ("integer", "pairs searched"),
    "oldest_testable_date": ("date", "first date tried: 15 % of the pairs lie before it"),
    "newest_testable_date": ("date", "last date tried: with 15 % trimming a year cannot show its last month"),
    "can_see_crash": ("boolean", "whether the session that holds the crash is among the dates tried"),
    "break_session_date": ("date", "first session of the new regime at the largest F, also where p says it is none"),
    "break_low_95_date": (
        "date",
        "oldest of the dates whose likelihood ratio to it is within 95 %, Eo and Morley 2015; conditional on a break",
    ),
    "break_high_95_date": ("date", "newest of these dates"),
    "n_before": ("integer", "pairs before that date"),
    "n_after": ("integer", "pairs from that date on"),
    "r_before": ("double", "Pearson correlation of log returns before that date, no unit"),
    "r_after": ("double", "Pearson correlation of log returns from that date on, no unit"),
    "statistic": ("double", "sup-F; larger than F(2, n - 4) allows, because it is the largest of many"),
    "p_value": ("double", "p of the search over all dates of this row, not corrected for the number of rows"),
    "verdict": ("varchar", "break: p < 0.05; no break: p >= 0.05; inconclusive: too few pairs or no variation"),
    "parameters": ("varchar", "JSON: trimming, samples, seed, pairs needed, significance"),
    "note": ("varchar", "why numbers are null, or what to mind about them"),
    "known_at": ("timestamptz", "when the newest pair searched became public"),
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
    "verdict": ("varchar", "found: p_value_family < 0.05; not found; inconclusive: too few pairs of weeks"),
    "parameters": ("varchar", "JSON: samples, seed, mean block in weeks, pairs needed"),
    "known_at": ("timestamptz", "when the newest value used became public"),
}

LIQUIDITY_LEAD_LAG_STABILITY = {
    "liquidity": ("varchar", "as in liquidity_lead_lag"),
    "asset": ("varchar", "BTC or TOTAL; definitions in intermediate.int_benchmark_series"),
    "method": (
        "varchar",
        "full_sample: the strongest lag of all weeks; rolling: of one window; published: of ours within a lag that others "
        "have published",
    ),
    "source": ("varchar", "published: the lag as stated in public commentary; not verified by us; else null"),
    "first_week": ("date", "oldest week compared"),
    "last_week": ("date", "newest week compared"),
    "n": ("integer", "pairs of weeks at lag_weeks; where no lag has enough: at lag 0"),
    "lag_weeks": (
        "integer",
        "lag of the largest |atanh r| sqrt(n - 3), weeks by which the asset follows; positive: liquidity leads",
    ),
    "lag_low_weeks": (
        "double",
        "full_sample: 2.5 % quantile of the windows' strongest lags, no confidence band; published: shortest lag stated",
    ),
    "lag_high_weeks": ("double", "full_sample: 97.5 % quantile of the same; published: longest lag stated"),
    "r": ("double", "correlation of weekly log changes at lag_weeks, no unit"),
    "r_low_95_bootstrap": ("double", "lower end of its 95 % band as in liquidity_lead_lag; null for rolling"),
    "r_high_95_bootstrap": ("double", "upper end of the same band"),
    "p_value_family": ("double", "p of that lag over all lags tried, as in liquidity_lead_lag; null for rolling"),
    "windows": ("integer", "full_sample: rolling windows; rolling: 1; published: null"),
    "near_share": ("double", "share of these windows whose strongest lag lies within 2 weeks of the full sample's"),
    "near_share_by_chance": ("double", "the same share if every lag were equally likely"),
    "verdict": (
        "varchar",
        "full_sample: stable (family p < 0.05 and near_share >= 0.5), unstable, or inconclusive (fewer than 3 windows that "
        "do not overlap); published: agrees, disagrees (does not hold our strongest lag), or inconclusive (ours is "
        "not stable); rolling: inconclusive where no lag has enough pairs, else null",
    ),
    "parameters": ("varchar", "JSON: window and step in weeks, nearness, share of a window that must be there"),
    "note": ("varchar", "why numbers are null, or what to mind about them"),
    "known_at": ("timestamptz", "when the newest value used became public"),
}

CAPITAL_COMPETITION = {
    "member": (
        "varchar",
        "BTC, ETH, TOTAL, TOTAL3 (intermediate.int_benchmark_series), TOTAL3ES (TradingView TOTAL3 less all stablecoins), "
        "SPX, NASDAQ, KOSPI, SHANGHAI, CSI300, NIKKEI (marts.equity_returns)",
    ),
    "benchmark": ("varchar", "SPX: S&P 500 closes"),
    "currency_view": ("varchar", "local: each in its own currency, crypto in USD; usd: all in USD"),
    "window_name": (
        "varchar",
        "ytd, 1y, since_2024_11_12: up to the newest close of the benchmark; 2020_11_to_2021_11: 2 November 2020 to 30 "
        "November 2021",
    ),
    "method": ("varchar", "relative_return_block_bootstrap"),
    "start_date": ("date", "day of the first close used, at most 14 days before the window; null: none"),
    "end_date": ("date", "day of the last close used, at most 14 days before the window's end; null: none"),
    "n": ("integer", "returns between consecutive closes of the member; 0: no close at an end of the window"),
    "return_pct": ("double", "percent from start_date to end_date"),
    "annualisation_factor": ("integer", "returns a year: 365 crypto, 252 equities"),
    "volatility_annualised_pct": (
        "double",
        "standard deviation of log returns x sqrt(annualisation_factor), percent; null below 20 returns",
    ),
    "volatility_scaled_return": (
        "double",
        "mean log return x annualisation_factor / annualised volatility, no unit: return a year per unit of risk",
    ),
    "benchmark_return_pct": ("double", "percent, between the first and last day on which both have a close"),
    "relative_return_pct": ("double", "(1 + return) / (1 + benchmark return) - 1 between the same days, percent"),
    "relative_return_low_95_pct": (
        "double",
        "lower end of the 95 % band by stationary block bootstrap of paired log-return differences: where such a window "
        "would have ended had its days been drawn again, percent",
    ),
    "relative_return_high_95_pct": ("double", "upper end of the same band"),
    "stablecoins_change_usd": ("double", "change of the supply of all stablecoins over the window, USD: a flow proxy"),
    "stablecoins_change_pct": ("double", "the same in percent of the supply at its start"),
    "verdict": (
        "varchar",
        "outperformed or underperformed: the band excludes zero; inconclusive: it holds zero, or too few closes; "
        "benchmark: the member is the benchmark",
    ),
    "parameters": (
        "varchar",
        "JSON: samples, seed, mean block in common steps, steps needed, oldest close accepted, bar",
    ),
    "note": ("varchar", "what the row does not show, and why numbers are null"),
    "known_at": ("timestamptz", "when the newest value used became public"),
}

UNLOCK_EVENT_STUDY = {
    "benchmark": (
        "varchar",
        "btc, or altcoins: equal-weight mean return of all tokens with daily prices but the event's own, BTC, ETH, "
        "stablecoins and wrapped tokens",
    ),
    "window_name": ("varchar", "[-30,-1], [0,1], [0,7] or [0,30]: days from the unlock, both ends included"),
    "method": (
        "varchar",
        "clustered_by_day: mean over events, errors clustered by unlock day; calendar_time_portfolio: mean over calendar "
        "days of the tokens then in the window, Newey-West",
    ),
    "placebo_shift_days": ("integer", "0: the unlocks; -45 or 45: dates on which nothing was scheduled, as a check"),
    "is_reconstructed": ("boolean", "true: the schedule was first seen later than 31 days before the unlock"),
    "grouping": ("varchar", "all, kind, size (share of circulating supply) or recipient"),
    "group_name": ("varchar", "all; cliff, linear; <1 %, 1-5 %, >5 %, unknown; the schedule's own recipient group"),
    "n": ("integer", "unlocks (token and day) in the mean"),
    "unlock_days": ("integer", "different days among them, the clusters"),
    "assets": ("integer", "different tokens among them"),
    "mean_car_pct": (
        "double",
        "mean cumulative abnormal return, sum of log returns less those of the market model of days -180 to -31, percent",
    ),
    "low_95_pct": ("double", "lower end of its 95 % band, percent"),
    "high_95_pct": ("double", "upper end of the same band, percent"),
    "standard_error_pct": ("double", "standard error of the mean by this row's method, percent"),
    "p_value": ("double", "two-sided p of one test, not corrected for the number of rows of this table"),
    "median_car_pct": ("double", "median over events, percent"),
    "negative_share": ("double", "share of events whose cumulative abnormal return is below zero"),
    "n_excluded": ("integer", "unlocks of the group that are not in the mean"),
    "excluded": ("varchar", "JSON: their number by reason"),
    "verdict": (
        "varchar",
        "negative or positive: p < 0.05; no effect found: p >= 0.05; inconclusive: fewer than 10 unlock days, or "
        "clustered errors with more than a quarter of the events on one day",
    ),
    "parameters": ("varchar", "JSON: estimation days, share and days needed, separation; nothing is drawn, so no seed"),
    "note": ("varchar", "why numbers are null, or what to mind about them"),
    "known_at": ("timestamptz", "when the newest value given to the study became public"),
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

TABLES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "correlations": CORRELATIONS,
    "correlation_breaks": CORRELATION_BREAKS,
    "correlation_break_searches": CORRELATION_BREAK_SEARCHES,
    "liquidity_lead_lag": LIQUIDITY_LEAD_LAG,
    "liquidity_lead_lag_stability": LIQUIDITY_LEAD_LAG_STABILITY,
    "capital_competition": CAPITAL_COMPETITION,
    "unlock_event_study": UNLOCK_EVENT_STUDY,
    "claims": CLAIMS,
}
"""Table -> column -> (SQL type, meaning): what the UI shows of them before they are made."""


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
