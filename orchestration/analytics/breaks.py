"""Did a correlation change at a date named beforehand? Numbers and their uncertainty only; a verdict is made elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from orchestration.analytics.bootstrap import REPETITIONS, SEED, mean_block, resampled_rows, row_correlations
from orchestration.analytics.correlation import fisher_band

BREAK_DATE = date(2025, 10, 10)
"""UTC day of the October 2025 crash (it peaked at 21:15 UTC, after the New York close)."""
SESSIONS_BEFORE = 250
SESSIONS_AFTER = 250
MINIMUM_PAIRS = 10
"""Pairs that either side must have before anything but n is said about it."""
FEW_PAIRS = 100
"""Below this on either side the Wald test's covariance is too small; its row says so."""
SIGNIFICANCE = 0.05
METHODS = ("wald_hac", "fisher_z", "fisher_z_bootstrap")

COLUMNS = [
    "asset",
    "benchmark",
    "bar",
    "break_date",
    "includes_crash",
    "method",
    "n_before",
    "n_after",
    "r_before",
    "r_before_low_95",
    "r_before_high_95",
    "r_after",
    "r_after_low_95",
    "r_after_high_95",
    "volatility_delta",
    "r_before_volatility_corrected",
    "r_after_volatility_corrected",
    "statistic",
    "p_value",
    "lags",
    "verdict",
    "parameters",
    "note",
    "known_at",
]


def volatility_corrected(r: float, delta: float) -> float:
    """Correlation a calm period would have shown: ρ / √(1 + δ(1 − ρ²)), δ = high variance / low variance − 1.

    Assumes that the benchmark's variance rose for its own reasons, without feedback from the asset and without an
    omitted common shock.

    Source: K. Forbes and R. Rigobon, "No Contagion, Only Interdependence", Journal of Finance 57 (2002).
    """
    return r / math.sqrt(1 + delta * (1 - r**2))


def fisher_z(r_before: float, n_before: int, r_after: float, n_after: int) -> tuple[float, float]:
    """Two-sample test that two correlations are one: z = (atanh r₁ − atanh r₂) / √(1/(n₁−3) + 1/(n₂−3)), two-sided p.

    Assumes independent pairs; with clustered volatility it finds too many breaks.

    Source: R. A. Fisher, "On the probable error of a coefficient of correlation", Metron 1 (1921).
    """
    from scipy.stats import norm

    difference = np.arctanh(r_before) - np.arctanh(r_after)
    z = float(difference / math.sqrt(1 / (n_before - 3) + 1 / (n_after - 3)))
    return z, float(2 * norm.sf(abs(z)))


def newey_west_lags(n: int) -> int:
    """Newey and West's rule of thumb, ⌊4(n/100)^(2/9)⌋.

    Source: W. Newey and K. West, "Automatic Lag Selection in Covariance Matrix Estimation", Review of Economic
    Studies 61 (1994).
    """
    return math.floor(4 * math.pow(n / 100, 2 / 9))


def wald_break(asset: np.ndarray, benchmark: np.ndarray, is_after: np.ndarray, lags: int) -> tuple[float, float]:
    """Wald test on (g, d) in asset = a + b·benchmark + g·D + d·D·benchmark, D = 1 after the break; HAC covariance.

    Returns F(2, n − 4) and its p. A test of the regression, not of the correlation: a slope can move with the ratio
    of the volatilities while r stands still. With few sessions on one side the covariance is too small and the test
    finds too many breaks: at a nominal 5 % it finds one in independent noise in 6 % of samples of 250 + 250 sessions,
    9 % of 250 + 60 and 19 % of 250 + 22 (tests/analytics/test_breaks.py).

    Source: W. Newey and K. West, Econometrica 55 (1987).
    """
    from statsmodels.regression.linear_model import OLS

    design = np.column_stack([np.ones(len(asset)), benchmark, is_after, is_after * benchmark])
    fitted = OLS(asset, design).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}, use_t=True)
    test = fitted.wald_test(np.eye(4)[2:], use_f=True, scalar=True)
    return float(test.statistic), float(test.pvalue)


def bootstrap_break(asset: np.ndarray, benchmark: np.ndarray, n_before: int, seed: int = SEED) -> float:
    """p of Fisher's two-sample z against what it would be without a break at this date.

    Draws blocks of days from the whole window, so that a sample has the window's clustered volatility but nothing
    particular about the date, and counts samples whose |z| is at least the observed one: (1 + count) / (1 + samples).
    Assumes that the window is stationary but for the break.
    """
    rows = resampled_rows(len(asset), REPETITIONS, seed)
    drawn = np.vstack([np.arange(len(asset)), rows])
    x, y = asset[drawn], benchmark[drawn]
    z = np.abs(
        np.arctanh(row_correlations(x[:, :n_before], y[:, :n_before]))
        - np.arctanh(row_correlations(x[:, n_before:], y[:, n_before:]))
    )
    samples = z[1:][~np.isnan(z[1:])]
    return float((1 + (samples >= z[0]).sum()) / (1 + len(samples)))


def crash_bar(pairs: pd.DataFrame, break_date: date = BREAK_DATE) -> pd.Series:
    """Which pair's asset return holds the close of the UTC day `break_date`."""
    days, moment = pd.to_datetime(pairs["asset_day"]), pd.Timestamp(break_date)
    return (days >= moment) & (days - pd.to_timedelta(pairs["days_spanned"], unit="D") < moment)


def correlation_breaks(
    pairs: pd.DataFrame,
    sessions: Sequence[date],
    break_date: date = BREAK_DATE,
    sessions_before: int = SESSIONS_BEFORE,
    sessions_after: int = SESSIONS_AFTER,
) -> pd.DataFrame:
    """Test every asset, benchmark and bar for a break at `break_date`, with and without the crash bar.

    The crash bar is the one whose asset return holds the close of the UTC day `break_date`: Friday's session under
    `utc_day`, Monday's under `nyse_session`. It counts as after the break, or is left out of both sides.

    Args:
        pairs: one row per asset, benchmark, bar and session_date with `asset_day` and `days_spanned` (which days the
            asset's return covers), `asset_log_return`, `benchmark_log_return` and `known_at`.
        sessions: the trading calendar; the windows count its days, so a hole in the data lowers n instead of
            reaching further back.
        break_date: UTC day of the break.
        sessions_before: length of the window before the crash bar.
        sessions_after: longest window from the crash bar on; it ends earlier where the data end.

    Returns:
        COLUMNS, one row per group and method of METHODS, with and without the crash bar. Where a side has too few
        pairs or does not vary, the numbers are null and `note` says why. verdict is `break` where p < 0.05, `no break`
        where not, and `inconclusive` without a p; with fewer than FEW_PAIRS on a side also where p is larger, because so
        few would seldom show a break, and always of the Wald test, which then finds too many.
    """
    calendar = pd.DatetimeIndex(sorted(pd.to_datetime(list(sessions))))
    moment = pd.Timestamp(break_date)
    parameters = {
        "sessions_before": sessions_before,
        "sessions_after": sessions_after,
        "minimum_pairs": MINIMUM_PAIRS,
    }
    rows: list[dict[str, Any]] = []
    for (asset, benchmark, bar), group in pairs.groupby(["asset", "benchmark", "bar"], sort=True):
        usable = group.dropna(subset=["asset_log_return", "benchmark_log_return"])
        usable = usable.assign(
            session_date=pd.to_datetime(usable["session_date"]), asset_day=pd.to_datetime(usable["asset_day"])
        ).sort_values("session_date")
        before = usable["asset_day"] < moment
        crash = crash_bar(usable, break_date)
        after = ~before
        # Without the crash bar in the data, the day stands in for its session.
        first_after = usable["session_date"][crash].min() if crash.any() else moment
        position = int(calendar.searchsorted(first_after))
        start = calendar[max(position - sessions_before, 0)] if len(calendar) else moment
        inside = calendar[position : position + sessions_after]
        end = inside[-1] if len(inside) else moment
        window = usable["session_date"].between(start, end)
        for includes_crash in (True, False):
            chosen = window if includes_crash else window & ~crash
            missing_crash = includes_crash and not crash.any() and bool(after.any())
            for result in _tests(usable[chosen & before], usable[chosen & after]):
                notes = [note for note in (result["note"], "no pair for the crash bar" * missing_crash) if note]
                rows.append(
                    {
                        "asset": asset,
                        "benchmark": benchmark,
                        "bar": bar,
                        "break_date": break_date,
                        "includes_crash": includes_crash,
                        **result,
                        "parameters": json.dumps(parameters | result["parameters"]),
                        "note": "; ".join(notes) or None,
                        "known_at": pd.to_datetime(usable["known_at"][chosen], utc=True).max(),
                    }
                )
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    return pd.DataFrame(rows).astype({"lags": "Int64"})[COLUMNS]


def _tests(before: pd.DataFrame, after: pd.DataFrame) -> list[dict[str, Any]]:
    """Every test of one pair of windows, a row's worth each."""
    sides = {"before": before, "after": after}
    shared: dict[str, Any] = {"n_before": len(before), "n_after": len(after)}
    notes = []
    for name, side in sides.items():
        r = math.nan
        if len(side) < MINIMUM_PAIRS:
            notes.append(f"{len(side)} pairs {name} the break, at least {MINIMUM_PAIRS} needed")
        elif side["asset_log_return"].nunique() == 1 or side["benchmark_log_return"].nunique() == 1:
            notes.append(f"a series does not vary {name} the break")
        else:
            r = float(np.clip(side["asset_log_return"].corr(side["benchmark_log_return"]), -1.0, 1.0))
            if abs(r) > 1 - 1e-12:
                notes.append(f"the returns are exactly collinear {name} the break")
        low, high = fisher_band(np.array([r]), np.array([len(side)]))
        shared |= {f"r_{name}": r, f"r_{name}_low_95": float(low[0]), f"r_{name}_high_95": float(high[0])}

    results: dict[str, dict[str, Any]] = {
        method: {"statistic": math.nan, "p_value": math.nan, "lags": None, "parameters": {}, "note": None}
        for method in METHODS
    }
    delta, corrected = math.nan, {"before": math.nan, "after": math.nan}
    if notes:
        for result in results.values():
            result["note"] = "; ".join(notes)
    else:
        variance = {name: side["benchmark_log_return"].var() for name, side in sides.items()}
        calm, loud = sorted(sides, key=variance.__getitem__)
        delta = variance[loud] / variance[calm] - 1
        corrected = {calm: shared[f"r_{calm}"], loud: volatility_corrected(shared[f"r_{loud}"], delta)}

        whole = pd.concat([before, after])
        asset, benchmark = whole["asset_log_return"].to_numpy(), whole["benchmark_log_return"].to_numpy()
        lags = newey_west_lags(len(whole))
        is_after = np.repeat([0.0, 1.0], [len(before), len(after)])
        statistic, p = wald_break(asset, benchmark, is_after, lags)
        few = f"fewer than {FEW_PAIRS} pairs on a side: this test then finds too many breaks"
        note = few if min(len(before), len(after)) < FEW_PAIRS else None
        results["wald_hac"] |= {"statistic": statistic, "p_value": p, "lags": lags, "note": note}
        z, p = fisher_z(shared["r_before"], len(before), shared["r_after"], len(after))
        results["fisher_z"] |= {"statistic": z, "p_value": p}
        drawing = {"samples": REPETITIONS, "seed": SEED, "mean_block_sessions": round(mean_block(len(whole)), 2)}
        p = bootstrap_break(asset, benchmark, len(before))
        results["fisher_z_bootstrap"] |= {"statistic": z, "p_value": p, "parameters": drawing}
    shared |= {"volatility_delta": delta} | {f"r_{name}_volatility_corrected": r for name, r in corrected.items()}
    is_small = min(len(before), len(after)) < FEW_PAIRS
    for method, result in results.items():
        if result["p_value"] < SIGNIFICANCE and not (is_small and method == "wald_hac"):
            result["verdict"] = "break"
        else:
            result["verdict"] = "inconclusive" if is_small or math.isnan(result["p_value"]) else "no break"
    return [{**shared, "method": method, **result} for method, result in results.items()]
