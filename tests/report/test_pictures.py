"""What is drawn, from which day on, and what is said when it cannot be."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from orchestration.report import frames
from orchestration.report.charts import BLUE, GREEN, GREY, PURPLE, VERMILLION, Look
from orchestration.report.pictures import all_pictures, rebased
from orchestration.report.texts import number, percent, usd


@pytest.fixture
def pictures(con, facts):
    return {each.number: each for each in all_pictures(con, facts)}


def drawn(con, facts, number):
    return {each.number: each for each in all_pictures(con, facts)}[number]


def test_ten_pictures_are_drawn_each_with_source_as_of_bar_and_definition(pictures):
    assert list(pictures) == list(range(1, 11))
    for picture in pictures.values():
        assert picture.panels, picture.key
        assert picture.known_at is not None
        for part in ("source", "bar", "definition"):
            assert picture.text[part].en
            assert picture.text[part].ja


def test_a_comparison_starts_at_one_hundred_on_its_stated_day_and_says_what_another_base_would_give(pictures):
    picture = pictures[1]
    assert picture.base.en == "2024-11-12"
    first = picture.panels[0].data.groupby("series").first()
    assert set(first["value"]) == {100.0}
    assert set(first["day"]) == {pd.Timestamp("2024-11-12")}
    stated, other = (note.en for note in picture.notes)
    assert "TOTAL +99.6" in stated
    assert "S&P 500 +10.0" in stated
    assert "from 2024-11-01" in other


def test_a_base_day_without_a_session_takes_the_close_before_it():
    closes = pd.DataFrame({"day": pd.to_datetime(["2024-11-08", "2024-11-11"]), "series": "a", "value": [50.0, 75.0]})
    assert rebased(closes, date(2024, 11, 10))["value"].tolist() == [150.0]
    assert rebased(closes, date(2024, 11, 7)).empty


def test_a_line_ends_where_days_are_missing():
    days = pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-06", "2025-01-07"])
    frame = pd.DataFrame({"day": days, "series": "a", "value": [1.0, 2.0, 3.0, 4.0]})
    gapped = frames.with_gaps(frame, 1)
    assert gapped["day"].dt.day.tolist() == [1, 2, 3, 6, 7]
    assert gapped["value"].isna().tolist() == [False, False, True, False, False]
    assert len(frames.with_gaps(frame, 4)) == 4


def test_a_missing_session_of_an_exchange_leaves_a_hole(con, facts):
    con.execute(
        "delete from marts.equity_returns where index_id = '^KS11' and session_date = '2025-06-04'; "
        "update marts.equity_returns set sessions_missing = 1 where index_id = '^KS11' and session_date = '2025-06-05'"
    )
    data = drawn(con, facts, 8).panels[0].data
    hole = data[(data["series"] == "^KS11") & (data["day"] == "2025-06-04")]
    assert hole["value"].isna().tolist() == [True]


@pytest.mark.parametrize(
    ("broken", "number", "said"),
    [
        ("delete from marts.market_cap_totals where index_id = 'TOTAL3'", 1, "TOTAL3. Source: tradingview"),
        (
            "delete from marts.equity_returns where index_id = '000001.SS'",
            8,
            "Shanghai Composite. Source: yahoo.000001.SS",
        ),
        ("delete from marts.liquidity", 3, "daily close (DTS). Source: fiscaldata.TGA_CLOSE"),
        ("delete from marts.liquidity", 4, "effective rate (EFFR). Source: fred.EFFR"),
        (
            "delete from marts.liquidity where day > '2025-09-01'",
            6,
            "VIX. Source: cboe.VIX, nothing newer than 2025-09-01",
        ),
        ("delete from marts.unlocks", 2, "unlock schedules of these three months. Source: llama, nothing held so far"),
        ("update marts.unlocks set value_at_unlock_usd = null", 2, "Source: coingecko, nothing newer than 2025-11-12"),
        (
            "delete from marts.market_cap_changes where day = '2025-11-11'",
            10,
            "Source: coingecko, nothing newer than 2024-11-12",
        ),
    ],
)
def test_a_missing_source_is_named_with_the_last_day_held(con, facts, broken, number, said):
    con.execute(broken)
    texts = " ".join(each.text().en for each in drawn(con, facts, number).missing)
    assert said in texts


def test_a_picture_without_any_data_has_no_chart(con, facts):
    con.execute("delete from marts.liquidity")
    for each in (3, 4, 5, 6):
        picture = drawn(con, facts, each)
        assert not picture.panels
        assert picture.missing


def test_unlocks_of_two_sources_stand_beside_each_other_and_are_never_added(pictures):
    weeks = next(panel for panel in pictures[2].panels if panel.name == "p2a")
    october = weeks.data[weeks.data["week"] == "2025-10-13"].set_index("series")["value"]
    assert october.to_dict() == {"defillama/cliff": 2.0, "tokenomist/cliff": 3.0}
    encoding = weeks.draw(Look("en")).to_dict()["layer"][0]["encoding"]
    assert encoding["xOffset"]["field"] == "source"
    sums = {note.en for note in pictures[2].notes[1:]}
    assert {"defillama, cliffs: $2.0m.", "tokenomist, cliffs: $3.0m."} <= sums


def test_a_linear_unlock_counts_by_the_days_that_fall_into_the_week(con):
    # One token and 0.1 million USD a day; 12 to 17 August are six days of its week.
    weekly = frames.unlocks_by_week(con, date(2025, 8, 12), date(2025, 11, 12))
    linear = weekly[weekly["kind"] == "linear"].set_index("day")["value"]
    assert linear[pd.Timestamp("2025-08-11")] == pytest.approx(0.6e6)
    assert linear[pd.Timestamp("2025-08-18")] == pytest.approx(0.7e6)
    assert linear.sum() == pytest.approx(4.8e6)


def test_sums_in_dollars_are_not_drawn_when_most_rows_have_no_price(con, facts):
    con.execute("update marts.unlocks set value_at_unlock_usd = null where kind = 'cliff'")
    picture = drawn(con, facts, 2)
    assert [panel.name for panel in picture.panels] == ["p2b"]
    assert not any("$" in note.en for note in picture.notes)


def test_the_effects_of_the_waterfall_lead_from_the_first_total_to_the_last(pictures):
    steps = pictures[10].panels[0].data
    assert steps["value"].tolist() == [1000.0, 100.0, 60.0, 30.0, 20.0, -10.0, 1200.0]
    assert steps.iloc[-2]["low"] == 1200.0
    assert "dilution +9.1" in pictures[10].notes[0].en


def test_the_time_a_rate_stood_lower_leaves_gaps_out(con, facts):
    con.execute("delete from marts.liquidity where day between '2021-01-01' and '2025-10-01'")
    note = next(each.en for each in drawn(con, facts, 4).notes if "upper bound" in each.en)
    assert "stood lower 0 % of the time" in note


def test_the_calendar_shows_what_lies_ahead_with_its_doubts(pictures):
    rows = {row["title"]: (row["day"], row["kind"].en) for row in pictures[9].rows}
    assert rows == {
        "AMA · ⚠ words name another month": ("2025-11-12", "imported calendars"),
        "APT · 10 tokens": ("2025-11-20", "unlocks"),
        "FOMC meeting · 12-09 – 12-10": ("2025-12-09", "FOMC"),
    }
    lasting = pictures[9].panels[0].data.set_index("series").loc["shutdown"]
    assert lasting["day"] == pd.Timestamp("2025-10-29")
    assert lasting["title"] == "Lapse of funding · since 2025-10-01"


def test_without_a_calendar_its_picture_says_so(con, facts):
    con.execute("drop table marts.events")
    picture = drawn(con, facts, 9)
    assert not picture.panels
    assert "marts.events" in picture.missing[0].text().en


def test_a_report_of_the_past_ends_on_its_day(con, facts):
    past = dataclasses.replace(facts, as_of=datetime(2025, 10, 30, 20, 29, tzinfo=UTC))
    for picture in all_pictures(con, past):
        for panel in picture.panels:
            if "day" in panel.data and picture.number != 9:
                assert panel.data["day"].max() <= pd.Timestamp("2025-10-30"), picture.key


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("is_excerpt", [True, False])
def test_every_chart_is_valid_vega_lite(pictures, language, is_excerpt):
    for picture in pictures.values():
        for panel in picture.panels:
            chart = panel.draw(Look(language, is_excerpt=is_excerpt)).to_dict(validate=True)
            texts = [layer["mark"].get("text") for layer in chart["layer"]]
            assert any(texts) == is_excerpt


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("color", [BLUE, VERMILLION, GREEN, PURPLE, GREY])
@pytest.mark.parametrize("paper", ["#ffffff", "#14171c"])
def test_every_colour_stands_out_on_both_papers(color, paper):
    low, high = sorted((luminance(color), luminance(paper)))
    assert (high + 0.05) / (low + 0.05) >= 3


def test_dollars_are_written_as_each_language_writes_them():
    assert (usd(957.99e9).en, usd(957.99e9).ja) == ("$957.99bn", "9,579.9億ドル")
    assert (usd(-3.5e12).en, usd(-3.5e12).ja) == ("−$3.50tn", "−3.50兆ドル")
    assert usd(0).en == "$0"


@pytest.mark.parametrize("unknown", [None, float("nan"), pd.NA, pd.NaT])
def test_what_is_not_known_is_a_dash_whatever_the_column_calls_it(unknown):
    assert (number(unknown), percent(unknown)) == ("–", "–\u00a0%")
