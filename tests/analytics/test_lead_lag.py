"""Lead and lag: a planted lag, noise without one, holes, and what is too little to say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from orchestration.analytics.lead_lag import COLUMNS, LAGS, family_p_values, liquidity_lead_lag
from orchestration.warehouse import connect
from orchestration.warehouse.analyses import LIQUIDITY_LEAD_LAG, replace_table


def changes(seed: int, size: int, phi: float = 0.0) -> np.ndarray:
    shocks = np.random.default_rng(seed).normal(0, 0.02, size)
    for week in range(1, size):
        shocks[week] += phi * shocks[week - 1]
    return shocks


def levels(log_changes: np.ndarray, asset: str | None = None) -> pd.DataFrame:
    """Levels on consecutive Wednesdays, public a day later."""
    days = pd.date_range("2020-11-04", periods=len(log_changes), freq="7D")
    frame = pd.DataFrame(
        {
            "day": days.date,
            "value": 6e12 * np.exp(np.cumsum(log_changes)),
            "known_at": (days.tz_localize("UTC") + pd.Timedelta(hours=45)).as_unit("us"),
        }
    )
    return frame if asset is None else frame.assign(asset=asset)


def lead_lag(liquidity: pd.DataFrame, *closes: pd.DataFrame) -> pd.DataFrame:
    return liquidity_lead_lag(liquidity, pd.concat(closes, ignore_index=True), "net_liquidity_wednesday_usd")


def strongest(found: pd.DataFrame) -> pd.Series:
    return found.loc[found["p_value_family"].idxmin()]


@pytest.mark.parametrize("lag", [-26, -3, 0, 8, 26])
def test_a_planted_lag_is_found_and_positive_means_that_liquidity_leads(lag: int) -> None:
    common, noise = changes(1, 260), changes(2, 200)
    liquidity, asset = common[30:230], 0.7 * common[30 - lag : 230 - lag] + 0.7 * noise
    found = lead_lag(levels(liquidity), levels(asset, "BTC"))
    best = strongest(found)
    assert best["lag_weeks"] == lag
    assert best["p_value_family"] == pytest.approx(1 / 1001)
    assert best["r_low_95_bootstrap"] < 0.7 < best["r_high_95_bootstrap"]
    assert best["n"] == 199 - abs(lag)
    assert best["verdict"] == "found"
    assert (found["p_value_family"] < 0.05).sum() <= 2


def test_the_correlation_is_the_textbook_one_at_every_lag() -> None:
    x, y = changes(3, 120), changes(4, 120)
    found = lead_lag(levels(x), levels(y, "BTC")).set_index("lag_weeks")
    frame = pd.DataFrame({"x": x[1:], "y": y[1:]})
    for lag in LAGS:
        assert found["r"][lag] == pytest.approx(frame["x"].corr(frame["y"].shift(-lag)), abs=1e-9)
        assert found["r_low_95_bootstrap"][lag] < found["r"][lag] < found["r_high_95_bootstrap"][lag]


@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_the_search_over_noise_finds_a_lag_in_one_of_twenty(phi: float) -> None:
    trials = 200
    found = 0
    for trial in range(trials):
        x, y = changes(1000 + trial, 105, phi), changes(5000 + trial, 105, phi)
        found += np.nanmin(family_p_values(x, y, repetitions=300)[1]) < 0.05
    assert abs(found - trials * 0.05) <= 4 * np.sqrt(trials * 0.05 * 0.95)


def test_single_lags_of_noise_look_like_finds_where_the_family_does_not() -> None:
    """Fifty-three lags at 5 % each: nearly every search finds something unless it pays for all of them."""
    naive = 0
    for trial in range(50):
        found = family_p_values(changes(1000 + trial, 105), changes(5000 + trial, 105), repetitions=2)[0]
        naive += bool((np.abs(found) > 1.96 / np.sqrt(104 - np.abs(LAGS))).any())
    assert naive > 40


def test_a_hole_of_years_is_no_change_and_pairs_do_not_reach_across_it() -> None:
    x = changes(5, 250)
    liquidity, closes = levels(x), levels(x, "BTC")
    hole = range(60, 190)
    found = lead_lag(liquidity.drop(index=hole), closes.drop(index=hole)).set_index("lag_weeks")
    assert found["n"][0] == 59 + 59, "no change out of the hole"
    assert found["n"][10] == 49 + 49
    assert found["r"][0] == pytest.approx(1.0)


def test_assets_are_judged_apart_and_the_result_repeats() -> None:
    x = changes(6, 110)
    given = levels(x), levels(changes(7, 110), "TOTAL"), levels(x, "BTC")
    found = lead_lag(*given)
    assert list(found.columns) == COLUMNS
    assert found["asset"].tolist() == ["BTC"] * 53 + ["TOTAL"] * 53
    assert found["lag_weeks"].tolist() == [*LAGS, *LAGS]
    pd.testing.assert_frame_equal(found, lead_lag(*given))
    alone = lead_lag(given[0], given[1])
    pd.testing.assert_frame_equal(found[53:].reset_index(drop=True), alone)
    assert (found["known_at"] == given[0]["known_at"].iloc[-1]).all()


def test_other_weekdays_are_ignored() -> None:
    liquidity, closes = levels(changes(8, 80)), levels(changes(9, 80), "BTC")
    thursdays = closes.assign(
        day=closes["day"] + pd.Timedelta(days=1), value=1.0, known_at=pd.Timestamp("2040", tz="UTC")
    )
    pd.testing.assert_frame_equal(lead_lag(liquidity, closes), lead_lag(liquidity, closes, thursdays))


@pytest.mark.parametrize("weeks", [2, 15, 30])
def test_too_few_weeks_are_rows_with_n_and_nothing_else(weeks: int) -> None:
    found = lead_lag(levels(changes(10, weeks)), levels(changes(11, weeks), "BTC")).set_index("lag_weeks")
    assert len(found) == 53
    assert found["n"][0] == weeks - 1
    said = found[["r", "r_low_95_bootstrap", "r_high_95_bootstrap", "p_value_family"]].notna()
    assert (said.all(axis=1) == (found["n"] >= 20)).all()
    assert (said.any(axis=1) == (found["n"] >= 20)).all()
    assert ((found["verdict"] == "inconclusive") == (found["n"] < 20)).all()


def test_a_series_that_stands_still_says_nothing() -> None:
    found = lead_lag(levels(np.zeros(80)), levels(changes(12, 80), "BTC"))
    assert found["r"].isna().all()
    assert found["p_value_family"].isna().all()


def test_nothing_is_an_empty_frame_with_all_columns() -> None:
    found = lead_lag(levels(changes(13, 80)).iloc[:0], levels(changes(14, 80), "BTC"))
    assert found.empty
    assert list(found.columns) == COLUMNS


def test_the_table_holds_what_the_function_returns(tmp_path) -> None:
    assert list(LIQUIDITY_LEAD_LAG) == COLUMNS
    found = lead_lag(levels(changes(15, 30)), levels(changes(16, 30), "BTC"))
    with connect(tmp_path / "it.duckdb") as con:
        assert replace_table(con, "liquidity_lead_lag", LIQUIDITY_LEAD_LAG, found, build_id="b1") == 53
        stored = con.execute("select count(r), count(*) filter (isnan(r)) from analytics.liquidity_lead_lag").fetchone()
    assert stored == (int((found["n"] >= 20).sum()), 0)
