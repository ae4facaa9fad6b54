"""Does net liquidity run ahead of crypto? Weekly cross-correlation that pays for every lag it tries."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from orchestration.analytics.bootstrap import (
    BAND_REPETITIONS,
    REPETITIONS,
    SEED,
    bootstrap_band,
    mean_block,
    resampled_rows,
)

LAGS = tuple(range(-26, 27))
SIGNIFICANCE = 0.05
MINIMUM_PAIRS = 20
"""Pairs of weeks that a lag must have before anything but n is said about it."""

COLUMNS = [
    "liquidity",
    "asset",
    "lag_weeks",
    "n",
    "r",
    "r_low_95_bootstrap",
    "r_high_95_bootstrap",
    "p_value_family",
    "verdict",
    "parameters",
    "known_at",
]


def lagged_pairs(x: np.ndarray, y: np.ndarray, lag: int) -> np.ndarray:
    """Positions t at which x[t] and y[t + lag] both exist."""
    t = np.arange(max(0, -lag), min(len(x), len(y) - lag))
    return np.extract(~np.isnan(x[t]) & ~np.isnan(y[t + lag]), t)


def family_p_values(
    x: np.ndarray, y: np.ndarray, lags: Sequence[int] = LAGS, repetitions: int = REPETITIONS, seed: int = SEED
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of x[t] with y[t + lag], and its p adjusted for all lags tried.

    The samples hold x fixed and redraw y in blocks into y's own weeks, which keeps both series' own dependence and
    breaks every relation between them. A lag's p is the share of samples (the observed one counted among them) whose
    strongest lag, by |atanh r|·√(n − 3), is at least as strong as it; the smallest p is that of the search over all lags.
    Assumes that y is stationary; NaN where a lag has fewer than MINIMUM_PAIRS pairs or does not vary.

    Source: P. Westfall and S. Young, "Resampling-Based Multiple Testing" (1993), single-step max.
    """
    observed = np.flatnonzero(~np.isnan(y))
    drawn = np.full((repetitions + 1, len(y)), np.nan)
    drawn[0] = y
    if len(observed):
        drawn[1:, observed] = y[observed][resampled_rows(len(observed), repetitions, seed)]
    r, strength = lag_strengths(x, drawn, lags)
    strongest = np.fmax.reduce(strength, axis=0)
    p = (strongest[1:] >= strength[:, :1]).sum(axis=1)
    return r[:, 0], np.where(np.isnan(r[:, 0]), np.nan, (1 + p) / (1 + repetitions))


def lag_strengths(x: np.ndarray, drawn: np.ndarray, lags: Sequence[int] = LAGS) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of x[t] with each row's y[t + lag], and its strength |atanh r|·√(n − 3), comparable over lags.

    One row per lag, one column per row of `drawn`, all of which miss the same weeks as its first; NaN where a lag has
    fewer than MINIMUM_PAIRS pairs or does not vary.
    """
    from scipy.spatial.distance import cdist

    y = drawn[0]
    r = np.full((len(lags), len(drawn)), np.nan)
    strength = np.full_like(r, np.nan)
    for row, lag in enumerate(lags):
        t = lagged_pairs(x, y, lag)
        if len(t) >= MINIMUM_PAIRS and np.ptp(x[t]) > 0 and np.ptp(y[t + lag]) > 0:
            with np.errstate(divide="ignore", invalid="ignore"):
                # Rounding may carry a perfect correlation past one.
                r[row] = np.clip(1 - cdist(x[None, t], drawn[:, t + lag], "correlation")[0], -1.0, 1.0)
                strength[row] = np.abs(np.arctanh(r[row])) * math.sqrt(len(t) - 3)
    return r, strength


def weekly_log_changes(levels: pd.DataFrame, weeks: pd.DatetimeIndex) -> pd.Series:
    """Log change of `value` from one week to the next; null where either week has no positive value."""
    values = levels.assign(day=pd.to_datetime(levels["day"])).set_index("day")["value"].astype("float64").reindex(weeks)
    logs = pd.Series(np.log(values.where(values > 0)), index=weeks)
    return logs.diff()


def liquidity_lead_lag(
    liquidity: pd.DataFrame, closes: pd.DataFrame, name: str, lags: Sequence[int] = LAGS
) -> pd.DataFrame:
    """Cross-correlation of weekly log changes of liquidity with those of each asset, by the Wednesday they belong to.

    Weeks are matched by period, not by release: the balance sheet of a Wednesday is public a day later, so a lag of
    zero or one week cannot be traded on.

    Args:
        liquidity: `day` (one weekday throughout), `value`, `known_at`.
        closes: `asset`, `day`, `value`, `known_at`; days other than liquidity's weekday are ignored.
        name: what the liquidity is, for the column `liquidity`.
        lags: weeks by which the asset follows; positive: liquidity leads.

    Returns:
        COLUMNS, one row per asset and lag; verdict is `found` where the family p is below 0.05. Where a lag has fewer than
        MINIMUM_PAIRS pairs its numbers are null and the verdict is `inconclusive`.
    """
    if liquidity.empty or closes.empty:
        return pd.DataFrame(columns=COLUMNS)
    days = pd.to_datetime(liquidity["day"])
    weeks = pd.date_range(days.min(), days.max(), freq="7D")
    x = weekly_log_changes(liquidity, weeks).to_numpy()
    rows = []
    for asset, group in closes.groupby("asset", sort=True):
        y = weekly_log_changes(group, weeks).to_numpy()
        used = pd.concat([liquidity, group[pd.to_datetime(group["day"]).isin(weeks)]])
        parameters = {
            "samples": REPETITIONS,
            "samples_band": BAND_REPETITIONS,
            "seed": SEED,
            "mean_block_weeks": round(mean_block(int((~np.isnan(y)).sum())), 2),
            "minimum_pairs": MINIMUM_PAIRS,
        }
        r, p = family_p_values(x, y, lags)
        for row, lag in enumerate(lags):
            t = lagged_pairs(x, y, lag)
            low, high = math.nan, math.nan
            if not np.isnan(r[row]):
                low, high = bootstrap_band(x[t], y[t + lag])
            rows.append(
                {
                    "liquidity": name,
                    "asset": asset,
                    "lag_weeks": lag,
                    "n": len(t),
                    "r": r[row],
                    "r_low_95_bootstrap": low,
                    "r_high_95_bootstrap": high,
                    "p_value_family": p[row],
                    "verdict": "inconclusive"
                    if np.isnan(p[row])
                    else "found"
                    if p[row] < SIGNIFICANCE
                    else "not found",
                    "parameters": json.dumps(parameters),
                    "known_at": pd.to_datetime(used["known_at"], utc=True).max(),
                }
            )
    return pd.DataFrame(rows)[COLUMNS]
