"""Does the strongest lag between liquidity and crypto stay where it is? Rolling windows, and the lags others publish."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from orchestration.analytics.lead_lag import LAGS, MINIMUM_PAIRS, lag_strengths, lagged_pairs, weekly_log_changes

WINDOW_WEEKS = 52
STEP_WEEKS = 4
MINIMUM_SHARE = 0.9
NEAR_WEEKS = 2
SEPARATE_WINDOWS = 3
"""Windows without a common week that stability must rest on; overlapping ones agree by construction."""
SIGNIFICANCE = 0.05
PUBLISHED = (
    ("0 to 8 weeks", 0.0, 8.0),
    ("11 to 13 weeks", 11.0, 13.0),
    ("78 days", 78 / 7, 78 / 7),
    ("90 days", 90 / 7, 90 / 7),
    ("107 days", 107 / 7, 107 / 7),
)
"""Lags from liquidity to Bitcoin that circulate in public commentary, mostly of global M2; listed, not endorsed."""

COLUMNS = [
    "liquidity",
    "asset",
    "method",
    "source",
    "first_week",
    "last_week",
    "n",
    "lag_weeks",
    "lag_low_weeks",
    "lag_high_weeks",
    "r",
    "r_low_95_bootstrap",
    "r_high_95_bootstrap",
    "p_value_family",
    "windows",
    "near_share",
    "near_share_by_chance",
    "verdict",
    "parameters",
    "note",
    "known_at",
]


def liquidity_lead_lag_stability(
    liquidity: pd.DataFrame, closes: pd.DataFrame, lead_lag: pd.DataFrame, name: str, lags: Sequence[int] = LAGS
) -> pd.DataFrame:
    """The strongest lag of each asset over all weeks, over rolling windows, and within every published lag.

    Args:
        liquidity: as for `lead_lag.liquidity_lead_lag`.
        closes: the same.
        lead_lag: what that function returned for them.
        name: the same.
        lags: the same.

    Returns:
        COLUMNS; per asset one row full_sample, one row rolling per window that holds 0.9 of its weeks (every STEP_WEEKS
        back from the newest), one row published per lag of PUBLISHED with our numbers at our strongest lag within it.
        Too few weeks are rows with n and verdict `inconclusive`.
    """
    if liquidity.empty or closes.empty:
        return pd.DataFrame(columns=COLUMNS)
    days = pd.to_datetime(liquidity["day"])
    weeks = pd.date_range(days.min(), days.max(), freq="7D")
    x = weekly_log_changes(liquidity, weeks).to_numpy()
    parameters = {
        "window_weeks": WINDOW_WEEKS,
        "step_weeks": STEP_WEEKS,
        "minimum_share": MINIMUM_SHARE,
        "minimum_pairs": MINIMUM_PAIRS,
        "near_weeks": NEAR_WEEKS,
        "separate_windows": SEPARATE_WINDOWS,
        "significance": SIGNIFICANCE,
    }
    rows: list[dict[str, Any]] = []
    for asset, group in closes.groupby("asset", sort=True):
        y = weekly_log_changes(group, weeks).to_numpy()
        used = pd.concat([liquidity, group]).assign(day=lambda frame: pd.to_datetime(frame["day"]))
        known_at = pd.to_datetime(used.set_index("day")["known_at"], utc=True)
        known_at = known_at.groupby(level=0).max().reindex(weeks)
        ours = lead_lag[lead_lag["asset"] == asset]
        windows = [
            _window(x, y, weeks, end, lags) | {"known_at": known_at.iloc[end - WINDOW_WEEKS : end].max()}
            for end in range(len(weeks), WINDOW_WEEKS - 1, -STEP_WEEKS)
            if _paired(x, y, end) >= MINIMUM_SHARE * WINDOW_WEEKS
        ]
        span = {"first_week": weeks[0].date(), "last_week": weeks[-1].date(), "known_at": known_at.max()}
        best = _full_sample(ours, windows, lags)
        whole = _paired(x, y, len(weeks), len(weeks))
        found = [{"method": "full_sample", **span, **best}, *windows]
        found += [{"method": "published", **span, **_published(ours, best, each)} for each in PUBLISHED]
        for each in found:
            n = each.get("n", whole)
            rows.append({"liquidity": name, "asset": asset, "parameters": json.dumps(parameters), **each, "n": n})
    types = dict.fromkeys(["n", "lag_weeks", "windows"], "Int64") | dict.fromkeys(
        ["source", "verdict", "note"], "object"
    )
    result = pd.DataFrame(rows).reindex(columns=COLUMNS).astype(types)
    order = {"full_sample": 0, "rolling": 1, "published": 2}
    return result.sort_values(
        ["asset", "method", "last_week"], key=lambda c: c.map(order) if c.name == "method" else c, kind="stable"
    ).reset_index(drop=True)


def _paired(x: np.ndarray, y: np.ndarray, end: int, length: int = WINDOW_WEEKS) -> int:
    """Weeks of the window before `end` in which both series changed."""
    inside = slice(end - length, end)
    return int((~np.isnan(x[inside]) & ~np.isnan(y[inside])).sum())


def _window(x: np.ndarray, y: np.ndarray, weeks: pd.DatetimeIndex, end: int, lags: Sequence[int]) -> dict[str, Any]:
    inside = slice(end - WINDOW_WEEKS, end)
    r, strength = (found[:, 0] for found in lag_strengths(x[inside], y[inside][None, :], lags))
    row = {
        "method": "rolling",
        "first_week": weeks[inside][0].date(),
        "last_week": weeks[inside][-1].date(),
        "n": _paired(x, y, end),
        "windows": 1,
    }
    if np.isnan(strength).all():
        return row | {"verdict": "inconclusive", "note": f"no lag has {MINIMUM_PAIRS} pairs that vary"}
    at = int(np.nanargmax(strength))
    return row | {"n": len(lagged_pairs(x[inside], y[inside], lags[at])), "lag_weeks": lags[at], "r": float(r[at])}


def _strongest(ours: pd.DataFrame) -> dict[str, Any]:
    """The row of `liquidity_lead_lag` with the strongest correlation; empty where none has a number."""
    usable = ours.dropna(subset=["r"])
    if usable.empty:
        return {}
    r = usable["r"].to_numpy(dtype=float)
    with np.errstate(divide="ignore"):
        strength = np.abs(np.arctanh(r)) * np.sqrt(usable["n"].to_numpy(dtype=float) - 3)
    row = usable.iloc[int(np.argmax(strength))]
    columns = ["n", "lag_weeks", "r", "r_low_95_bootstrap", "r_high_95_bootstrap", "p_value_family"]
    return {column: row[column] for column in columns}


def _full_sample(ours: pd.DataFrame, windows: list[dict[str, Any]], lags: Sequence[int]) -> dict[str, Any]:
    best = _strongest(ours)
    found = np.array([window["lag_weeks"] for window in windows if "lag_weeks" in window], dtype=float)
    row: dict[str, Any] = {"windows": len(found), "verdict": "inconclusive"}
    if not best:
        return row | {"note": f"no lag has {MINIMUM_PAIRS} pairs that vary"}
    row |= best | {"near_share_by_chance": _chance(best["lag_weeks"], lags)}
    if len(found):
        low, high = np.quantile(found, [0.025, 0.975])
        row |= {"lag_low_weeks": low, "lag_high_weeks": high}
        row |= {"near_share": float((np.abs(found - best["lag_weeks"]) <= NEAR_WEEKS).mean())}
        for window in windows:
            if "lag_weeks" in window:
                window["near_share"] = float(abs(window["lag_weeks"] - best["lag_weeks"]) <= NEAR_WEEKS)
    if (separate := _separate(windows)) < SEPARATE_WINDOWS:
        return row | {"note": f"{separate} windows that do not overlap, at least {SEPARATE_WINDOWS} needed"}
    is_stable = best["p_value_family"] < SIGNIFICANCE and row["near_share"] >= 0.5
    return row | {"verdict": "stable" if is_stable else "unstable"}


def _chance(lag: int, lags: Sequence[int]) -> float:
    return sum(abs(each - lag) <= NEAR_WEEKS for each in lags) / len(lags)


def _separate(windows: list[dict[str, Any]]) -> int:
    """How many windows fit beside each other without a common week; newest first, as they come."""
    count, limit = 0, None
    for window in windows:
        if "lag_weeks" in window and (limit is None or window["last_week"] < limit):
            count, limit = count + 1, window["first_week"]
    return count


def _published(ours: pd.DataFrame, best: dict[str, Any], published: tuple[str, float, float]) -> dict[str, Any]:
    source, low, high = published
    first, last = math.floor(low), math.ceil(high)
    row = {"source": f"public commentary: {source}", "lag_low_weeks": low, "lag_high_weeks": high}
    within = _strongest(ours[ours["lag_weeks"].between(first, last)])
    if not within or best["verdict"] != "stable":
        return row | within | {"verdict": "inconclusive", "note": "our own search finds no stable lag to compare with"}
    return row | within | {"verdict": "agrees" if first <= best["lag_weeks"] <= last else "disagrees"}
