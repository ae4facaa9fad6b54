"""Rolling correlation of log returns with an honest band. Pairing of days and sessions is done in dbt, not here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

WINDOWS = (20, 60, 90, 250)
MINIMUM_SHARE = 0.9
NORMAL_975 = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""

COLUMNS = [
    "asset",
    "benchmark",
    "bar",
    "session_date",
    "window_sessions",
    "method",
    "n",
    "r",
    "r_low_95",
    "r_high_95",
    "known_at",
]


def fisher_band(r: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % band of a correlation: tanh(atanh r ± 1.96 / √(n − 3)).

    Assumes independent pairs from a bivariate normal distribution, so it is too narrow for returns with clustered
    volatility. Undefined (NaN) for n ≤ 3; for |r| = 1 it collapses onto r.

    Source: R. A. Fisher, "On the probable error of a coefficient of correlation", Metron 1 (1921).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.arctanh(r)
        half = np.where(n > 3, NORMAL_975 / np.sqrt(np.maximum(n - 3.0, 1e-300)), np.nan)
        return np.tanh(centre - half), np.tanh(centre + half)


def rolling_correlations(pairs: pd.DataFrame, windows: Sequence[int] = WINDOWS) -> pd.DataFrame:
    """Pearson correlation of paired log returns over the last so many sessions.

    Args:
        pairs: one row per asset, benchmark, bar and session_date with `asset_log_return`, `benchmark_log_return` and
            `known_at`. A session without a row counts as missing, not as zero.
        windows: lengths in sessions.

    Returns:
        COLUMNS, one row per window that holds at least 0.9 of its sessions; n is the number of pairs in it, known_at
        the newest of their known_at. Too few observations give no row rather than a number.
    """
    sessions = pd.DatetimeIndex(sorted(pd.to_datetime(pairs["session_date"].unique())))
    parts = []
    for (asset, benchmark, bar), group in pairs.groupby(["asset", "benchmark", "bar"], sort=True):
        indexed = group.assign(session_date=pd.to_datetime(group["session_date"])).set_index("session_date")
        usable = indexed.dropna(subset=["asset_log_return", "benchmark_log_return"]).reindex(sessions)
        x, y = usable["asset_log_return"], usable["benchmark_log_return"]
        for window in windows:
            n = x.rolling(window, min_periods=1).count()
            known = _newest(usable["known_at"], window)
            r = x.rolling(window, min_periods=math.ceil(MINIMUM_SHARE * window)).corr(y).clip(-1.0, 1.0)
            low, high = fisher_band(r.to_numpy(), n.to_numpy())
            frame = pd.DataFrame(
                {
                    "asset": asset,
                    "benchmark": benchmark,
                    "bar": bar,
                    "session_date": sessions.date,
                    "window_sessions": window,
                    "method": "pearson",
                    "n": n.to_numpy(),
                    "r": r.to_numpy(),
                    "r_low_95": low,
                    "r_high_95": high,
                    "known_at": known.array,
                }
            )
            complete = frame.index >= window - 1
            parts.append(frame[complete & frame["r"].notna()])
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    result = pd.concat(parts, ignore_index=True)
    return result.astype({"n": "int64", "window_sessions": "int64"})[COLUMNS]


def _newest(known_at: pd.Series, window: int) -> pd.Series:
    """Latest instant within the last `window` sessions: a value revised late is not always in the last of them."""
    instants = pd.to_datetime(known_at, utc=True).dt.as_unit("us")
    # Rolling works on floats; microseconds since 1970 stay exact in them until the year 2255.
    numbers = instants.astype("int64").where(instants.notna()).rolling(window, min_periods=1).max()
    return pd.to_datetime(numbers.astype("Int64"), unit="us", utc=True)
