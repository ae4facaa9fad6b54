"""Crypto beside equities: textbook returns, a planted lead, noise without one, and windows that cannot be compared."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from orchestration.analytics.competition import COLUMNS, FLOWS, MEMBERS, VIEWS, capital_competition
from orchestration.warehouse import connect
from orchestration.warehouse.analyses import CAPITAL_COMPETITION, replace_table

NEWEST = date(2025, 11, 12)


def series(member: str, log_returns: np.ndarray, end: date = NEWEST, view: str | None = None) -> pd.DataFrame:
    """Closes on every day (crypto) or weekday (equities) up to `end`, public a day later; 100 at the start."""
    freq = "D" if MEMBERS[member] == 365 else "B"
    days = pd.date_range(end=end, periods=len(log_returns) + 1, freq=freq)
    frame = pd.DataFrame(
        {
            "member": member,
            "day": days.date,
            "value": 100 * np.exp(np.cumsum([0, *log_returns])),
            "known_at": (days.tz_localize("UTC") + pd.Timedelta(days=1)).as_unit("us"),
        }
    )
    return pd.concat([frame.assign(currency_view=each) for each in ([view] if view else VIEWS)])


def noise(seed: int, size: int, mean: float = 0.0, volatility: float = 0.01) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, volatility, size)


def supply(days: int = 500, end: date = NEWEST) -> pd.DataFrame:
    index = pd.date_range(end=end, periods=days, freq="D")
    known = (index.tz_localize("UTC") + pd.Timedelta(hours=30)).as_unit("us")
    return pd.DataFrame({"day": index.date, "value": np.linspace(200e9, 300e9, days), "known_at": known})


def compete(*closes: pd.DataFrame, stablecoins: pd.DataFrame | None = None) -> pd.DataFrame:
    return capital_competition(pd.concat(closes, ignore_index=True), supply() if stablecoins is None else stablecoins)


def row(found: pd.DataFrame, member: str, window: str = "1y", view: str = "usd") -> pd.Series:
    chosen = found[(found["member"] == member) & (found["window_name"] == window) & (found["currency_view"] == view)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_returns_volatility_and_relative_return_are_the_textbook_ones() -> None:
    bitcoin, sp500 = series("BTC", noise(1, 600, volatility=0.03)), series("SPX", noise(2, 420))
    given = row(compete(bitcoin, sp500), "BTC")
    own = bitcoin[bitcoin["currency_view"] == "usd"].set_index("day")["value"].loc[date(2024, 11, 12) :]
    other = sp500[sp500["currency_view"] == "usd"].set_index("day")["value"].loc[date(2024, 11, 12) :]
    logs = np.diff(np.log(own))
    assert (given["start_date"], given["end_date"], given["n"]) == (date(2024, 11, 12), NEWEST, 365)
    assert given["return_pct"] == pytest.approx(100 * (own.iloc[-1] / own.iloc[0] - 1))
    assert given["benchmark_return_pct"] == pytest.approx(100 * (other.iloc[-1] / other.iloc[0] - 1))
    assert given["annualisation_factor"] == 365
    assert given["volatility_annualised_pct"] == pytest.approx(100 * logs.std(ddof=1) * np.sqrt(365))
    assert given["volatility_scaled_return"] == pytest.approx(logs.mean() / logs.std(ddof=1) * np.sqrt(365))
    expected = (own.iloc[-1] / own.iloc[0]) / (other.iloc[-1] / other.iloc[0]) - 1
    assert given["relative_return_pct"] == pytest.approx(100 * expected)
    assert given["relative_return_low_95_pct"] < given["relative_return_pct"] < given["relative_return_high_95_pct"]


@pytest.mark.parametrize(("lead", "verdict"), [(0.005, "outperformed"), (-0.005, "underperformed")])
def test_a_planted_lead_is_found(lead: float, verdict: str) -> None:
    given = row(compete(series("NASDAQ", noise(3, 400, lead)), series("SPX", noise(4, 400))), "NASDAQ")
    assert given["verdict"] == verdict
    assert given["annualisation_factor"] == 252


def test_noise_leads_in_one_of_twenty_windows() -> None:
    trials, found = 120, 0
    for trial in range(trials):
        closes = (
            series("NASDAQ", noise(100 + trial, 262), view="usd"),
            series("SPX", noise(900 + trial, 262), view="usd"),
        )
        table = capital_competition(pd.concat(closes), supply(0), {"NASDAQ": 252})
        found += row(table, "NASDAQ")["verdict"] != "inconclusive"
    assert abs(found - 0.05 * trials) <= 4 * np.sqrt(trials * 0.05 * 0.95)


def test_local_currency_and_dollars_are_two_rows() -> None:
    won = series("KOSPI", noise(5, 400, 0.002), view="local")
    dollars = won.assign(currency_view="usd", value=won["value"] * np.linspace(1, 0.5, len(won)))
    found = compete(won, dollars, series("SPX", noise(6, 400)))
    local, usd = (row(found, "KOSPI", view=view) for view in VIEWS)
    assert local["return_pct"] > usd["return_pct"] + 20
    assert local["benchmark_return_pct"] == usd["benchmark_return_pct"]


def test_windows_start_at_the_last_close_before_them_and_end_at_the_benchmarks_newest() -> None:
    found = compete(series("SPX", noise(7, 300)), series("BTC", noise(8, 500), end=date(2025, 11, 14)))
    starts = {name: row(found, "SPX", name)["start_date"] for name in ("ytd", "1y", "since_2024_11_12")}
    assert starts == {"ytd": date(2024, 12, 31), "1y": date(2024, 11, 12), "since_2024_11_12": date(2024, 11, 12)}
    assert row(found, "BTC")["end_date"] == NEWEST
    sunday = compete(series("SPX", noise(7, 300), end=date(2025, 11, 7)), series("BTC", noise(8, 500)))
    assert row(sunday, "SPX")["start_date"] == date(2024, 11, 7)
    assert row(sunday, "BTC")["end_date"] == date(2025, 11, 7)


def test_the_stretch_of_2021_ends_where_it_says() -> None:
    found = compete(
        series("SPX", noise(9, 400), end=date(2022, 3, 1)), series("TOTAL", noise(10, 600), end=date(2022, 3, 1))
    )
    given = row(found, "TOTAL", "2020_11_to_2021_11")
    assert (given["start_date"], given["end_date"]) == (date(2020, 11, 2), date(2021, 11, 30))


def test_the_stablecoin_supply_of_the_window_stands_beside_it_and_prices_are_not_called_flows() -> None:
    found = compete(series("SPX", noise(11, 300)), series("TOTAL", noise(12, 500)))
    given = row(found, "TOTAL")
    assert given["stablecoins_change_usd"] == pytest.approx(100e9 * 365 / 499)
    assert given["stablecoins_change_pct"] == pytest.approx(
        100 * given["stablecoins_change_usd"] / (300e9 - given["stablecoins_change_usd"])
    )
    assert found["note"].str.contains(FLOWS, regex=False).all()
    assert "issuance" in given["note"]
    assert "issuance" not in row(found, "SPX")["note"]
    assert pd.isna(row(compete(series("SPX", noise(11, 300)), stablecoins=supply(0)), "SPX")["stablecoins_change_usd"])


# ------------------------------------------------------------------ what cannot be compared


def test_a_member_without_closes_is_a_row_with_no_n() -> None:
    found = compete(series("SPX", noise(13, 300)), series("KOSPI", noise(14, 300), view="local"))
    assert len(found) == len(MEMBERS) * len(VIEWS) * 4
    for given in (row(found, "NIKKEI"), row(found, "KOSPI"), row(found, "SPX", "2020_11_to_2021_11")):
        assert (given["n"], given["verdict"]) == (0, "inconclusive")
        assert given["note"].startswith("no close within 14 days of both ends")
        assert given[["return_pct", "relative_return_pct", "start_date"]].isna().all()
    assert row(found, "KOSPI", view="local")["n"] > 200


def test_a_stale_series_is_not_compared_with_a_fresh_one() -> None:
    found = compete(series("SPX", noise(15, 300)), series("SHANGHAI", noise(16, 300), end=date(2025, 10, 20)))
    assert row(found, "SHANGHAI")["n"] == 0


def test_a_hole_leaves_a_return_and_nothing_that_needs_every_day() -> None:
    bitcoin = series("BTC", noise(17, 500))
    days = pd.to_datetime(bitcoin["day"])
    given = row(compete(series("SPX", noise(18, 300)), bitcoin[~days.between("2025-03-01", "2025-05-01")]), "BTC")
    assert pd.notna(given["return_pct"])
    assert given[["volatility_annualised_pct", "relative_return_low_95_pct"]].isna().all()
    assert given["verdict"] == "inconclusive"
    assert given["note"].startswith("a hole of 63 days")


def test_few_common_days_are_inconclusive() -> None:
    """Eight weeks of weekly closes in January and February: the year has begun and little happened."""
    early = date(2025, 1, 20)
    found = compete(series("SPX", noise(19, 300), end=early), series("BTC", noise(20, 500), end=early))
    given = row(found, "BTC", "ytd")
    assert given["verdict"] == "inconclusive"
    assert given["note"].startswith("14 steps common with the benchmark, at least 20 needed")
    assert pd.isna(given["relative_return_pct"])


def test_without_the_benchmark_members_still_have_their_return() -> None:
    given = row(compete(series("BTC", noise(21, 500))), "BTC")
    assert pd.notna(given["return_pct"])
    assert given["verdict"] == "inconclusive"
    assert given["note"].startswith("no closes of the benchmark")


def test_the_same_input_gives_the_same_table_in_any_order_and_known_at_is_of_the_newest() -> None:
    closes = pd.concat([series("BTC", noise(22, 500)), series("SPX", noise(23, 300))], ignore_index=True)
    found = capital_competition(closes, supply())
    pd.testing.assert_frame_equal(
        found, capital_competition(closes.sample(frac=1, random_state=1), supply().sample(frac=1, random_state=2))
    )
    assert row(found, "BTC")["known_at"] == pd.Timestamp("2025-11-13 06:00", tz="UTC")
    assert json.loads(row(found, "BTC")["parameters"])["seed"] == 20251010


def test_the_table_holds_what_the_function_returns(tmp_path) -> None:
    assert list(CAPITAL_COMPETITION) == COLUMNS
    empty = series("SPX", noise(1, 5)).iloc[:0]
    for name, closes in (("some", series("SPX", noise(24, 300))), ("none", empty)):
        found = capital_competition(closes, supply())
        with connect(tmp_path / f"{name}.duckdb") as con:
            replace_table(con, "capital_competition", CAPITAL_COMPETITION, found, build_id="b1")
            stored = con.execute(
                "select count(*), count(return_pct), count(*) filter (isnan(return_pct)) from analytics.capital_competition"
            ).fetchone()
        assert stored == (len(found), found["return_pct"].notna().sum(), 0)
