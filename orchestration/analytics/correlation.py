"""Rolling correlation with an honest band: of log returns, and of levels as what a chart suggests. Pairing is done in dbt."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from orchestration.analytics.bootstrap import BAND_REPETITIONS, SEED, bootstrap_band, percentile_band, resampled_rows

METHODS = ("pearson", "spearman", "pearson_async", "pearson_levels")
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
BOOTSTRAP_COLUMNS = ["r_low_95_bootstrap", "r_high_95_bootstrap"]
CONCLUSION_COLUMNS = ["verdict", "parameters", "note"]
NOTES = {
    "pearson_async": "corrected for closes hours apart; can exceed 1; no Fisher band",
    "pearson_levels": "spurious-prone: two unrelated trending series correlate; shown only as what a chart suggests",
}


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


def spearman_band(r: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % band of a rank correlation: Fisher's, its variance 1/(n − 3) widened by the factor 1 + r²/2.

    Ranks spread more than Fisher's formula allows: at a true 0.8 and n = 60 his band covers about 91 %.

    Source: D. Bonett and T. Wright, "Sample Size Requirements for Estimating Pearson, Kendall and Spearman
    Correlations", Psychometrika 65 (2000).
    """
    # Fisher's band of as many pairs as give that variance.
    return fisher_band(r, np.where(n > 3, 3 + (n - 3) / (1 + r**2 / 2), n))


def rolling_correlations(
    pairs: pd.DataFrame,
    windows: Sequence[int] = WINDOWS,
    methods: Sequence[str] = ("pearson",),
    *,
    sessions: Sequence[date] | None = None,
) -> pd.DataFrame:
    """Correlation of paired log returns over the last so many sessions.

    Args:
        pairs: one row per asset, benchmark, bar and session_date with `asset_log_return`, `benchmark_log_return` and
            `known_at`; for pearson_levels also `asset_close` and `benchmark_close`. A session without a row counts as
            missing, not as zero.
        windows: lengths in sessions.
        methods: of METHODS; spearman ranks the returns within each window anew, pearson_async is `asynchronous`,
            pearson_levels correlates closes. The last two have no Fisher band.
        sessions: every session of the calendar, so that a hole in the data is counted as missing sessions; default: those
            that have a pair.

    Returns:
        COLUMNS, one row per window that holds at least 0.9 of its sessions; n is the number of pairs in it, known_at
        the newest of their known_at. Too few observations give no row rather than a number.
    """
    calendar = _calendar(pairs, sessions)
    parts = []
    for (asset, benchmark, bar), group in pairs.groupby(["asset", "benchmark", "bar"], sort=True):
        indexed = group.assign(session_date=pd.to_datetime(group["session_date"])).set_index("session_date")
        usable = indexed.dropna(subset=["asset_log_return", "benchmark_log_return"]).reindex(calendar)
        x, y = usable["asset_log_return"], usable["benchmark_log_return"]
        for window in windows:
            known = _newest(usable["known_at"], window)
            minimum = math.ceil(MINIMUM_SHARE * window)
            for method in methods:
                n = x.rolling(window, min_periods=1).count()
                if method == "pearson":
                    r = x.rolling(window, min_periods=minimum).corr(y).clip(-1.0, 1.0)
                    band = fisher_band
                elif method == "spearman":
                    r = _rolling_spearman(x, y, window).where(n >= minimum).clip(-1.0, 1.0)
                    band = spearman_band
                elif method == "pearson_async":
                    r, n = _rolling_asynchronous(x, y, window)
                    band = _no_band
                elif method == "pearson_levels":
                    levels = usable[["asset_close", "benchmark_close"]]
                    scaled = (levels - levels.mean()) / levels.std()
                    r = scaled["asset_close"].rolling(window, min_periods=minimum).corr(scaled["benchmark_close"])
                    r, band = r.clip(-1.0, 1.0), _no_band
                else:
                    raise ValueError(f"no method {method!r}: one of {', '.join(METHODS)}")
                low, high = band(r.to_numpy(), n.to_numpy())
                frame = pd.DataFrame(
                    {
                        "asset": asset,
                        "benchmark": benchmark,
                        "bar": bar,
                        "session_date": calendar.date,
                        "window_sessions": window,
                        "method": method,
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


def _no_band(r: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.full_like(r, np.nan), np.full_like(r, np.nan)


def asynchronous(x: np.ndarray, y: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Correlation of series whose days do not end together: (c₀ + c₊₁ + c₋₁) / √(v_x v_y), over the last axis.

    What one market does after the other has closed shows up a day later, so that the plain correlation is too small;
    the covariances with the day before and after bring it back. Not bounded by 1. NaN where a series does not vary.
    Assumes that neither series moves on its own past.

    Args:
        x: returns of one series.
        y: returns of the other.
        around: sum of y over the day before, the day itself and the day after.

    Source: M. Scholes and J. Williams, "Estimating Betas from Nonsynchronous Data", Journal of Financial Economics 5
    (1977), for the covariances.
    """
    variances = x.var(axis=-1, ddof=1) * y.var(axis=-1, ddof=1)
    varies = (np.ptp(x, axis=-1) > 0) & (np.ptp(y, axis=-1) > 0)
    covariance = ((x - x.mean(axis=-1, keepdims=True)) * around).sum(axis=-1) / (x.shape[-1] - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = np.where(varies, covariance / np.sqrt(variances), np.nan)
    return found


def _around(y: pd.Series) -> pd.Series:
    """Sum of a session's return and its two neighbours'; null where one of them is missing."""
    return y.shift(1) + y + y.shift(-1)


def _rolling_asynchronous(x: pd.Series, y: pd.Series, window: int) -> tuple[pd.Series, pd.Series]:
    """`asynchronous` of each window and its n: sessions that have a pair and both neighbours within the window."""
    usable = x.notna() & _around(y).notna()
    # A session joins with its successor, so nothing in a window lies after its last session.
    own, other, around = (series.where(usable).shift(1) for series in (x, y, _around(y)))
    inner = window - 2
    rolled_own, rolled_other = (s.rolling(inner, min_periods=math.ceil(MINIMUM_SHARE * inner)) for s in (own, other))
    # Rounding leaves a constant stretch with a variance of almost nothing; its range is exactly zero.
    varies = (rolled_own.max() > rolled_own.min()) & (rolled_other.max() > rolled_other.min())
    r: pd.Series = (rolled_own.cov(around) / np.sqrt(rolled_own.var() * rolled_other.var())).where(varies)
    return r, usable.shift(1, fill_value=False).rolling(inner, min_periods=1).sum()


def _newest(known_at: pd.Series, window: int) -> pd.Series:
    """Latest instant within the last `window` sessions: a value revised late is not always in the last of them."""
    instants = pd.to_datetime(known_at, utc=True).dt.as_unit("us")
    # Rolling works on floats; microseconds since 1970 stay exact in them until the year 2255.
    numbers = instants.astype("int64").where(instants.notna()).rolling(window, min_periods=1).max()
    return pd.to_datetime(numbers.astype("Int64"), unit="us", utc=True)


def _rolling_spearman(x: pd.Series, y: pd.Series, window: int) -> pd.Series:
    """Rank correlation of each window; a session without a pair is null in both series."""
    found = np.full(len(x), np.nan)
    if len(x) >= window:
        ranks = [
            pd.DataFrame(np.lib.stride_tricks.sliding_window_view(series.to_numpy(), window)).rank(axis=1)
            for series in (x, y)
        ]
        # Ties give halves, which are exact: a constant window has no spread at all and its correlation is null.
        with np.errstate(divide="ignore", invalid="ignore"):
            found[window - 1 :] = ranks[0].corrwith(ranks[1], axis=1).to_numpy()
    return pd.Series(found, index=x.index)


def _calendar(pairs: pd.DataFrame, sessions: Sequence[date] | None) -> pd.DatetimeIndex:
    """Sessions in order, from the first pair to the last."""
    paired = pd.to_datetime(pairs["session_date"].unique())
    if sessions is None or not len(paired):
        return pd.DatetimeIndex(sorted(paired))
    known = pd.DatetimeIndex(sorted(pd.to_datetime(list(sessions))))
    return known[(known >= paired.min()) & (known <= paired.max())]


def with_bootstrap_band(
    correlations: pd.DataFrame, pairs: pd.DataFrame, sessions: Sequence[date] | None = None
) -> pd.DataFrame:
    """Add BOOTSTRAP_COLUMNS: the stationary bootstrap's band at the newest session of each window, null elsewhere.

    Unlike Fisher's it keeps clustered volatility; drawn only where a reader looks first, because every window of the
    history would take minutes. For independent noise it covers 93 % at 60 and at 250 sessions, but 86 % at 20
    (Pearson's; 93 % of ranks), where Fisher's is the better one. Of pearson_async it is the only band: a drawn session
    brings its two neighbours along.

    Args:
        correlations: what `rolling_correlations` returned for `pairs`.
        pairs: the same pairs.
        sessions: the same sessions.
    """
    result = correlations.assign(**dict.fromkeys(BOOTSTRAP_COLUMNS, np.nan))
    keys = ["asset", "benchmark", "bar"]
    calendar = _calendar(pairs, sessions)
    usable = pairs.dropna(subset=["asset_log_return", "benchmark_log_return"])
    usable = usable.assign(session_date=pd.to_datetime(usable["session_date"])).sort_values("session_date")
    groups = dict(list(usable.groupby(keys)))
    newest = result.sort_values("session_date").groupby([*keys, "window_sessions", "method"]).tail(1)
    for index, row in newest.iterrows():
        if row["method"] == "pearson_levels":
            continue  # resampled blocks have no trend, levels have: a band of them would be of something else
        group = groups[tuple(row[keys])]
        sessions_inside = calendar[calendar <= pd.Timestamp(row["session_date"])][-row["window_sessions"] :]
        window = group.set_index("session_date").reindex(sessions_inside)
        x, y = window["asset_log_return"], window["benchmark_log_return"]
        if row["method"] == "pearson_async":
            triples = pd.concat([x, y, _around(y)], axis=1).dropna().to_numpy().T
            drawn = triples[:, resampled_rows(triples.shape[1], BAND_REPETITIONS, SEED)]
            band = percentile_band(asynchronous(*drawn))
        else:
            both = x.notna() & y.notna()
            band = bootstrap_band(x[both].to_numpy(), y[both].to_numpy(), is_ranked=row["method"] == "spearman")
        result.loc[index, BOOTSTRAP_COLUMNS] = band
    return result


def with_conclusions(
    correlations: pd.DataFrame,
    pairs: pd.DataFrame,
    sessions: Sequence[date] | None = None,
    windows: Sequence[int] = WINDOWS,
    methods: Sequence[str] = METHODS,
) -> pd.DataFrame:
    """Add CONCLUSION_COLUMNS, and a row at the newest session for each window and method that has none for want of pairs.

    verdict is `positive` or `negative` where the band (Fisher's, else the bootstrap's) excludes zero, `inconclusive`
    where it holds zero or where there are too few pairs, null where no band was computed.

    Args:
        correlations: what `with_bootstrap_band` returned for `pairs`.
        pairs: the same pairs.
        sessions: the same sessions.
        windows: the same windows.
        methods: the same methods.
    """
    keys = ["asset", "benchmark", "bar"]
    calendar = _calendar(pairs, sessions)
    present = set(
        correlations[[*keys, "window_sessions", "method"]].drop_duplicates().itertuples(index=False, name=None)
    )
    missing = []
    for group_keys, group in pairs.groupby(keys, sort=True):
        usable = group.dropna(subset=["asset_log_return", "benchmark_log_return"])
        days = pd.to_datetime(usable["session_date"])
        for window in windows:
            inside = usable[days.isin(calendar[-window:])]
            for method in methods:
                if (*group_keys, window, method) not in present:
                    at_newest = {
                        "session_date": calendar[-1].date(),
                        "window_sessions": window,
                        "method": method,
                        "n": len(inside),
                        "known_at": pd.to_datetime(inside["known_at"], utc=True).max(),
                    }
                    missing.append(dict(zip(keys, group_keys, strict=True)) | at_newest)
    result = correlations
    if missing:
        added = pd.DataFrame(missing)
        result = added if correlations.empty else pd.concat([correlations, added], ignore_index=True)
        result = result.reindex(columns=[*COLUMNS, *BOOTSTRAP_COLUMNS])
    low = result["r_low_95"].fillna(result["r_low_95_bootstrap"]).astype("float64")
    high = result["r_high_95"].fillna(result["r_high_95_bootstrap"]).astype("float64")
    is_missing = result["r"].isna()
    verdict = pd.Series(None, index=result.index, dtype="object")
    verdict[low > 0], verdict[high < 0], verdict[(low <= 0) & (high >= 0) | is_missing] = (
        "positive",
        "negative",
        "inconclusive",
    )
    parameters = json.dumps({"minimum_share": MINIMUM_SHARE, "samples_band": BAND_REPETITIONS, "seed": SEED})
    note = result["method"].map(NOTES).astype("object")
    note = note.mask(is_missing, "no window holds enough pairs that vary")
    return result.assign(verdict=verdict, parameters=parameters, note=note.where(note.notna(), None))
