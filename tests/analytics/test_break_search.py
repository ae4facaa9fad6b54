"""Breaks at an unknown date: a planted one is dated, noise has none, and the row says what cannot be seen."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
import ruptures

from orchestration.analytics.break_search import (
    COLUMNS,
    MINIMUM_PAIRS,
    correlation_break_searches,
    f_statistics,
    sup_f,
    trimmed,
)
from orchestration.warehouse import connect
from orchestration.warehouse.analyses import CORRELATION_BREAK_SEARCHES, replace_table
from tests.analytics.test_breaks import CALENDAR, assert_binomial, correlated, pairs


def search(given: pd.DataFrame, windows: tuple[int | None, ...] = (250,)) -> pd.DataFrame:
    return correlation_break_searches(given, list(CALENDAR.date), windows)


def row(found: pd.DataFrame, includes_crash: bool = True) -> pd.Series:
    chosen = found[found["includes_crash"] == includes_crash]
    assert len(chosen) == 1
    return chosen.iloc[0]


# ------------------------------------------------------------------ the statistic


def test_every_f_is_that_of_two_regressions_against_one() -> None:
    y, x = correlated(1, 80, 0.5)

    def residual(part: slice) -> float:
        design = np.column_stack([np.ones(len(x[part])), x[part]])
        return float(np.linalg.lstsq(design, y[part], rcond=None)[1][0])

    expected = []
    for split in range(12, 80 - 12 + 1):
        both = residual(slice(0, split)) + residual(slice(split, 80))
        expected.append((residual(slice(0, 80)) - both) / 2 / (both / 76))
    assert f_statistics(y[None, :], x)[0] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_the_date_is_the_one_that_ruptures_finds(seed: int) -> None:
    y, x = correlated(seed, 200, np.repeat([0.2, 0.7], [130, 70]))
    signal = np.column_stack([y, x, np.ones(200)])
    found = ruptures.Dynp(model="linear", min_size=trimmed(200), jump=1).fit(signal).predict(1)
    assert sup_f(y, x, repetitions=10)[0] == found[0]


# ------------------------------------------------------------------ planted and absent breaks


@pytest.mark.parametrize(("at", "bar"), [(100, "utc_day"), (125, "nyse_session"), (180, "utc_day")])
def test_a_planted_break_is_found_within_days_and_its_band_holds_it(at: int, bar: str) -> None:
    rho = np.repeat([0.1, 0.9], [at, 250 - at])
    given = pairs(*correlated(2, 250, rho), before=240, bar=bar)
    planted = given["session_date"][at].date()
    found = search(given)
    assert (found["verdict"] == "break").all()
    assert (found["p_value"] <= 0.005).all()
    for _, each in found.iterrows():
        assert abs((each["break_session_date"] - planted).days) <= 10
        assert each["break_low_95_date"] <= planted <= each["break_high_95_date"]
        assert (each["break_high_95_date"] - each["break_low_95_date"]).days < 80
        assert each["r_before"] < 0.4 < 0.8 < each["r_after"]


@pytest.mark.parametrize("kind", ["independent", "fat tails", "clustered residuals", "louder benchmark"])
def test_noise_has_a_break_in_one_of_twenty(kind: str) -> None:
    """One search of many dates at 5 %, not 5 % for each of them."""
    trials, n, rng = 200, 120, np.random.default_rng(3)
    found = 0
    for _ in range(trials):
        x, u = rng.standard_t(4, size=(2, n)) if kind == "fat tails" else rng.normal(size=(2, n))
        if kind == "clustered residuals":
            log_volatility = np.zeros(n)
            for day, shock in enumerate(rng.normal(0, 0.25, n - 1), start=1):
                log_volatility[day] = 0.95 * log_volatility[day - 1] + shock
            u *= np.exp(log_volatility)
        if kind == "louder benchmark":
            x[n // 2 :] *= 4
        found += sup_f(0.5 * x + u, x, repetitions=199)[2] < 0.05
    assert_binomial(found, trials, 0.05)


def test_the_band_of_the_date_holds_it_in_nineteen_of_twenty() -> None:
    trials, rng = 200, np.random.default_rng(14)
    held = 0
    for _ in range(trials):
        x, u = rng.standard_t(4, size=(2, 250))
        low, high = sup_f(np.repeat([0.2, 0.8], [100, 150]) * x + u, x, repetitions=1)[3]
        held += low <= 100 <= high
    assert_binomial(held, trials, 0.96)


def test_dates_tried_one_by_one_would_find_a_break_in_noise_far_more_often() -> None:
    rng, naive = np.random.default_rng(4), 0
    for _ in range(200):
        y, x = rng.normal(size=(2, 120))
        naive += f_statistics(y[None, :], x).max() > 3.07  # 95 % of F(2, 116)
    assert naive > 40


# ------------------------------------------------------------------ what it cannot see


def test_a_year_cannot_show_its_last_month_and_the_row_says_so() -> None:
    """The crash lies 22 sessions before the end, as on 12 November 2025: a break there is not among the dates tried."""
    rho = np.repeat([0.1, 0.95], [228, 22])
    given = pairs(*correlated(5, 250, rho), before=228)
    found = row(search(given))
    assert not found["can_see_crash"]
    assert found["newest_testable_date"] == given["session_date"][250 - 38].date() < date(2025, 10, 10)
    assert found["oldest_testable_date"] == given["session_date"][38].date()
    assert found["break_session_date"] <= found["newest_testable_date"]
    assert found["note"] == f"no break after {found['newest_testable_date']} can be seen"


def test_once_enough_sessions_followed_the_crash_it_is_seen_and_dated() -> None:
    u, x = correlated(6, 250)
    found = row(search(pairs(np.repeat([0.1, 1.4], [150, 100]) * x + u, x, before=150)))
    assert found["can_see_crash"]
    assert abs((found["break_session_date"] - date(2025, 10, 10)).days) <= 21
    assert found["break_low_95_date"] <= date(2025, 10, 10) <= found["break_high_95_date"]


@pytest.mark.parametrize("bar", ["utc_day", "nyse_session"])
def test_the_crash_bar_is_left_out_of_half_of_the_rows(bar: str) -> None:
    given = pairs(*correlated(7, 250, 0.3), before=150, bar=bar)
    calm = search(given)
    given.loc[150, "asset_log_return"] = -5.0
    shaken = search(given)
    assert row(calm)["n"] == row(calm, False)["n"] + 1 == 250
    pd.testing.assert_series_equal(row(calm, False), row(shaken, False))
    assert row(calm)["statistic"] != row(shaken)["statistic"]


def test_windows_count_sessions_back_and_the_whole_history_names_a_hole_it_breaks_at() -> None:
    given = pairs(*correlated(8, 400, np.repeat([-0.99, 0.99], [200, 200])), before=390)
    holed = given.drop(index=range(180, 200))
    year, whole = (found for _, found in search(holed, (150, None))[lambda f: f["includes_crash"]].iterrows())
    assert (year["window_sessions"], year["n"], year["first_session_date"]) == (
        150,
        150,
        given["session_date"][250].date(),
    )
    assert pd.isna(whole["window_sessions"])
    assert whole["n"] == 380
    assert whole["break_session_date"] == given["session_date"][200].date()
    assert "end of a hole of 29 days" in whole["note"]


# ------------------------------------------------------------------ too little, groups, repetition


@pytest.mark.parametrize("n", [1, 20, MINIMUM_PAIRS - 1])
def test_too_few_pairs_are_inconclusive_with_n(n: int) -> None:
    found = row(search(pairs(*correlated(9, n), before=n)))
    assert (found["n"], found["verdict"]) == (n, "inconclusive")
    assert found["note"] == f"{n} pairs, at least 60 needed"
    assert found[["statistic", "p_value", "break_session_date", "r_before"]].isna().all()


@pytest.mark.parametrize("side", ["asset_log_return", "benchmark_log_return"])
def test_a_series_that_stands_still_is_inconclusive(side: str) -> None:
    given = pairs(*correlated(10, 100), before=90)
    given.loc[50:, side] = 0.01
    found = row(search(given))
    assert found["verdict"] == "inconclusive"
    assert found["note"] == "a series does not vary at an end of the window"


def test_groups_are_searched_apart_and_the_same_input_gives_the_same_table() -> None:
    y, x = correlated(11, 150, np.repeat([0.0, 0.9], [75, 75]))
    given = pd.concat([pairs(y, x, 140), pairs(*correlated(12, 150), 140).assign(asset="ETH")], ignore_index=True)
    found = search(given)
    pd.testing.assert_frame_equal(found, search(given.sample(frac=1, random_state=1)))
    assert found["asset"].tolist() == ["BTC", "BTC", "ETH", "ETH"]
    pd.testing.assert_frame_equal(found[:2], search(pairs(y, x, 140)))
    assert json.loads(found["parameters"][0])["seed"] == 20251010
    assert (found["known_at"] == given["known_at"][149]).all()


def test_the_table_holds_what_the_function_returns(tmp_path) -> None:
    assert list(CORRELATION_BREAK_SEARCHES) == COLUMNS
    for name, n in (("some", 100), ("little", 9), ("none", 0)):
        found = search(pairs(*correlated(13, n), before=n), (250, None))
        assert list(found.columns) == COLUMNS
        with connect(tmp_path / f"{name}.duckdb") as con:
            replace_table(con, "correlation_break_searches", CORRELATION_BREAK_SEARCHES, found, build_id="b1")
            stored = con.execute(
                "select count(*), count(p_value), count(break_session_date), count(window_sessions), "
                "count(*) filter (isnan(p_value)) from analytics.correlation_break_searches"
            ).fetchone()
        assert stored == {"some": (4, 4, 4, 2, 0), "little": (4, 0, 0, 2, 0), "none": (0, 0, 0, 0, 0)}[name]
