"""Crypto beside equities over the same windows: relative performance with a band. Prices do not show flows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from orchestration.analytics.bootstrap import REPETITIONS, SEED, mean_block, percentile_band, resampled_rows

BENCHMARK = "SPX"
CRYPTO_DAYS = 365
EQUITY_SESSIONS = 252
MEMBERS = {
    **dict.fromkeys(["BTC", "ETH", "TOTAL", "TOTAL3", "TOTAL3ES"], CRYPTO_DAYS),
    **dict.fromkeys(["SPX", "NASDAQ", "KOSPI", "SHANGHAI", "CSI300", "NIKKEI"], EQUITY_SESSIONS),
}
"""Who is compared, and how many returns a year of each has: crypto trades every day, equities in sessions."""
INDICES = {
    "^GSPC": "SPX",
    "^IXIC": "NASDAQ",
    "^KS11": "KOSPI",
    "000001.SS": "SHANGHAI",
    "000300.SS": "CSI300",
    "^N225": "NIKKEI",
}
"""index_id of marts.equity_returns → member."""
CAPS = frozenset({"ETH", "TOTAL", "TOTAL3", "TOTAL3ES"})
"""Market caps: issuance and listings are in them, so they are not what a holder earned."""
VIEWS = ("local", "usd")
MAX_AGE_DAYS = 14
"""How long before the start or end of a window its close may lie; the Chinese golden week closes for eleven days."""
MINIMUM_PAIRS = 20
"""Common steps with the benchmark that a band and a volatility need."""
FLOWS = "prices show relative performance, not flows; stablecoins_change_usd is a flow proxy of crypto as a whole"

COLUMNS = [
    "member",
    "benchmark",
    "currency_view",
    "window_name",
    "method",
    "start_date",
    "end_date",
    "n",
    "return_pct",
    "annualisation_factor",
    "volatility_annualised_pct",
    "volatility_scaled_return",
    "benchmark_return_pct",
    "relative_return_pct",
    "relative_return_low_95_pct",
    "relative_return_high_95_pct",
    "stablecoins_change_usd",
    "stablecoins_change_pct",
    "verdict",
    "parameters",
    "note",
    "known_at",
]


@dataclass(frozen=True)
class Window:
    """A stretch of days, both ends included."""

    name: str
    start: date
    end: date


def windows_until(newest: date) -> tuple[Window, ...]:
    """Year to date and one year up to `newest`, and the two stretches that the article draws."""
    year_earlier = (pd.Timestamp(newest) - pd.DateOffset(years=1)).date()
    return (
        Window("ytd", date(newest.year - 1, 12, 31), newest),
        Window("1y", year_earlier, newest),
        Window("since_2024_11_12", date(2024, 11, 12), newest),
        Window("2020_11_to_2021_11", date(2020, 11, 2), date(2021, 11, 30)),
    )


def capital_competition(
    closes: pd.DataFrame, stablecoins: pd.DataFrame, members: Mapping[str, int] = MEMBERS, seed: int = SEED
) -> pd.DataFrame:
    """Return, volatility and return relative to the S&P 500 of every member over every window, local and in USD.

    Closes of a day are compared as they are stamped: the UTC day of crypto beside the session of that date. The relative
    return is (1 + return) / (1 + benchmark's) − 1 between the two dates on which both have a close. Its band resamples the
    paired log-return differences of the window in blocks: where the relative return of such a window would have ended
    had its days been drawn again. It covers the luck of the path, not a change of regime.

    Args:
        closes: `member`, `currency_view`, `day`, `value`, `known_at`; one row per member, view and day, in the view's
            currency. Days without a close are absent, never zero.
        stablecoins: `day`, `value` in USD, `known_at`; supply of all stablecoins.
        members: name → returns a year.
        seed: of the bootstrap.

    Returns:
        COLUMNS, one row per member, view and window, also where there is no close: then n is 0. verdict is `outperformed`
        or `underperformed` where the band excludes zero, else `inconclusive`; `benchmark` for the benchmark itself.
        Without a close of the benchmark the windows are those up to the newest close of any member.
    """
    if closes.empty:
        return pd.DataFrame(columns=COLUMNS)
    given = closes.assign(day=pd.to_datetime(closes["day"]), known_at=pd.to_datetime(closes["known_at"], utc=True))
    given = given[given["value"] > 0].sort_values("day").set_index("day")
    of_benchmark = given.index[given["member"] == BENCHMARK]
    newest = (of_benchmark if len(of_benchmark) else given.index).max()
    supply = stablecoins.assign(day=pd.to_datetime(stablecoins["day"])).sort_values("day").set_index("day")
    parameters = {
        "samples": REPETITIONS,
        "seed": seed,
        "minimum_pairs": MINIMUM_PAIRS,
        "max_age_days": MAX_AGE_DAYS,
        "bar": "utc_day",
    }
    series = dict(list(given.groupby(["member", "currency_view"])))
    rows = []
    for window in windows_until(newest.date()):
        flow = _flow(supply, window)
        for view in VIEWS:
            benchmark = _inside(series.get((BENCHMARK, view)), window)
            for member, factor in members.items():
                own = _inside(series.get((member, view)), window)
                row, block = _compare(member, own, benchmark, factor, seed)
                known = [frame["known_at"].max() for frame in (own, benchmark) if frame is not None]
                rows.append(
                    {
                        "member": member,
                        "benchmark": BENCHMARK,
                        "currency_view": view,
                        "window_name": window.name,
                        "method": "relative_return_block_bootstrap",
                        "annualisation_factor": factor,
                        **row,
                        **flow,
                        "parameters": json.dumps(parameters | {"mean_block_steps": block}),
                        "known_at": pd.to_datetime(pd.Series([*known, flow["known_at"]]), utc=True).max(),
                    }
                )
    return pd.DataFrame(rows).reindex(columns=COLUMNS).astype({"n": "int64"})


def _inside(series: pd.DataFrame | None, window: Window) -> pd.DataFrame | None:
    """The closes of a window, led by the last one at or before its start; None where either end has none near it."""
    if series is None:
        return None
    start, end = pd.Timestamp(window.start), pd.Timestamp(window.end)
    tolerance = pd.Timedelta(days=MAX_AGE_DAYS)
    until = series[series.index <= end]
    base = until.index[until.index <= start]
    if not len(base) or start - base[-1] > tolerance or end - until.index[-1] > tolerance:
        return None
    inside: pd.DataFrame = until[until.index >= base[-1]]
    return inside


def _compare(
    member: str, own: pd.DataFrame | None, benchmark: pd.DataFrame | None, factor: int, seed: int
) -> tuple[dict[str, Any], float | None]:
    """One row's numbers, and the mean block of its bootstrap."""
    row: dict[str, Any] = {"n": 0, "verdict": "inconclusive"}
    notes = [FLOWS]
    if member in CAPS:
        notes.append("a market cap: holds issuance and listings, not what a holder earned")
    if own is None:
        return row | {"note": "; ".join([f"no close within {MAX_AGE_DAYS} days of both ends", *notes])}, None
    returns = np.diff(np.log(own["value"].to_numpy()))
    total = float(returns.sum())
    gap = int(own.index.to_series().diff().dt.days.max()) if len(own) > 1 else 0
    row |= {"n": len(returns), "start_date": own.index[0].date(), "end_date": own.index[-1].date()}
    row["return_pct"] = 100 * math.expm1(total)
    if gap > MAX_AGE_DAYS:
        return row | {"note": "; ".join([f"a hole of {gap} days: no volatility, no band", *notes])}, None
    if len(returns) >= MINIMUM_PAIRS:
        volatility = float(returns.std(ddof=1)) * math.sqrt(factor)
        row["volatility_annualised_pct"] = 100 * volatility
        if volatility > 0:
            row["volatility_scaled_return"] = float(returns.mean()) * factor / volatility
    if benchmark is None:
        return row | {"note": "; ".join(["no closes of the benchmark", *notes])}, None
    common = own[["value"]].join(benchmark[["value"]], rsuffix="_benchmark", how="inner")
    logs = np.log(common.to_numpy())
    row["benchmark_return_pct"] = 100 * math.expm1(logs[-1, 1] - logs[0, 1]) if len(common) else math.nan
    if member == BENCHMARK:
        return row | {"relative_return_pct": 0.0, "verdict": "benchmark", "note": FLOWS}, None
    steps = np.diff(logs[:, 0] - logs[:, 1])
    if len(steps) < MINIMUM_PAIRS:
        notes.insert(0, f"{len(steps)} steps common with the benchmark, at least {MINIMUM_PAIRS} needed")
        return row | {"note": "; ".join(notes)}, None
    row["relative_return_pct"] = 100 * math.expm1(float(steps.sum()))
    drawn = steps[resampled_rows(len(steps), REPETITIONS, seed)].sum(axis=1)
    low, high = (100 * math.expm1(end) for end in percentile_band(drawn))
    row |= {"relative_return_low_95_pct": low, "relative_return_high_95_pct": high}
    if low > 0 or high < 0:
        row["verdict"] = "outperformed" if low > 0 else "underperformed"
    return row | {"note": "; ".join(notes)}, round(mean_block(len(steps)), 2)


def _flow(supply: pd.DataFrame, window: Window) -> dict[str, Any]:
    """Change of the stablecoin supply over the window; null where either end has no value near it."""
    inside = _inside(supply, window)
    if inside is None:
        return {"stablecoins_change_usd": math.nan, "stablecoins_change_pct": math.nan, "known_at": pd.NaT}
    first, last = inside["value"].iloc[[0, -1]]
    return {
        "stablecoins_change_usd": float(last - first),
        "stablecoins_change_pct": 100 * float(last / first - 1),
        "known_at": pd.to_datetime(inside["known_at"], utc=True).max(),
    }
