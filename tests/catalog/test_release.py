"""Release instants against facts of the publishers' calendars."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from orchestration.catalog import Catalog, ReleaseRule, load_catalog
from orchestration.catalog.release import (
    federal_holidays,
    release_calendar_frame,
    release_instants,
)
from orchestration.catalog.sessions import sessions_frame


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def known_at(rule: ReleaseRule, period: str) -> str:
    instant = release_instants(rule, np.array([period], dtype="datetime64[D]"))[0]
    return str(instant.strftime("%Y-%m-%dT%H:%MZ"))


FACTS = [
    # H.4.1: Thursday 16:30 New York; the clocks change on 2 November 2025.
    ("fred.WALCL", "2025-10-29", "2025-10-30T20:30Z"),
    ("fred.WTREGEN", "2025-11-05", "2025-11-06T21:30Z"),
    # Thanksgiving and a Thursday New Year push it to Friday.
    ("fred.WDTGAL", "2025-11-26", "2025-11-28T21:30Z"),
    ("fred.WALCL", "2025-12-31", "2026-01-02T21:30Z"),
    # The Treasury's statement: Friday's on Monday 16:00, Veterans Day skipped although the NYSE trades.
    ("fiscaldata.TGA_CLOSE", "2025-10-31", "2025-11-03T21:00Z"),
    ("fiscaldata.TGA_CLOSE", "2025-11-10", "2025-11-12T21:00Z"),
    ("fiscaldata.TGA_CLOSE", "2025-07-03", "2025-07-07T20:00Z"),
    # Reverse repo: 13:15 the same day. SOFR 08:00 and EFFR 09:00 on the next business day.
    ("fred.RRPONTSYD", "2025-11-12", "2025-11-12T18:15Z"),
    ("fred.SOFR", "2025-11-10", "2025-11-12T13:00Z"),
    ("fred.EFFR", "2025-11-07", "2025-11-10T14:00Z"),
    # A weekend day of DFF is out with Friday's, on Monday.
    ("fred.DFF", "2025-11-08", "2025-11-10T21:15Z"),
    ("fred.DFF", "2025-11-07", "2025-11-10T21:15Z"),
    # H.10: the whole week on Monday; on Tuesday when Monday is Columbus Day.
    ("fred.DTWEXBGS", "2025-11-07", "2025-11-10T21:15Z"),
    ("fred.DTWEXBGS", "2025-11-10", "2025-11-17T21:15Z"),
    ("fred.DTWEXBGS", "2025-10-10", "2025-10-14T20:15Z"),
    # Monthly: the 13th at 08:30, moved off a Saturday; December's belongs to the next year.
    ("fred.CPIAUCSL", "2025-06-01", "2025-07-14T12:30Z"),
    ("fred.CPIAUCSL", "2025-12-01", "2026-01-13T13:30Z"),
    # Crypto days end at midnight UTC; a London day ends at 23:00 UTC in summer.
    ("coinmetrics.btc.price", "2025-10-10", "2025-10-11T00:00Z"),
    ("yahoo.KRW=X", "2025-10-10", "2025-10-10T23:00Z"),
    ("yahoo.KRW=X", "2025-11-10", "2025-11-11T00:00Z"),
    # Sessions: Veterans Day trades, the day after Thanksgiving closes at 13:00, the VIX 15 minutes on.
    ("yahoo.^GSPC", "2025-11-11", "2025-11-11T21:00Z"),
    ("yahoo.^GSPC", "2025-11-28", "2025-11-28T18:00Z"),
    ("yahoo.^VIX", "2025-11-28", "2025-11-28T18:15Z"),
    ("yahoo.^VIX", "2025-10-10", "2025-10-10T20:15Z"),
    # Tokyo closes at 15:30 since 5 November 2024, at 15:00 before.
    ("yahoo.^N225", "2024-11-01", "2024-11-01T06:00Z"),
    ("yahoo.^N225", "2024-11-05", "2024-11-05T06:30Z"),
    ("yahoo.000001.SS", "2025-10-28", "2025-10-28T07:00Z"),
]


@pytest.mark.parametrize(("series_id", "period", "expected"), FACTS)
def test_known_at(catalog: Catalog, series_id: str, period: str, expected: str) -> None:
    assert known_at(catalog.find(series_id).release, period) == expected


def test_month_rule_stops_at_the_end_of_the_month() -> None:
    rule = ReleaseRule(id="x.end", kind="months", description="d", months=1, day_of_month=31, time="10:00", zone="UTC")
    assert known_at(rule, "2025-01-15") == "2025-02-28T10:00Z"


def test_federal_holidays_of_the_reserve_banks() -> None:
    days = {str(day) for day in federal_holidays(date(2020, 1, 1), date(2023, 12, 31))}
    assert "2021-06-18" not in days
    assert "2021-06-19" not in days
    assert {"2022-06-20", "2023-06-19", "2023-01-02", "2022-12-26", "2021-07-05"} <= days
    # Saturday holidays are not moved to Friday: Independence Day 2020 and Christmas 2021.
    assert "2020-07-03" not in days
    assert "2021-12-24" not in days
    assert len([day for day in days if day.startswith("2023")]) == 11


def test_calendar_frame_covers_every_day_of_every_rule(catalog: Catalog) -> None:
    rules = [rule for rule in catalog.releases if rule.kind != "session_close"]
    frame = release_calendar_frame(rules, date(1990, 1, 1), date(2026, 12, 17))
    assert list(frame.columns) == ["release_rule", "period_date", "known_at"]
    assert not frame.isna().any().any()
    assert set(frame.groupby("release_rule").size()) == {13500}
    assert not frame.duplicated(["release_rule", "period_date"]).any()
    assert str(frame["known_at"].dt.tz) == "UTC"
    for rule, group in frame.groupby("release_rule"):
        assert group["known_at"].is_monotonic_increasing, f"{rule}: a later period is public earlier"
        lag = group["known_at"] - group["period_date"].dt.tz_localize("UTC")
        assert lag.min() > pd.Timedelta(0), f"{rule}: public before the period began"


def test_every_rule_is_used(catalog: Catalog) -> None:
    assert {rule.id for rule in catalog.releases} == {series.release.id for series in catalog.series}


def test_session_rule_uses_given_sessions_and_falls_back_to_local_time(catalog: Catalog) -> None:
    rule = catalog.find("yahoo.^GSPC").release
    sessions = sessions_frame(date(2025, 11, 24), date(2025, 11, 28), ["XNYS"])
    frame = release_calendar_frame([rule], date(2025, 11, 27), date(2025, 11, 29), sessions)
    # Thursday is Thanksgiving and Saturday no session: regular closing time; Friday is a half day.
    assert [f"{t:%d %H:%M}" for t in frame["known_at"]] == ["27 21:00", "28 18:00", "29 21:00"]
