"""The .ics of a release: what is ahead, dated as exactly as it is known, the same bytes for the same events."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from icalendar import Calendar

from orchestration.warehouse.calendar_file import calendar_ahead

NOW = datetime(2025, 11, 12, 22, 0, tzinfo=UTC)

ROWS = """
    ('fomc:2025-10-29', 'fomc', 'FOMC meeting', null, null, '2025-10-28', '2025-10-29', '2025-10-29 18:00:00Z', null, 'instant', null, null),
    ('fomc:2025-12-10', 'fomc', 'FOMC meeting', null, 'https://example.org/a', '2025-12-09', '2025-12-10', '2025-12-10 19:00:00Z', null, 'instant', null, null),
    ('just now', 'macro_release', 'Statement', null, null, '2025-11-12', '2025-11-12', '2025-11-12 22:00:00Z', null, 'instant', null, null),
    ('this morning', 'macro_release', 'Statement', null, null, '2025-11-12', '2025-11-12', '2025-11-12 13:00:00Z', null, 'instant', null, null),
    ('talk', 'other', 'Talk', null, null, '2025-11-12', '2025-11-12', '2025-11-12 21:00:00Z', '2025-11-12 23:00:00Z', 'instant', null, null),
    ('shutdown', 'shutdown', 'Shutdown', null, null, '2025-10-01', null, null, null, 'day', null, null),
    ('span', 'other', E'sub0; a, b\nand\rmore', E'one\ntwo', null, '2025-11-10', '2025-11-16', null, null, 'day', null, 'sources_disagree'),
    ('yesterday', 'other', 'Gone', null, null, '2025-11-10', '2025-11-11', null, null, 'day', null, null),
    ('cpi', 'macro_release', 'CPI', null, null, '2025-12-15', '2025-12-15', null, null, 'about', null, null),
    ('unlock', 'unlock', 'HYPE unlock', null, null, '2025-11-29', '2025-11-29', null, null, 'day', 9920000.0, null)
"""


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(
        f"""
        set TimeZone = 'UTC'; create schema marts;
        create table marts.events as select *, 'here' as source, 'UTC' as time_zone, start_text::date as start_date,
            end_text::date as end_date, at_text::timestamptz as event_at, ends_text::timestamptz as ends_at
        from (values {ROWS}) as t (event_id, kind, title, description, url, start_text, end_text, at_text, ends_text,
            precision, amount_tokens, conflict_reason)
        """
    )
    return con


def events(content: bytes) -> dict[str, dict]:
    return {str(e["UID"]).removesuffix("@tidegauge"): e for e in Calendar.from_ical(content).walk("VEVENT")}


def test_only_what_ends_now_or_later_is_ahead(con: duckdb.DuckDBPyConnection) -> None:
    found = events(calendar_ahead(con, NOW, stamped=NOW))
    assert set(found) == {"fomc:2025-12-10", "just now", "talk", "shutdown", "span", "cpi", "unlock"}
    earlier = events(calendar_ahead(con, datetime(2025, 10, 29, 12, tzinfo=UTC), stamped=NOW))
    assert "fomc:2025-10-29" in earlier


def test_an_instant_is_an_instant_and_a_day_is_a_day(con: duckdb.DuckDBPyConnection) -> None:
    found = events(calendar_ahead(con, NOW, stamped=NOW))
    meeting, talk, span = found["fomc:2025-12-10"], found["talk"], found["span"]
    assert (meeting["DTSTART"].dt, "DTEND" in meeting) == (datetime(2025, 12, 10, 19, tzinfo=UTC), False)
    assert talk["DTEND"].dt - talk["DTSTART"].dt == timedelta(hours=2)
    assert (span["DTSTART"].dt, span["DTEND"].dt) == (date(2025, 11, 10), date(2025, 11, 17))
    assert (found["shutdown"]["DTSTART"].dt, found["shutdown"]["DTEND"].dt) == (date(2025, 10, 1), date(2025, 11, 13))
    assert b"DTSTART;VALUE=DATE:20251129" in calendar_ahead(con, NOW, stamped=NOW)


def test_doubt_is_shown(con: duckdb.DuckDBPyConnection) -> None:
    found = events(calendar_ahead(con, NOW, stamped=NOW))
    assert {name: str(event["STATUS"]) for name, event in found.items() if event["STATUS"] != "CONFIRMED"} == {
        "span": "TENTATIVE",
        "cpi": "TENTATIVE",
    }
    assert "Conflict: sources_disagree" in str(found["span"]["DESCRIPTION"])
    assert "Precision: about" in str(found["cpi"]["DESCRIPTION"])
    assert "Tokens: 9,920,000" in str(found["unlock"]["DESCRIPTION"])
    assert str(found["fomc:2025-12-10"]["URL"]) == "https://example.org/a"


def test_words_open_no_line_of_their_own(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update marts.events set title = E'x\r\nEND:VEVENT\r\nBEGIN:VALARM' where event_id = 'unlock'")
    content = calendar_ahead(con, NOW, stamped=NOW)
    assert b"\r\nBEGIN:VALARM" not in content
    assert content.count(b"\r\nEND:VEVENT\r\n") == content.count(b"\r\nBEGIN:VEVENT\r\n") == 7
    assert str(events(content)["span"]["SUMMARY"]) == "sub0; a, b\nand more"


def test_the_same_events_and_stamp_give_the_same_bytes(con: duckdb.DuckDBPyConnection) -> None:
    first = calendar_ahead(con, NOW, stamped=NOW)
    con.execute("create or replace table marts.events as from marts.events order by event_id desc")
    assert calendar_ahead(con, NOW, stamped=NOW) == first
    assert b"DTSTAMP:20251112T220000Z" in first
    assert calendar_ahead(con, NOW, stamped=NOW + timedelta(days=1)) != first


def test_nothing_ahead_is_still_a_calendar(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("delete from marts.events")
    content = calendar_ahead(con, NOW, stamped=NOW)
    assert content.startswith(b"BEGIN:VCALENDAR\r\n")
    assert content.endswith(b"END:VCALENDAR\r\n")
