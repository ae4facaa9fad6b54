"""Unlocks: a planted fall is found and its placebo is not, noise shows none, and a crowded day counts once."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from orchestration.analytics.event_study import (
    BENCHMARKS,
    COLUMNS,
    METHODS,
    PLACEBO_SHIFTS,
    WINDOWS,
    daily_log_returns,
    unlock_event_study,
)
from orchestration.warehouse import connect
from orchestration.warehouse.analyses import UNLOCK_EVENT_STUDY, replace_table

DAYS = pd.date_range("2024-01-01", periods=500, freq="D")
TOKENS = [f"token{number:02}" for number in range(24)]


def market(seed: int) -> pd.DataFrame:
    """Days × tokens: each is its beta times bitcoin and noise of its own."""
    rng = np.random.default_rng(seed)
    bitcoin = rng.normal(0, 0.02, len(DAYS))
    table = {"bitcoin": bitcoin}
    for token in TOKENS:
        table[token] = rng.uniform(0.5, 1.5) * bitcoin + rng.normal(0, 0.02, len(DAYS))
    return pd.DataFrame(table, index=DAYS)


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    long = table.rename_axis("day").reset_index().melt("day", var_name="asset_id", value_name="log_return")
    return long.dropna().assign(known_at=lambda f: (f["day"] + pd.Timedelta(days=1)).dt.tz_localize("UTC"))


def event(asset: str, day: pd.Timestamp, **more) -> dict:
    return {
        "event_id": f"{asset}-{day:%Y%m%d}-{more.get('kind', 'cliff')}",
        "asset_id": asset,
        "kind": "cliff",
        "allocation_group": "insiders",
        "unlock_day": day.date(),
        "amount_tokens": 100.0,
        "circulating_pct": 3.0,
        "first_seen_at": pd.Timestamp("2024-01-01", tz="UTC"),
        "known_at": pd.Timestamp("2024-01-01", tz="UTC"),
    } | more


def spread_events(**more) -> list[dict]:
    """One event of each token, six days apart, the first with a whole estimation window before it."""
    return [event(token, DAYS[240 + 6 * number], **more) for number, token in enumerate(TOKENS)]


def study(events: list[dict], table: pd.DataFrame) -> pd.DataFrame:
    return unlock_event_study(pd.DataFrame(events), tidy(table))


def rows(found: pd.DataFrame, **wanted) -> pd.DataFrame:
    asked = {"grouping": "all", "placebo_shift_days": 0, "is_reconstructed": False} | wanted
    return found[np.logical_and.reduce([found[name] == value for name, value in asked.items()])]


def test_a_planted_fall_is_found_by_every_method_and_benchmark_and_not_at_placebo_dates() -> None:
    table, events = market(1), spread_events()
    for each in events:
        at = DAYS.get_loc(pd.Timestamp(each["unlock_day"]))
        table.iloc[at : at + 2, table.columns.get_loc(each["asset_id"])] -= 0.05
    found = study(events, table)
    fell = rows(found, window_name="[0,1]")
    assert len(fell) == len(BENCHMARKS) * len(METHODS)
    assert (fell["verdict"] == "negative").all()
    assert fell["mean_car_pct"].to_numpy() == pytest.approx(-10, abs=2)
    assert ((fell["mean_car_pct"] + 10).abs() < 3 * fell["standard_error_pct"]).all()
    assert (fell["n"] == 24).all()
    assert (fell["negative_share"] > 0.9).all()
    assert (rows(found, window_name="[0,7]")["mean_car_pct"] < -5).all()
    assert not (rows(found, window_name="[-30,-1]")["verdict"] == "negative").any()
    for shift in (-45, 45):
        placebo = rows(found, window_name="[0,1]", placebo_shift_days=shift)
        assert (placebo["n"] > 10).all()
        assert placebo["mean_car_pct"].abs().max() < 3


def test_the_abnormal_return_is_what_the_market_model_leaves() -> None:
    table, token, at = market(2), TOKENS[0], 301
    events = [event(token, DAYS[at]), *spread_events()[1:]]
    found = study(events, table)
    alone = rows(found, window_name="[0,7]", benchmark="btc", method="clustered_by_day").iloc[0]
    cars = []
    for each in events:
        day = DAYS.get_loc(pd.Timestamp(each["unlock_day"]))
        y, x = table[each["asset_id"]].to_numpy(), table["bitcoin"].to_numpy()
        beta, alpha = np.polyfit(x[day - 180 : day - 30], y[day - 180 : day - 30], 1)
        cars.append(sum(y[day + k] - alpha - beta * x[day + k] for k in range(8)))
    assert alone["mean_car_pct"] == pytest.approx(100 * np.mean(cars))
    assert alone["median_car_pct"] == pytest.approx(100 * np.median(cars))
    # Twenty-four unlock days, so clustering by day is the plain robust error.
    error = np.sqrt(np.square(np.array(cars) - np.mean(cars)).sum() / 23 / 24)
    assert alone["standard_error_pct"] == pytest.approx(100 * error, rel=0.03)


def test_noise_shows_an_effect_about_as_often_as_the_level_says() -> None:
    finds = tests = 0
    for seed in range(8):
        found = rows(study(spread_events(), market(100 + seed)), method="clustered_by_day", benchmark="btc")
        finds += (found["p_value"] < 0.05).sum()
        tests += len(found)
    # Windows of one study overlap, so the count varies more than a binomial's.
    assert tests == 32
    assert finds <= 7


def test_one_bad_day_with_many_unlocks_is_one_observation_of_a_common_shock() -> None:
    """Thirteen of 24 events lie on one day on which all tokens fell: counted one by one they would be a find."""
    table = market(3)
    crowded = DAYS[300]
    events = [event(token, crowded) for token in TOKENS[:13]]
    events += [event(token, DAYS[320 + 5 * number]) for number, token in enumerate(TOKENS[13:])]
    table.loc[crowded, TOKENS] -= 0.08
    found = rows(study(events, table), window_name="[0,1]", benchmark="btc").set_index("method")
    clustered, portfolio = found.loc["clustered_by_day"], found.loc["calendar_time_portfolio"]
    assert (clustered["n"], clustered["unlock_days"]) == (24, 12)
    assert clustered["mean_car_pct"] < -3
    assert clustered["verdict"] == "inconclusive"
    assert clustered["note"].startswith("one unlock day holds 54 % of the events")
    assert portfolio["mean_car_pct"] > clustered["mean_car_pct"] / 2, "in calendar time that day counts once"
    against_altcoins = rows(study(events, table), window_name="[0,1]", benchmark="altcoins")
    assert against_altcoins["mean_car_pct"].abs().max() < 2, "the others fell as well"


def test_groups_are_by_kind_size_recipient_and_by_when_the_schedule_was_seen() -> None:
    events = spread_events()
    for number, each in enumerate(events):
        each["kind"] = "linear" if number % 4 == 0 else "cliff"
        each["circulating_pct"] = [0.5, 1.0, 5.0, 5.1, np.nan, 3.0][number % 6]
        each["allocation_group"] = "airdrop" if number < 12 else "insiders"
        if number < 10:
            each["first_seen_at"] = pd.Timestamp(each["unlock_day"], tz="UTC") - pd.Timedelta(days=30)
    found = study(events, market(4))
    chosen = found[
        (found["benchmark"] == "btc")
        & (found["window_name"] == "[0,7]")
        & (found["method"] == METHODS[0])
        & (found["placebo_shift_days"] == 0)
    ]
    n = chosen.set_index(["is_reconstructed", "grouping", "group_name"])["n"]
    assert (n[(True, "all", "all")], n[(False, "all", "all")]) == (10, 14)
    both = n.groupby(level=["grouping", "group_name"]).sum()
    assert both["kind"].to_dict() == {"cliff": 18, "linear": 6}
    assert both["size"].to_dict() == {"1-5 %": 12, "<1 %": 4, ">5 %": 4, "unknown": 4}
    assert both["recipient"].to_dict() == {"airdrop": 12, "insiders": 12}


def test_what_is_not_studied_is_counted_by_reason() -> None:
    events = spread_events()
    events[0]["asset_id"] = "unpriced"
    events[1]["amount_tokens"] = np.nan
    events[2]["amount_tokens"] = -5.0
    events[3]["unlock_day"] = DAYS[100].date()
    events[4]["unlock_day"] = (DAYS[-1] + pd.Timedelta(days=3)).date()
    events.append(event(TOKENS[9], pd.Timestamp(events[9]["unlock_day"]) + pd.Timedelta(days=30), amount_tokens=99.0))
    events.append(event(TOKENS[10], pd.Timestamp(events[10]["unlock_day"]), kind="linear", amount_tokens=1.0))
    found = rows(study(events, market(5)), window_name="[0,1]", benchmark="btc", method=METHODS[0]).iloc[0]
    assert json.loads(found["excluded"]) == {
        "a day of the window has no return or lies ahead": 1,
        "near an unlock of the token that is no smaller": 1,
        "no amount": 2,
        "no daily price": 1,
        "too few days to estimate the market model": 1,
    }
    assert (found["n_excluded"], found["n"]) == (6, 19)


def test_daily_vesting_does_not_pose_as_many_events() -> None:
    events = [event(TOKENS[0], day, amount_tokens=10.0) for day in DAYS[200:400]]
    found = rows(study(events, market(6)), window_name="[0,30]", benchmark="btc", method=METHODS[0]).iloc[0]
    assert found["n"] == 7
    assert found["verdict"] == "inconclusive"


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_unlock_days_are_inconclusive_with_n(count: int) -> None:
    table = pd.DataFrame(spread_events()).iloc[:count]
    found = unlock_event_study(table, tidy(market(7)))
    assert len(found) >= len(BENCHMARKS) * len(PLACEBO_SHIFTS) * 2 * 7 * len(WINDOWS) * len(METHODS)
    assert (found["verdict"] == "inconclusive").all()
    assert (rows(found)["n"] == count).all()
    assert found[["mean_car_pct", "p_value", "median_car_pct"]].isna().all(axis=None)
    assert (rows(found)["note"] == f"{count} unlock days, at least 10 needed").all()


def test_without_daily_prices_every_event_is_excluded_and_nothing_raises() -> None:
    found = unlock_event_study(pd.DataFrame(spread_events()), tidy(market(8)).iloc[:0])
    assert (found["n"] == 0).all()
    assert json.loads(rows(found)["excluded"].iloc[0]) == {"no daily price": 24}


def test_monthly_snapshots_are_no_daily_returns_and_sources_are_not_mixed() -> None:
    def prices(asset: str, source: str, days: pd.DatetimeIndex, first: float) -> pd.DataFrame:
        known = (days.tz_localize("UTC") + pd.Timedelta(days=1)).as_unit("us")
        return pd.DataFrame(
            {
                "asset_id": asset,
                "source": source,
                "day": days.date,
                "price_usd": first * 1.01 ** np.arange(len(days)),
                "known_at": known,
            }
        )

    given = pd.concat(
        [
            prices("a", "coingecko", DAYS[:40], 10),
            prices("a", "coinmetrics", DAYS[30:50], 11),
            prices("b", "coingecko", pd.date_range("2024-01-01", periods=12, freq="MS"), 5),
            prices("c", "coingecko", DAYS[[0, 1, 3, 4]], 5),
        ]
    )
    found = daily_log_returns(given)
    assert found.groupby("asset_id").size().to_dict() == {"a": 39, "c": 2}
    assert found["log_return"].to_numpy() == pytest.approx(np.log(1.01))
    assert found["known_at"].iloc[0] == pd.Timestamp("2024-01-03", tz="UTC")


def test_the_same_input_gives_the_same_table_in_any_order() -> None:
    events, returns = pd.DataFrame(spread_events()), tidy(market(9))
    found = unlock_event_study(events, returns)
    assert list(found.columns) == COLUMNS
    shuffled = unlock_event_study(events.sample(frac=1, random_state=1), returns.sample(frac=1, random_state=2))
    pd.testing.assert_frame_equal(found, shuffled)
    assert (found["known_at"] == returns["known_at"].max()).all()


def test_the_table_holds_what_the_function_returns(tmp_path) -> None:
    assert list(UNLOCK_EVENT_STUDY) == COLUMNS
    for name, count in (("some", 24), ("none", 0)):
        found = unlock_event_study(pd.DataFrame(spread_events()).iloc[:count], tidy(market(10)))
        with connect(tmp_path / f"{name}.duckdb") as con:
            replace_table(con, "unlock_event_study", UNLOCK_EVENT_STUDY, found, build_id="b1")
            stored = con.execute(
                "select count(*), count(mean_car_pct), count(note), count(*) filter (isnan(mean_car_pct)) "
                "from analytics.unlock_event_study"
            ).fetchone()
        assert stored == (len(found), found["mean_car_pct"].notna().sum(), found["note"].notna().sum(), 0)
