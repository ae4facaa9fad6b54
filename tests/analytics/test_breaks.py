"""Breaks at a known date: worked figures, a planted break, noise without one, and what is too little to say."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from orchestration.analytics.breaks import (
    BREAK_DATE,
    COLUMNS,
    METHODS,
    bootstrap_break,
    correlation_breaks,
    fisher_z,
    newey_west_lags,
    volatility_corrected,
    wald_break,
)
from orchestration.analytics.correlation import fisher_band
from orchestration.warehouse import connect
from orchestration.warehouse.analyses import CORRELATION_BREAKS, replace_table

CALENDAR = pd.bdate_range("2023-01-02", "2026-12-31")


def correlated(seed: int, size: int, rho: float | np.ndarray = 0.0) -> tuple[np.ndarray, np.ndarray]:
    one, two = np.random.default_rng(seed).normal(0, 0.02, (2, size))
    return rho * one + np.sqrt(1 - np.square(rho)) * two, one


def pairs(asset: np.ndarray, benchmark: np.ndarray, before: int, bar: str = "utc_day") -> pd.DataFrame:
    """Weekday pairs, `before` of them ahead of the crash bar; asset days as the two bars of the warehouse have them."""
    session = "2025-10-13" if bar == "nyse_session" else "2025-10-10"
    start = int(CALENDAR.searchsorted(pd.Timestamp(session))) - before
    days = CALENDAR[start : start + len(asset)]
    asset_days = days - pd.Timedelta(days=1) if bar == "nyse_session" else days
    spanned = [(day - previous).days for previous, day in zip(CALENDAR[start - 1 :], days, strict=False)]
    return pd.DataFrame(
        {
            "asset": "BTC",
            "benchmark": "SPX",
            "bar": bar,
            "session_date": days,
            "asset_day": asset_days,
            "days_spanned": spanned,
            "asset_log_return": asset,
            "benchmark_log_return": benchmark,
            "known_at": (days.tz_localize("UTC") + pd.Timedelta(hours=21)).as_unit("us"),
        }
    )


def breaks(given: pd.DataFrame, **more) -> pd.DataFrame:
    return correlation_breaks(given, list(CALENDAR.date), **more)


def row(found: pd.DataFrame, method: str, includes_crash: bool = True) -> pd.Series:
    chosen = found[(found["method"] == method) & (found["includes_crash"] == includes_crash)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def assert_binomial(count: int, trials: int, share: float) -> None:
    """Within four standard deviations of a binomial count."""
    assert abs(count - trials * share) <= 4 * np.sqrt(trials * share * (1 - share)), count / trials


# ------------------------------------------------------------------ the formulas


@pytest.mark.parametrize(("delta", "corrected"), [(0, 0.6), (1, 0.47), (3, 0.35)])
def test_the_corrected_correlation_has_the_worked_figures(delta: float, corrected: float) -> None:
    assert round(volatility_corrected(0.6, delta), 2) == corrected
    assert round(volatility_corrected(-0.6, delta), 2) == -corrected


def test_fishers_z_is_the_textbook_one() -> None:
    # atanh 0.5 - atanh 0.3 = 0.239786; standard error of 1/100 + 1/100 is 0.141421.
    z, p = fisher_z(0.5, 103, 0.3, 103)
    assert (round(z, 4), round(p, 4)) == (1.6955, 0.09)
    assert fisher_z(0.3, 103, 0.5, 103) == pytest.approx((-z, p))
    assert fisher_z(0.4, 50, 0.4, 22) == (0.0, 1.0)


@pytest.mark.parametrize(("n", "lags"), [(100, 4), (250, 4), (272, 4), (500, 5), (30, 3)])
def test_the_lags_follow_the_rule_of_thumb(n: int, lags: int) -> None:
    assert newey_west_lags(n) == lags


def test_wald_is_the_f_test_of_the_regression() -> None:
    """Without lags and without the small-sample factor the covariance is White's: computed here by hand."""
    y, x = correlated(1, 200, 0.4)
    after = np.repeat([0.0, 1.0], [120, 80])
    design = np.column_stack([np.ones(200), x, after, after * x])
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    scores = design * (y - design @ beta)[:, None]
    covariance = inverse @ (scores.T @ scores) @ inverse * 200 / 196
    expected = beta[2:] @ np.linalg.inv(covariance[2:, 2:]) @ beta[2:] / 2
    assert wald_break(y, x, after, 0)[0] == pytest.approx(expected, rel=1e-9)


# ------------------------------------------------------------------ planted breaks


@pytest.mark.parametrize("bar", ["utc_day", "nyse_session"])
def test_a_planted_break_is_found_by_every_test(bar: str) -> None:
    rho = np.repeat([0.1, 0.9], [250, 60])
    found = breaks(pairs(*correlated(2, 310, rho), before=250, bar=bar))
    assert len(found) == 2 * len(METHODS)
    assert (found["p_value"] < 0.01).all()
    assert set(found["verdict"][found["method"] != "wald_hac"]) == {"break"}
    assert set(found["verdict"][found["method"] == "wald_hac"]) == {"inconclusive"}, "60 sessions are few for it"
    assert (found["r_before"] < 0.3).all()
    assert (found["r_after"] > 0.8).all()


def test_a_break_of_the_slope_is_seen_by_wald_where_r_stands_still() -> None:
    y, x = correlated(3, 500, 0.6)
    y[250:] *= 3
    found = breaks(pairs(y, x, before=250))
    assert row(found, "wald_hac")["p_value"] < 0.001
    assert row(found, "fisher_z")["p_value"] > 0.05
    assert row(found, "fisher_z_bootstrap")["p_value"] > 0.05
    assert (row(found, "wald_hac")["verdict"], row(found, "fisher_z")["verdict"]) == ("break", "no break")


def test_the_numbers_are_those_of_the_two_windows() -> None:
    y, x = correlated(4, 300, 0.5)
    x[250:] *= 2
    found = breaks(pairs(y, x, before=250))
    for includes_crash, after in ((True, slice(250, None)), (False, slice(251, None))):
        given = row(found, "fisher_z", includes_crash)
        r = [np.corrcoef(y[part], x[part])[0, 1] for part in (slice(0, 250), after)]
        n = [250, 300 - after.start]
        delta = x[after].var(ddof=1) / x[:250].var(ddof=1) - 1
        assert (given["n_before"], given["n_after"]) == tuple(n)
        assert [given["r_before"], given["r_after"]] == pytest.approx(r)
        low, high = fisher_band(np.array(r), np.array(n))
        assert [given["r_before_low_95"], given["r_after_low_95"]] == pytest.approx(low)
        assert [given["r_before_high_95"], given["r_after_high_95"]] == pytest.approx(high)
        assert (given["statistic"], given["p_value"]) == pytest.approx(fisher_z(r[0], n[0], r[1], n[1]))
        assert given["volatility_delta"] == pytest.approx(delta)
        assert given["r_after_volatility_corrected"] == pytest.approx(volatility_corrected(r[1], delta))
        assert given["r_before_volatility_corrected"] == given["r_before"]


def test_the_correction_falls_on_the_louder_side() -> None:
    y, x = correlated(5, 300, 0.5)
    x[:250] *= 2
    given = row(breaks(pairs(y, x, before=250)), "fisher_z")
    assert given["volatility_delta"] > 0
    assert abs(given["r_before_volatility_corrected"]) < abs(given["r_before"])
    assert given["r_after_volatility_corrected"] == given["r_after"]


# ------------------------------------------------------------------ noise


@pytest.mark.parametrize(("before", "after", "wald"), [(250, 250, 0.06), (250, 60, 0.09), (250, 22, 0.19)])
def test_noise_breaks_as_often_as_the_text_says(before: int, after: int, wald: float) -> None:
    """Fisher's z in one of twenty; Wald more often the fewer sessions there are after, as its docstring admits."""
    trials, rng = 600, np.random.default_rng(before + after)
    is_after = np.repeat([0.0, 1.0], [before, after])
    by_wald = by_fisher = 0
    for _ in range(trials):
        y, x = rng.normal(0, 0.02, (2, before + after))
        by_wald += wald_break(y, x, is_after, newey_west_lags(before + after))[1] < 0.05
        r = [np.corrcoef(y[part], x[part])[0, 1] for part in (slice(0, before), slice(before, None))]
        by_fisher += fisher_z(r[0], before, r[1], after)[1] < 0.05
    assert_binomial(by_fisher, trials, 0.05)
    assert_binomial(by_wald, trials, wald)


@pytest.mark.parametrize("after", [22, 250])
def test_the_bootstrap_finds_a_break_in_one_of_twenty_samples_of_noise(after: int) -> None:
    trials, rng = 150, np.random.default_rng(after)
    found = 0
    for _ in range(trials):
        one, two = rng.normal(0, 0.02, (2, 250 + after))
        found += bootstrap_break(0.5 * one + 0.87 * two, one, 250) < 0.05
    assert_binomial(found, trials, 0.05)


def test_clustered_volatility_fools_fisher_more_often_than_the_bootstrap() -> None:
    trials, rng = 120, np.random.default_rng(6)
    by_fisher = by_bootstrap = 0
    for _ in range(trials):
        log_volatility = np.zeros(500)
        shocks = rng.normal(0, 0.25, 500)
        for day in range(1, 500):
            log_volatility[day] = 0.95 * log_volatility[day - 1] + shocks[day]
        one, two = 0.01 * np.exp(log_volatility) * rng.normal(size=(2, 500))
        y, x = 0.5 * one + 0.87 * two, one
        r = [np.corrcoef(y[part], x[part])[0, 1] for part in (slice(0, 250), slice(250, None))]
        by_fisher += fisher_z(r[0], 250, r[1], 250)[1] < 0.05
        by_bootstrap += bootstrap_break(y, x, 250) < 0.05
    assert by_fisher > 2 * by_bootstrap
    assert by_fisher > trials * 0.15


# ------------------------------------------------------------------ windows


@pytest.mark.parametrize(("bar", "session"), [("utc_day", "2025-10-10"), ("nyse_session", "2025-10-13")])
def test_the_crash_bar_is_friday_by_utc_day_and_monday_by_session(bar: str, session: str) -> None:
    given = pairs(*correlated(7, 290, 0.3), before=250, bar=bar)
    calm = breaks(given)
    given.loc[given["session_date"] == session, "asset_log_return"] = -5.0
    shaken = breaks(given)
    numbers = ["n_before", "n_after", "r_before", "r_after"]
    pd.testing.assert_frame_equal(calm[~calm["includes_crash"]][numbers], shaken[~shaken["includes_crash"]][numbers])
    assert (calm["r_before"] == shaken["r_before"]).all()
    assert abs(row(calm, "fisher_z")["r_after"] - row(shaken, "fisher_z")["r_after"]) > 0.01
    assert row(calm, "fisher_z")["n_after"] == row(calm, "fisher_z", False)["n_after"] + 1 == 40


def test_a_window_counts_trading_days_and_a_hole_lowers_n() -> None:
    whole = pairs(*correlated(8, 500), before=400)
    assert row(breaks(whole), "fisher_z")[["n_before", "n_after"]].tolist() == [250, 100]
    holed = breaks(whole.drop(index=range(200, 300)))
    assert row(holed, "fisher_z")["n_before"] == 150, "nothing older fills the hole"
    short = breaks(whole, sessions_before=60, sessions_after=30)
    assert row(short, "fisher_z")[["n_before", "n_after"]].tolist() == [60, 30]
    assert row(short, "fisher_z", False)[["n_before", "n_after"]].tolist() == [60, 29]
    assert json.loads(short["parameters"][0])["sessions_before"] == 60


def test_known_at_is_the_newest_of_the_pairs_that_were_used() -> None:
    given = pairs(*correlated(9, 400), before=300)
    late = pd.Timestamp("2026-06-01 01:02:03.456789", tz="UTC")
    assert (breaks(given)["known_at"] == given["known_at"].iloc[-1]).all()
    assert (breaks(given.assign(known_at=given["known_at"].where(given.index != 10, late)))["known_at"] < late).all()
    assert (breaks(given.assign(known_at=given["known_at"].where(given.index != 100, late)))["known_at"] == late).all()


def test_groups_are_judged_apart_and_order_does_not_matter() -> None:
    y, x = correlated(10, 300, np.repeat([0.1, 0.9], [250, 50]))
    given = pd.concat([pairs(y, x, 250), pairs(-y, x, 250).assign(asset="ETH"), pairs(y, x, 250, "nyse_session")])
    found = breaks(given.sample(frac=1, random_state=1, ignore_index=True))
    assert list(found.columns) == COLUMNS
    assert len(found) == 3 * 2 * len(METHODS)
    alone = breaks(pairs(y, x, 250))
    chosen = found[(found["asset"] == "BTC") & (found["bar"] == "utc_day")].reset_index(drop=True)
    pd.testing.assert_frame_equal(chosen, alone)
    assert (found[found["asset"] == "ETH"]["r_after"] < -0.8).all()
    assert set(found["break_date"]) == {BREAK_DATE}


# ------------------------------------------------------------------ too little to say


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        (250, 0, "0 pairs after the break, at least 10 needed"),
        (250, 9, "9 pairs after the break, at least 10 needed"),
        (3, 40, "3 pairs before the break, at least 10 needed"),
        (2, 1, "2 pairs before the break, at least 10 needed; 1 pairs after the break, at least 10 needed"),
    ],
)
def test_too_few_pairs_are_rows_with_n_and_a_note(before: int, after: int, note: str) -> None:
    found = breaks(pairs(*correlated(11, before + after), before=before))
    assert len(found) == 2 * len(METHODS)
    given = found[found["includes_crash"]]
    assert (given["n_before"] == before).all()
    assert (given["n_after"] == after).all()
    assert (given["note"] == note).all()
    assert found[["statistic", "p_value", "volatility_delta"]].isna().all(axis=None)
    assert (found["verdict"] == "inconclusive").all()
    assert found["r_after" if after < before else "r_before"].isna().all()


def test_without_a_pair_for_the_crash_bar_both_variants_are_one_and_say_so() -> None:
    given = pairs(*correlated(12, 300, 0.4), before=250).drop(index=250)
    found = breaks(given)
    with_crash, without = (row(found, "fisher_z", crash) for crash in (True, False))
    assert with_crash["note"] == "no pair for the crash bar"
    assert pd.isna(without["note"])
    assert with_crash["p_value"] == without["p_value"]


@pytest.mark.parametrize("side", ["asset_log_return", "benchmark_log_return"])
def test_a_series_that_stands_still_has_no_statistic(side: str) -> None:
    given = pairs(*correlated(13, 300), before=250)
    given.loc[250:, side] = 0.01
    found = breaks(given)
    assert (found["note"] == "a series does not vary after the break").all()
    assert found["p_value"].isna().all()
    assert found["r_before"].notna().all()


def test_collinear_returns_have_r_but_no_statistic() -> None:
    _, x = correlated(14, 300)
    found = breaks(pairs(2 * x, x, before=250))
    assert found["note"].str.contains("exactly collinear before the break").all()
    assert found["p_value"].isna().all()
    assert found["r_after"].to_numpy() == pytest.approx(1.0)


def test_missing_returns_are_not_counted() -> None:
    given = pairs(*correlated(15, 300), before=250)
    given.loc[[5, 260], "asset_log_return"] = np.nan
    assert row(breaks(given), "fisher_z")[["n_before", "n_after"]].tolist() == [249, 49]


def test_no_pairs_are_no_rows() -> None:
    found = breaks(pairs(*correlated(1, 20), before=10).iloc[:0])
    assert found.empty
    assert list(found.columns) == COLUMNS


def test_pairs_without_a_calendar_raise_nothing() -> None:
    found = correlation_breaks(pairs(*correlated(1, 20), before=10), [], break_date=date(2025, 10, 10))
    assert found["p_value"].isna().all()


def test_the_table_holds_what_the_function_returns(tmp_path) -> None:
    """NaN and None arrive as null, also where a whole column is empty."""
    assert list(CORRELATION_BREAKS) == COLUMNS
    for name, before, after in (("some", 250, 40), ("little", 250, 2)):
        found = breaks(pairs(*correlated(16, before + after), before=before))
        with connect(tmp_path / f"{name}.duckdb") as con:
            assert replace_table(con, "correlation_breaks", CORRELATION_BREAKS, found, build_id="b1") == len(found)
            stored = con.execute(
                "select count(p_value), count(lags), count(note), count(r_after) from analytics.correlation_breaks "
                "where not isnan(coalesce(p_value, 0)) and not isnan(coalesce(r_after, 0))"
            ).fetchone()
        assert stored == ((6, 2, 2, 6) if name == "some" else (0, 0, 6, 0))
