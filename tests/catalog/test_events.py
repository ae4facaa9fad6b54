"""Dated facts against what the Federal Reserve did, and the releases that count as events."""

from __future__ import annotations

import csv
import gzip
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from orchestration.catalog import CatalogError, load_catalog
from orchestration.catalog.events import facts_frame, load_events, meetings_frame, releases_frame
from orchestration.catalog.loader import DIRECTORY, EVENTS_FILE
from tests.conftest import SHARED

MIRROR = SHARED / "mirror" / "data" / "fred_observations.csv.gz"


@pytest.fixture(scope="module")
def target_range() -> dict[date, tuple[float, float]]:
    """Lower and upper limit in force on each day, percent, as FRED has them."""
    if not MIRROR.is_file():
        pytest.skip(f"no real target range at {MIRROR}")
    found: dict[str, dict[date, float]] = {"DFEDTARL": {}, "DFEDTARU": {}}
    with gzip.open(MIRROR, "rt") as file:
        for series, day, value in csv.reader(file):
            if series in found:
                found[series][date.fromisoformat(day)] = float(value)
    return {day: (lower, found["DFEDTARU"][day]) for day, lower in found["DFEDTARL"].items()}


def test_every_decision_is_the_range_in_force_the_next_day(target_range: dict[date, tuple[float, float]]) -> None:
    decided = [m for year in load_events().fomc.years for m in year.meetings if m.lower_pct is not None]
    compared = {m.end: target_range.get(m.end + timedelta(days=1)) for m in decided}
    assert {m.end: (m.lower_pct, m.upper_pct) for m in decided} == compared
    assert len(decided) == 54


def test_every_change_of_the_range_since_2020_was_decided_at_a_meeting(
    target_range: dict[date, tuple[float, float]],
) -> None:
    days = sorted(day for day in target_range if day >= date(2020, 1, 1))
    changed = {b - timedelta(days=1) for a, b in pairwise(days) if target_range[a] != target_range[b]}
    meetings = {m.end for year in load_events().fomc.years for m in year.meetings}
    assert len(changed) == 19
    assert changed <= meetings


def test_statements_are_instants_in_new_york() -> None:
    frame = meetings_frame(load_events()).set_index("end_date")
    shown = {
        day: frame.loc[date.fromisoformat(day), "statement_at"].strftime("%H:%MZ")
        for day in ("2025-10-29", "2025-12-10")
    }
    assert shown == {"2025-10-29": "18:00Z", "2025-12-10": "19:00Z"}
    emergency = frame[~frame["is_scheduled"]]
    assert [str(at) for at in emergency["statement_at"]] == ["2020-03-03 15:00:00+00:00", "2020-03-15 21:00:00+00:00"]
    assert (emergency["announced_at"] == emergency["statement_at"]).all()


def test_no_meeting_was_held_before_its_date_was_known() -> None:
    frame = meetings_frame(load_events())
    assert (frame["announced_at"] <= frame["statement_at"]).all()


def test_there_are_eight_scheduled_meetings_a_year() -> None:
    counts = {y.year: sum(m.is_scheduled for m in y.meetings) for y in load_events().fomc.years}
    assert counts == {2020: 7, **dict.fromkeys(range(2021, 2028), 8)}  # March 2020 was brought forward


def test_the_end_of_the_long_shutdown_was_not_known_on_its_last_afternoon() -> None:
    frame = facts_frame(load_events()).set_index("fact_id")
    assert str(frame.loc["shutdown-2025-10", "end_announced_at"]) > "2025-11-12 22:00"
    assert (frame["end_announced_at"].dropna() >= frame.loc[frame["end_date"].notna(), "announced_at"]).all()


def test_a_release_is_dated_by_its_rule_and_by_its_exception() -> None:
    frame = releases_frame(load_catalog(), date(2025, 8, 1), date(2025, 12, 31))
    shown = {
        (row.release_rule, f"{row.period_date:%Y-%m-%d}"): (f"{row.scheduled_at:%m-%dT%H:%M}", f"{row.excepted_at:%m-%dT%H:%M}" if row.excepted_at == row.excepted_at else None)
        for row in frame.itertuples()
    }  # fmt: skip
    assert shown["fred.h41", "2025-10-29"] == ("10-30T20:30", None)
    assert shown["fred.h41", "2025-11-26"] == ("11-28T21:30", None)
    assert shown["fiscaldata.dts", "2025-11-10"] == ("11-12T21:00", None)
    assert shown["fred.cpi", "2025-09-01"] == ("10-14T12:30", "10-24T12:30")
    assert ("fiscaldata.dts", "2025-11-11") not in shown  # Veterans Day
    assert ("fred.h41", "2025-10-30") not in shown
    assert sum(rule == "fred.cpi" for rule, _ in shown) == 5


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        (("fomc", "years", 0, "meetings", 0, "end"), date(2020, 1, 27), "end: lies before start"),
        (("fomc", "years", 0, "meetings", 0, "lower_pct"), None, "give both or neither"),
        (("fomc", "years", 0, "meetings", 0, "upper_pct"), 1.25, "must be below upper_pct"),
        (("fomc", "years", 0, "year"), 2019, "does not end in 2019"),
        (("fomc", "zone"), "Newyork", "no IANA time zone"),
        (("facts", 0, "kind"), "party", "must be 'shutdown' or 'policy'"),
        (("facts", 0, "end_announced_at"), None, "end and end_announced_at: give both or neither"),
        (("facts", 1, "id"), "shutdown-2013", "listed twice"),
        (("other",), 1, "field other: unknown"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, path: tuple[str | int, ...], value: object, match: str) -> None:
    document = yaml.safe_load((DIRECTORY / EVENTS_FILE).read_text("utf-8"))
    *way, last = path
    place = document
    for step in way:
        place = place[step]
    place[last] = value
    (tmp_path / EVENTS_FILE).write_text(yaml.safe_dump(document))
    with pytest.raises(CatalogError, match=match) as caught:
        load_events(tmp_path)
    assert str(caught.value).startswith("catalog/events.yml: ")


def test_meetings_out_of_order_are_refused(tmp_path: Path) -> None:
    document = yaml.safe_load((DIRECTORY / EVENTS_FILE).read_text("utf-8"))
    document["fomc"]["years"].reverse()
    (tmp_path / EVENTS_FILE).write_text(yaml.safe_dump(document))
    with pytest.raises(CatalogError, match="order them by date"):
        load_events(tmp_path)
