"""What do token prices do around scheduled unlocks? Abnormal returns with placebo dates; nothing here causes anything.

Published elsewhere, for comparison, not checked by us: Keyrock (over 16,000 events, about 90 % negative, team -25 %,
ecosystem +1.18 %); 6MV (5,000 events, no effect below 1 % of float).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

ESTIMATION = (-180, -31)
WINDOWS = ((-30, -1), (0, 1), (0, 7), (0, 30))
"""Days from the unlock, both ends included, over which abnormal returns are added up."""
PLACEBO_SHIFTS = (0, -45, 45)
"""Days by which the dates are moved: a find at a date on which nothing happened is none."""
BENCHMARKS = ("btc", "altcoins")
METHODS = ("clustered_by_day", "calendar_time_portfolio")
ESTIMATION_SHARE = 0.8
"""Of the estimation days that must have both returns."""
MINIMUM_INDEX_ASSETS = 10
"""Other tokens with a return that the altcoin index needs on a day."""
MINIMUM_DAYS = 10
"""Different unlock days (clusters) that a mean needs before anything but n is said about it."""
CROWDED_SHARE = 0.25
"""Of the events on one day, above which clustered errors are too small: most of the variation is in one cluster."""
SEPARATION_DAYS = 31
"""Of events of one token closer than this only the largest stays: the windows of daily vesting are one another."""
NOT_ALTCOINS = frozenset({"bitcoin", "ethereum"})
SIGNIFICANCE = 0.05

COLUMNS = [
    "benchmark",
    "window_name",
    "method",
    "placebo_shift_days",
    "is_reconstructed",
    "grouping",
    "group_name",
    "n",
    "unlock_days",
    "assets",
    "mean_car_pct",
    "low_95_pct",
    "high_95_pct",
    "standard_error_pct",
    "p_value",
    "median_car_pct",
    "negative_share",
    "n_excluded",
    "excluded",
    "verdict",
    "parameters",
    "note",
    "known_at",
]


def daily_log_returns(prices: pd.DataFrame) -> pd.DataFrame:
    """Log return of each day that follows a priced day, from the one source of an asset that has the most of them.

    Args:
        prices: `asset_id`, `source`, `day`, `price_usd`, `known_at`.

    Returns:
        `asset_id`, `day`, `log_return`, `known_at`. A monthly snapshot yields no row: its return is of a month.
    """
    given = prices[prices["price_usd"] > 0].assign(day=lambda frame: pd.to_datetime(frame["day"]))
    given = given.sort_values(["asset_id", "source", "day"])
    previous = given.groupby(["asset_id", "source"])[["day", "price_usd", "known_at"]].shift()
    known_at = pd.concat([given["known_at"], previous["known_at"]], axis=1).max(axis=1)
    given = given.assign(log_return=np.log(given["price_usd"] / previous["price_usd"]), known_at=known_at)
    given = given[given["day"] - previous["day"] == pd.Timedelta(days=1)]
    if given.empty:
        return given[["asset_id", "day", "log_return", "known_at"]]
    counts = given.groupby(["asset_id", "source"]).size().rename("count").reset_index()
    chosen = (
        counts.sort_values(["asset_id", "count", "source"], ascending=[True, False, True]).groupby("asset_id").head(1)
    )
    result = given.merge(chosen[["asset_id", "source"]], on=["asset_id", "source"])
    return result[["asset_id", "day", "log_return", "known_at"]]


def unlock_event_study(events: pd.DataFrame, returns: pd.DataFrame) -> pd.DataFrame:
    """Cumulative abnormal returns around unlocks, against BTC and against the other altcoins, by what the unlock is.

    Market model on days [−180, −31] of each event; the abnormal return of a day is the return less what that model
    expects. The altcoin index is the equal-weight mean of all tokens but the event's own, BTC and ETH. Events of one
    token on one day are one; of those closer than SEPARATION_DAYS the largest stays.

    clustered_by_day: mean over events, standard error clustered by unlock day, t(days − 1). calendar_time_portfolio:
    each calendar day the mean abnormal return of all tokens within the window, its mean over days times the window's
    length, Newey–West; unlike the former it also sees that windows of different unlock days overlap.
    Abnormal is not caused: schedules are public long before, and unlocks gather in bear markets and around listings.

    Args:
        events: `event_id`, `asset_id`, `kind` (cliff or linear), `allocation_group`, `unlock_day`, `amount_tokens`,
            `circulating_pct` (null: unknown), `first_seen_at`, `known_at`. Amounts that are null or not positive are
            excluded and counted.
        returns: `asset_id`, `day`, `log_return`, `known_at`; BTC is `bitcoin`. No stablecoins and no wrapped tokens: every
            token but BTC and ETH is in the altcoin index.

    Returns:
        COLUMNS, a row per benchmark, window, method, placebo shift, is_reconstructed (schedule first seen later than 31
        days before the unlock) and group: all, kind, size (share of circulating supply), recipient. `excluded` counts by
        reason. With fewer than MINIMUM_DAYS unlock days a row has n and verdict `inconclusive`; else `negative` or
        `positive` where p < 0.05, or `no effect found`. Clustered errors are `inconclusive` too where one day holds more
        than CROWDED_SHARE of the events.

    Source: A. C. MacKinlay, "Event Studies in Economics and Finance", Journal of Economic Literature 35 (1997);
    J. Mitchell and E. Stafford, "Managerial Decisions and Long-Term Stock Price Performance", Journal of Business 73
    (2000), for calendar time.
    """
    dated = _distinct(events)
    wide = _wide(returns)
    known_at = pd.to_datetime(pd.concat([events["known_at"], returns["known_at"]]), utc=True).max()
    market = {"btc": _btc(wide), "altcoins": _altcoins(wide)}
    parameters = {
        "estimation_days": ESTIMATION,
        "estimation_share": ESTIMATION_SHARE,
        "minimum_unlock_days": MINIMUM_DAYS,
        "minimum_index_assets": MINIMUM_INDEX_ASSETS,
        "separation_days": SEPARATION_DAYS,
        "significance": SIGNIFICANCE,
        "seed": None,
    }
    shared = {"parameters": json.dumps(parameters), "known_at": known_at}
    rows: list[dict[str, Any]] = []
    for benchmark in BENCHMARKS:
        for shift in PLACEBO_SHIFTS:
            abnormal, reasons = _abnormal_returns(dated, wide, market[benchmark], shift)
            for is_reconstructed in (False, True):
                for grouping, group_name, chosen in _groups(dated[dated["is_reconstructed"] == is_reconstructed]):
                    for window in WINDOWS:
                        offsets = slice(window[0] - ESTIMATION[0], window[1] - ESTIMATION[0] + 1)
                        inside = abnormal[chosen.index, offsets]
                        left_out = _excluded(reasons[chosen.index], inside)
                        rows += [
                            {
                                "benchmark": benchmark,
                                "window_name": f"[{window[0]},{window[1]}]",
                                "placebo_shift_days": shift,
                                "is_reconstructed": is_reconstructed,
                                "grouping": grouping,
                                "group_name": group_name,
                                **left_out,
                                **found,
                                **shared,
                            }
                            for found in _estimates(chosen, inside, shift + window[0])
                        ]
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def _distinct(events: pd.DataFrame) -> pd.DataFrame:
    """One row per token and unlock day, with `excluded` where it is not studied; index 0, 1, …"""
    given = events.assign(unlock_day=pd.to_datetime(events["unlock_day"]))
    given["first_seen_at"] = pd.to_datetime(given["first_seen_at"], utc=True)
    given["weighed"] = given["amount_tokens"].where(given["amount_tokens"] > 0)
    given = given.sort_values(["asset_id", "unlock_day", "weighed", "event_id"], ascending=[True, True, False, True])
    grouped = given.groupby(["asset_id", "unlock_day"], sort=True)
    # Kind and recipient of the largest part; a share is known only where that of every part is.
    day = grouped.first().reset_index()[["asset_id", "unlock_day", "kind", "allocation_group"]]
    day["amount_tokens"] = grouped["weighed"].sum(min_count=1).to_numpy()
    day["circulating_pct"] = grouped["circulating_pct"].agg(lambda parts: parts.sum(skipna=False)).to_numpy(dtype=float)
    first_seen = grouped["first_seen_at"].max().dt.tz_localize(None).reset_index(drop=True)
    day["is_reconstructed"] = first_seen > day["unlock_day"] - pd.Timedelta(days=SEPARATION_DAYS)
    excluded = pd.Series(None, index=day.index, dtype="object")
    excluded[day["amount_tokens"].isna()] = "no amount"
    for _, token in day[day["amount_tokens"].notna()].groupby("asset_id"):
        kept: list[pd.Timestamp] = []
        largest_first = token.sort_values(["amount_tokens", "unlock_day"], ascending=[False, True])["unlock_day"]
        for index, moment in zip(largest_first.index, largest_first, strict=True):
            if any(abs((moment - other).days) < SEPARATION_DAYS for other in kept):
                excluded.at[index] = "near an unlock of the token that is no smaller"
            else:
                kept.append(moment)
    return day.assign(excluded=excluded)


def _wide(returns: pd.DataFrame) -> pd.DataFrame:
    """Days without a gap × tokens."""
    if returns.empty:
        return pd.DataFrame(index=pd.DatetimeIndex([]))
    table = returns.assign(day=pd.to_datetime(returns["day"])).pivot(
        index="day", columns="asset_id", values="log_return"
    )
    return table.reindex(pd.date_range(table.index.min(), table.index.max(), freq="D"))


def _btc(wide: pd.DataFrame) -> pd.DataFrame:
    """BTC's return as every token's benchmark; for bitcoin itself there is none."""
    own = wide["bitcoin"].to_numpy() if "bitcoin" in wide else np.full(len(wide), np.nan)
    market = pd.DataFrame(np.repeat(own[:, None], wide.shape[1], axis=1), index=wide.index, columns=wide.columns)
    return market.mask(market.columns.to_series() == "bitcoin", axis=1) if "bitcoin" in wide else market


def _altcoins(wide: pd.DataFrame) -> pd.DataFrame:
    """For every token the log of the mean simple return of the others but BTC and ETH."""
    altcoins = wide.drop(columns=[asset for asset in wide.columns if asset in NOT_ALTCOINS])
    simple = pd.DataFrame(np.expm1(altcoins.to_numpy(dtype=float)), index=altcoins.index, columns=altcoins.columns)
    others = simple.reindex(columns=wide.columns)
    total, count = simple.sum(axis=1).to_numpy()[:, None], simple.notna().sum(axis=1).to_numpy()[:, None]
    remaining = count - others.notna().to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (total - others.fillna(0).to_numpy()) / remaining
    enough = np.where(remaining >= MINIMUM_INDEX_ASSETS, mean, np.nan)
    return pd.DataFrame(np.log1p(enough), index=wide.index, columns=wide.columns)


def _abnormal_returns(
    dated: pd.DataFrame, wide: pd.DataFrame, market: pd.DataFrame, shift: int
) -> tuple[np.ndarray, pd.Series]:
    """Abnormal return of each event (rows) on days −180 … 30 (columns), NaN without a model; why it has none."""
    length = WINDOWS[-1][1] - ESTIMATION[0] + 1
    estimated = ESTIMATION[1] - ESTIMATION[0] + 1
    abnormal = np.full((len(dated), length), np.nan)
    reasons = dated["excluded"].copy()
    reasons[reasons.isna() & ~dated["asset_id"].isin(wide.columns)] = "no daily price"
    studied = dated[reasons.isna()]
    if studied.empty:
        return abnormal, reasons
    days = (studied["unlock_day"] - wide.index[0]).dt.days.to_numpy() + shift + ESTIMATION[0]
    days = days[:, None] + np.arange(length)
    columns = wide.columns.get_indexer(pd.Index(studied["asset_id"]))[:, None]
    taken = np.clip(days, 0, len(wide) - 1)
    y, x = (np.where(taken == days, table.to_numpy()[taken, columns], np.nan) for table in (wide, market))
    usable = ~np.isnan(x[:, :estimated]) & ~np.isnan(y[:, :estimated])
    n = usable.sum(axis=1, keepdims=True)
    own, other = (np.where(usable, series[:, :estimated], 0.0) for series in (y, x))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_own, mean_other = own.sum(axis=1, keepdims=True) / n, other.sum(axis=1, keepdims=True) / n
        deviation = np.where(usable, other - mean_other, 0.0)
        beta = (deviation * own).sum(axis=1, keepdims=True) / np.square(deviation).sum(axis=1, keepdims=True)
    is_estimated = (n[:, 0] >= ESTIMATION_SHARE * estimated) & np.isfinite(beta[:, 0])
    reasons[studied.index[~is_estimated]] = "too few days to estimate the market model"
    left = y - mean_own - beta * (x - mean_other)
    abnormal[studied.index[is_estimated]] = left[is_estimated]
    return abnormal, reasons


def _groups(dated: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Every group of events that has rows of its own; the fixed ones also when empty."""
    size = pd.cut(dated["circulating_pct"], [-math.inf, 1, 5, math.inf], right=False, labels=["<1 %", "1-5 %", ">5 %"])
    # Exactly 5 % belongs to 1-5 %.
    size = size.mask(dated["circulating_pct"] == 5, "1-5 %").astype("object").fillna("unknown")
    groups = [("all", "all", dated)]
    groups += [("kind", kind, dated[dated["kind"] == kind]) for kind in ("cliff", "linear")]
    groups += [("size", bucket, dated[size == bucket]) for bucket in ("<1 %", "1-5 %", ">5 %", "unknown")]
    recipients = sorted(dated["allocation_group"].dropna().unique())
    return groups + [("recipient", name, dated[dated["allocation_group"] == name]) for name in recipients]


def _excluded(reasons: pd.Series, inside: np.ndarray) -> dict[str, Any]:
    """How many events do not count, by reason."""
    named = reasons.notna().to_numpy()
    counts = Counter(reasons.to_numpy()[named])
    if incomplete := int((~named & np.isnan(inside).any(axis=1)).sum()):
        counts["a day of the window has no return or lies ahead"] = incomplete
    return {"n_excluded": counts.total(), "excluded": json.dumps(counts, sort_keys=True)}


def _estimates(chosen: pd.DataFrame, inside: np.ndarray, first_day: int) -> list[dict[str, Any]]:
    """Both methods' numbers for one group and window; `first_day`: days from unlock to the window's first column."""
    complete = ~np.isnan(inside).any(axis=1)
    events, paths = chosen[complete], inside[complete]
    cars = paths.sum(axis=1)
    shared: dict[str, Any] = {
        "n": len(events),
        "unlock_days": events["unlock_day"].nunique(),
        "assets": events["asset_id"].nunique(),
        "verdict": "inconclusive",
    }
    if shared["unlock_days"] < MINIMUM_DAYS:
        note = f"{shared['unlock_days']} unlock days, at least {MINIMUM_DAYS} needed"
        return [{**shared, "method": method, "note": note} for method in METHODS]
    shared |= {"median_car_pct": 100 * float(np.median(cars)), "negative_share": float((cars < 0).mean())}
    fits = (_clustered(cars, events["unlock_day"]), _calendar_time(events["unlock_day"], paths, first_day))
    crowded = float(events["unlock_day"].value_counts(normalize=True).iloc[0])
    rows = []
    for method, (mean, low, high, error, p) in zip(METHODS, fits, strict=True):
        verdict = ("negative" if mean < 0 else "positive") if p < SIGNIFICANCE else "no effect found"
        numbers = {"mean_car_pct": mean, "low_95_pct": low, "high_95_pct": high, "standard_error_pct": error}
        scaled = {name: 100 * value for name, value in numbers.items()}
        row = {**shared, "method": method, **scaled, "p_value": p, "verdict": verdict, "note": None}
        if method == "clustered_by_day" and crowded > CROWDED_SHARE:
            note = f"one unlock day holds {crowded:.0%} of the events: the clustered error is too small"
            row |= {"verdict": "inconclusive", "note": note.replace("%", " %")}
        rows.append(row)
    return rows


def _clustered(cars: np.ndarray, days: pd.Series) -> tuple[float, float, float, float, float]:
    """Mean, 95 % band, standard error and p of the cumulative abnormal returns, clustered by unlock day."""
    from statsmodels.regression.linear_model import OLS

    fitted = OLS(cars, np.ones(len(cars))).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(days)[0]}, use_t=True
    )
    return _read(fitted, 1)


def _calendar_time(days: pd.Series, paths: np.ndarray, first_day: int) -> tuple[float, float, float, float, float]:
    """The same from the mean abnormal return of each calendar day, times the length of the window; Newey–West."""
    from statsmodels.regression.linear_model import OLS

    length = paths.shape[1]
    opened = days.to_numpy().astype("datetime64[D]").astype("int64") + first_day
    calendar = (opened[:, None] + np.arange(length)).ravel()
    portfolio = pd.Series(paths.ravel()).groupby(calendar).mean().sort_index().to_numpy()
    lags = math.floor(4 * math.pow(len(portfolio) / 100, 2 / 9))
    fitted = OLS(portfolio, np.ones(len(portfolio))).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}, use_t=True
    )
    return _read(fitted, length)


def _read(fitted: Any, scale: int) -> tuple[float, float, float, float, float]:
    low, high = fitted.conf_int()[0]
    numbers = (fitted.params[0], low, high, fitted.bse[0])
    return (*(scale * float(number) for number in numbers), float(fitted.pvalues[0]))  # type: ignore[return-value]
