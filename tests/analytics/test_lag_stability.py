"""Stability of a lag: a planted one holds, a moving one does not, noise has none, and little data say so."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from orchestration.analytics.lag_stability import COLUMNS, PUBLISHED, STEP_WEEKS, liquidity_lead_lag_stability
from orchestration.analytics.lead_lag import LAGS, MINIMUM_PAIRS, family_p_values, liquidity_lead_lag
from orchestration.warehouse import connect
from orchestration.warehouse.analyses import LIQUIDITY_LEAD_LAG_STABILITY, replace_table
from tests.analytics.test_lead_lag import changes, levels

NAME = "net_liquidity_wednesday_usd"


def stability(liquidity: pd.DataFrame, *closes: pd.DataFrame) -> pd.DataFrame:
    together = pd.concat(closes, ignore_index=True)
    return liquidity_lead_lag_stability(liquidity, together, liquidity_lead_lag(liquidity, together, NAME), NAME)


def planted(seed: int, size: int, lag: int, share: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    common, noise = changes(seed, size + 60), changes(seed + 500, size)
    return common[30 : 30 + size], share * common[30 - lag : 30 - lag + size] + np.sqrt(1 - share**2) * noise


def full(found: pd.DataFrame) -> pd.Series:
    rows = found[found["method"] == "full_sample"]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.parametrize("lag", [-5, 0, 12])
def test_a_planted_lag_is_stable_and_every_window_finds_it(lag: int) -> None:
    x, y = planted(1, 220, lag)
    found = stability(levels(x), levels(y, "BTC"))
    row = full(found)
    assert (row["lag_weeks"], row["verdict"], row["near_share"]) == (lag, "stable", 1.0)
    assert row["near_share_by_chance"] == pytest.approx(5 / 53)
    assert (row["lag_low_weeks"], row["lag_high_weeks"]) == (lag, lag)
    assert row["r_low_95_bootstrap"] < row["r"] < row["r_high_95_bootstrap"]
    assert row["r"] == pytest.approx(0.9, abs=0.05)
    rolling = found[found["method"] == "rolling"]
    assert len(rolling) == row["windows"] == 1 + (220 - 52) // STEP_WEEKS
    assert (rolling["lag_weeks"] == lag).all()
    assert (rolling["n"] >= 51 - abs(lag)).all()


def test_a_lag_that_moves_is_not_stable() -> None:
    """Three weeks in one half, eighteen in the other: each is a find of the full sample, neither holds."""
    first, second = planted(2, 160, 3), planted(3, 160, 18)
    x, y = (np.concatenate(parts) for parts in zip(first, second, strict=True))
    row = full(stability(levels(x), levels(y, "BTC")))
    assert row["p_value_family"] < 0.05
    assert row["near_share"] < 0.6
    assert row["lag_low_weeks"] <= 3 < 18 <= row["lag_high_weeks"]


def test_noise_is_hardly_ever_stable_and_its_windows_meet_the_best_lag_by_chance() -> None:
    trials, stable, shares = 30, 0, []
    for trial in range(trials):
        x, y = changes(2000 + trial, 260), changes(7000 + trial, 260)
        r, p = family_p_values(x[1:], y[1:], repetitions=200)
        ours = pd.DataFrame({"asset": "BTC", "lag_weeks": LAGS, "n": 259 - np.abs(LAGS), "r": r, "p_value_family": p})
        ours = ours.assign(r_low_95_bootstrap=np.nan, r_high_95_bootstrap=np.nan)
        row = full(liquidity_lead_lag_stability(levels(x), levels(y, "BTC"), ours, NAME))
        stable += row["verdict"] == "stable"
        shares.append(row["near_share"])
    # Both conditions must hold by accident; the family p alone does in one of twenty.
    assert stable <= 2
    assert np.mean(shares) < 0.3


def test_published_lags_stand_beside_ours() -> None:
    x, y = planted(4, 220, 12)
    found = stability(levels(x), levels(y, "BTC"))
    rows = found[found["method"] == "published"].set_index("source")
    assert len(rows) == len(PUBLISHED) == 5
    assert rows["verdict"].to_dict() == {
        "public commentary: 0 to 8 weeks": "disagrees",
        "public commentary: 11 to 13 weeks": "agrees",
        "public commentary: 78 days": "agrees",
        "public commentary: 90 days": "agrees",
        "public commentary: 107 days": "disagrees",
    }
    ours = rows.loc["public commentary: 11 to 13 weeks"]
    assert (ours["lag_weeks"], ours["lag_low_weeks"], ours["lag_high_weeks"]) == (12, 11, 13)
    assert ours["r"] > 0.8
    assert rows.loc["public commentary: 107 days", "lag_low_weeks"] == pytest.approx(15.2857, abs=1e-4)
    assert abs(rows.loc["public commentary: 0 to 8 weeks", "r"]) < 0.4


def test_published_lags_are_not_judged_by_noise() -> None:
    found = stability(levels(changes(5, 220)), levels(changes(6, 220), "BTC"))
    assert full(found)["p_value_family"] > 0.05
    assert (found.loc[found["method"] == "published", "verdict"] == "inconclusive").all()


@pytest.mark.parametrize(("weeks", "windows"), [(2, 0), (30, 0), (60, 3), (120, 18)])
def test_too_few_weeks_are_inconclusive_with_n(weeks: int, windows: int) -> None:
    x, y = planted(7, weeks, 0)
    found = stability(levels(x), levels(y, "BTC"))
    row = full(found)
    assert (row["verdict"], row["windows"]) == ("inconclusive", windows)
    assert row["n"] == weeks - 1
    assert row["note"] == (
        f"no lag has {MINIMUM_PAIRS} pairs that vary"
        if weeks < MINIMUM_PAIRS
        else f"{min(windows, weeks // 52)} windows that do not overlap, at least 3 needed"
    )
    assert (found["method"] == "rolling").sum() == windows


def test_windows_do_not_reach_across_a_hole() -> None:
    x, y = planted(8, 300, 4)
    hole = range(60, 230)
    found = stability(levels(x).drop(index=hole), levels(y, "BTC").drop(index=hole))
    rolling = found[found["method"] == "rolling"]
    spans = pd.to_datetime(rolling["last_week"]) - pd.to_datetime(rolling["first_week"])
    assert (spans.dt.days == 51 * 7).all()
    assert 0 < len(rolling) < 12
    assert full(found)["verdict"] == "inconclusive", "two windows do not overlap"


def test_a_window_knows_nothing_of_later_weeks() -> None:
    x, y = planted(9, 150, 2)
    liquidity, closes = levels(x), levels(y, "BTC")
    rolling = stability(liquidity, closes)[lambda f: f["method"] == "rolling"]
    expected = [liquidity.set_index("day")["known_at"][day] for day in rolling["last_week"]]
    assert rolling["known_at"].tolist() == expected


def test_the_result_repeats_whatever_the_order_and_assets_are_judged_apart() -> None:
    x, y = planted(10, 160, 5)
    liquidity, one, two = levels(x), levels(y, "BTC"), levels(changes(11, 160), "TOTAL")
    found = stability(liquidity, one, two)
    shuffled = stability(liquidity.sample(frac=1, random_state=1), two.sample(frac=1, random_state=2), one)
    pd.testing.assert_frame_equal(found, shuffled)
    pd.testing.assert_frame_equal(found[found["asset"] == "BTC"], stability(liquidity, one))
    assert json.loads(found["parameters"][0])["window_weeks"] == 52


def test_the_table_holds_what_the_function_returns(tmp_path) -> None:
    assert list(LIQUIDITY_LEAD_LAG_STABILITY) == COLUMNS
    for name, weeks in (("some", 100), ("little", 5), ("none", 0)):
        x, y = planted(12, weeks, 0)
        found = stability(levels(x), levels(y, "BTC"))
        with connect(tmp_path / f"{name}.duckdb") as con:
            replace_table(con, "liquidity_lead_lag_stability", LIQUIDITY_LEAD_LAG_STABILITY, found, build_id="b1")
            stored = con.execute(
                "select count(*), count(*) filter (isnan(r)), count(source), count(*) filter (verdict = 'NaN') "
                "from analytics.liquidity_lead_lag_stability"
            ).fetchone()
        assert stored == (len(found), 0, (found["method"] == "published").sum(), 0)
