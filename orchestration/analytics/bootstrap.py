"""Stationary block bootstrap of paired series: which rows are drawn, and correlations of what was drawn."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pandas as pd

REPETITIONS = 1000
BAND_REPETITIONS = 500
"""Fewer for a band than for a p: the many bands of a run would else take seconds more."""
SEED = 20251010


def mean_block(n: int) -> float:
    """Mean length of a block, n^(1/3) rows but no less than one."""
    return max(math.cbrt(n), 1.0)


@lru_cache(maxsize=64)
def resampled_rows(n: int, repetitions: int = REPETITIONS, seed: int = SEED) -> np.ndarray:
    """Row numbers of `repetitions` samples of n rows, drawn in wrapped blocks of geometric length; read only.

    Blocks keep the serial dependence within them: clustered volatility, not trends. The same n and seed draw the
    same rows, so groups of one length are judged by the same samples.

    Source: D. Politis and J. Romano, "The Stationary Bootstrap", Journal of the American Statistical Association 89
    (1994).
    """
    from arch.bootstrap import StationaryBootstrap

    drawing = StationaryBootstrap(mean_block(n), np.arange(n), seed=seed)
    rows = np.stack([drawing.update_indices() for _ in range(repetitions)])
    rows.flags.writeable = False
    return rows


def row_correlations(x: np.ndarray, y: np.ndarray, is_ranked: bool = False) -> np.ndarray:
    """Correlation of each row of x with the same row of y, Pearson's or of ranks; NaN where a row does not vary."""
    from scipy.stats import pearsonr

    if is_ranked:
        x, y = (pd.DataFrame(series).rank(axis=1).to_numpy() for series in (x, y))
    varies = (np.ptp(x, axis=-1) > 0) & (np.ptp(y, axis=-1) > 0)
    found = np.full(len(x), np.nan)
    if varies.any():
        found[varies] = pearsonr(x[varies], y[varies], axis=-1).statistic
    return found


def bootstrap_band(
    x: np.ndarray, y: np.ndarray, is_ranked: bool = False, repetitions: int = BAND_REPETITIONS, seed: int = SEED
) -> tuple[float, float]:
    """95 % percentile band of the correlation of two paired series; NaN when no sample varies."""
    rows = resampled_rows(len(x), repetitions, seed)
    return percentile_band(row_correlations(x[rows], y[rows], is_ranked))


def percentile_band(found: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of what the samples gave; NaN when none gave anything."""
    if np.isnan(found).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)
