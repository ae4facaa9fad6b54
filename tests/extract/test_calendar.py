"""Imported calendars: what each kind of file and feed says about a time, and that its words stay words."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from orchestration.catalog import load_catalog
from orchestration.extract import calendar
from orchestration.extract.archive import Archive
from orchestration.extract.errors import PayloadError
from orchestration.extract.progress import Progress
from orchestration.extract.run import active_providers, harvest_archive, harvest_live
from tests.extract.helpers import NOW, WINDOW, arrow, dumps, exchange, plan, rows, settings
from tests.stub import Reply, Stub


def csv_file(*lines: str, name: str = "events"):
    body = "\n".join(lines) + "\n"
    return exchange("calendar", body.encode(), format="csv", calendar=name, file=f"{name}.csv")


def ics_file(*lines: str, head: str = "VERSION:2.0"):
    body = "\r\n".join(["BEGIN:VCALENDAR", head, "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", ""])
    return exchange("calendar", body.encode(), format="ics", calendar="events", file="events.ics")


def when(row: dict) -> tuple:
    return tuple(row[name] for name in ("start_date", "end_date", "starts_at", "precision", "time_zone"))


# ------------------------------------------------------------------ CSV


@pytest.mark.parametrize(
    ("start", "zone", "expected"),
    [
        ("2025-11-19", "", ("2025-11-19", "2025-11-19", None, "day", None)),
        ("2025-11", "", ("2025-11-01", "2025-11-30", None, "month", None)),
        ("2025-Q4", "", ("2025-10-01", "2025-12-31", None, "quarter", None)),
        ("2026", "", ("2026-01-01", "2026-12-31", None, "year", None)),
        ("2025-11-12T18:00Z", "", ("2025-11-12", "2025-11-12", "2025-11-12T18:00:00Z", "instant", "UTC")),
        ("2025-11-12 18:00+09:00", "", ("2025-11-12", "2025-11-12", "2025-11-12T09:00:00Z", "instant", "UTC+09:00")),
        # One instant, another day in the zone of the event.
        ("2025-11-13T03:00Z", "America/New_York", ("2025-11-12", "2025-11-12", "2025-11-13T03:00:00Z", "instant", "America/New_York")),
        ("2025-12-10 14:00", "America/New_York", ("2025-12-10", "2025-12-10", "2025-12-10T19:00:00Z", "instant", "America/New_York")),
        # An hour of no zone is no instant.
        ("2025-12-10 14:00", "", ("2025-12-10", "2025-12-10", None, "day", None)),
    ],
)  # fmt: skip
def test_a_time_says_as_much_as_is_written(start: str, zone: str, expected: tuple):
    (row,) = rows(csv_file("title,start,time_zone", f"x,{start},{zone}"))
    assert when(row) == expected


@pytest.mark.parametrize("start", ["", "soon", "2025-13", "2025-02-30", "29/11/2025", "2025-Q5", "0000", "99999-01-01"])
def test_what_is_no_time_stays_as_written_for_quarantine(start: str):
    (row,) = rows(csv_file("title,start", f"x,{start}"))
    assert (row["start_date"], row["starts_at"]) == (start, None)


def test_an_unknown_zone_gives_no_instant():
    (row,) = rows(csv_file("title,start,time_zone", "x,2025-11-12 18:00,Newyork"))
    assert (row["start_date"], row["starts_at"]) == ("2025-11-12 18:00", None)


def test_both_days_of_a_span_and_the_day_it_is_filed_under_are_kept():
    (row,) = rows(csv_file("Title, Start ,end,date,asset,precision", "sub0,2025-11-14,2025-11-16,2025-11-15,DOT,about"))
    assert (row["start_date"], row["end_date"], row["listed_date"]) == ("2025-11-14", "2025-11-16", "2025-11-15")
    assert (row["asset"], row["precision"]) == ("DOT", "about")


def test_an_event_without_uid_is_known_by_its_words_and_start():
    first, again, moved = (
        rows(csv_file("title,start,url", line))[0]["uid"]
        for line in ("x,2025-11-14,", "x,2025-11-14,https://example.org", "x,2025-11-15,")
    )
    assert first == again != moved


def test_columns_nobody_knows_are_kept_aside_and_replace_none_of_ours():
    table, unknown = arrow(csv_file("title,start,calendar,start_date,room", "x,2025-11-14,other,1999-01-01,7"))
    assert unknown == {"room"}
    assert (table["calendar"].to_pylist(), table["start_date"].to_pylist()) == (["events"], ["2025-11-14"])


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (b"title,when\nx,2025-11-14\n", "has no start"),
        ("title,start\n暗号,2025-11-14\n".encode("cp932"), "not UTF-8"),
        (b"title,start\nx,2025-11-14", "stops in the middle"),
        (b"<html></html>", "web page"),
    ],
)
def test_what_is_no_calendar_is_refused(body: bytes, match: str):
    with pytest.raises(PayloadError, match=match):
        rows(exchange("calendar", body, format="csv", calendar="events", file="events.csv"))


HOSTILE = [
    "=cmd|'/c calc'!A0",
    "<script>alert(1)</script>",
    "' union all select content from read_text('/etc/passwd') --",
    "{{ env_var('HOME') }}",
    "\u202egnp.exe",
    "a\x1b[31mred\x07",
    "../../etc/x",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_words_stay_words(words: str):
    feed = dumps([{"title": words, "start": "2025-11-14", "uid": words, "asset": words}])
    (row,) = rows(exchange("calendar", feed, format="json", calendar="feed"))
    assert (row["title"], row["uid"], row["asset"]) == (words, words, words)


# ------------------------------------------------------------------ ICS


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # The end of whole days is the day after the last one.
        (("DTSTART;VALUE=DATE:20251114", "DTEND;VALUE=DATE:20251117"), ("2025-11-14", "2025-11-16", None, "day", None)),
        (("DTSTART;VALUE=DATE:20251119",), ("2025-11-19", "2025-11-19", None, "day", None)),
        (("DTSTART;VALUE=DATE:20251117", "DURATION:P6D"), ("2025-11-17", "2025-11-22", None, "day", None)),
        (("DTSTART:20251112T180000Z", "DTEND:20251112T190000Z"), ("2025-11-12", "2025-11-12", "2025-11-12T18:00:00Z", "instant", "UTC")),
        (("DTSTART;TZID=America/New_York:20251210T140000",), ("2025-12-10", "2025-12-10", "2025-12-10T19:00:00Z", "instant", "America/New_York")),
        # Floating: no zone, no instant.
        (("DTSTART:20251210T140000",), ("2025-12-10", "2025-12-10", None, "day", None)),
    ],
)  # fmt: skip
def test_an_event_of_a_calendar_file(lines: tuple[str, ...], expected: tuple):
    (row,) = rows(ics_file("UID:1", "SUMMARY:x", *lines))
    assert when(row) == expected


def test_the_zone_of_the_calendar_stands_in_for_a_missing_one():
    (row,) = rows(ics_file("UID:1", "SUMMARY:x", "DTSTART:20251210T140000", head="X-WR-TIMEZONE:Asia/Tokyo"))
    assert when(row) == ("2025-12-10", "2025-12-10", "2025-12-10T05:00:00Z", "instant", "Asia/Tokyo")


def test_a_zone_that_the_file_defines_itself_is_used():
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Our Time\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0530\r\n"
        "TZOFFSETTO:+0530\r\nEND:STANDARD\r\nEND:VTIMEZONE"
    )
    (row,) = rows(ics_file("UID:1", "SUMMARY:x", "DTSTART;TZID=Our Time:20251112T010000", head=zone))
    assert when(row) == ("2025-11-12", "2025-11-12", "2025-11-11T19:30:00Z", "instant", "Our Time")


def test_words_of_an_event_are_unescaped_once():
    (row,) = rows(
        ics_file("UID:1", "SUMMARY:a\\, b\\; c", "DESCRIPTION:one\\ntwo", "URL:https://example.org", "STATUS:CANCELLED", "DTSTART:20251112T180000Z")
    )  # fmt: skip
    assert (row["title"], row["description"], row["url"], row["status"]) == (
        "a, b; c",
        "one\ntwo",
        "https://example.org",
        "cancelled",
    )


def test_an_event_that_repeats_is_refused_by_name():
    with pytest.raises(
        PayloadError, match="'Weekly call' repeats by a rule, which is not expanded: export its single dates"
    ):
        rows(ics_file("UID:1", "SUMMARY:Weekly call", "DTSTART:20251112T180000Z", "RRULE:FREQ=WEEKLY"))


def test_a_moved_instance_is_an_event_of_its_own():
    (row,) = rows(ics_file("UID:1", "SUMMARY:x", "RECURRENCE-ID:20251112T180000Z", "DTSTART:20251113T180000Z"))
    assert row["uid"] == "1/2025-11-12T18:00:00+00:00"


def test_an_event_without_a_start_is_quarantined():
    assert [row["start_date"] for row in rows(ics_file("UID:1", "SUMMARY:x"))] == [""]


def test_a_calendar_cut_anywhere_is_refused():
    given = ics_file("UID:1", "SUMMARY:x", "DTSTART:20251112T180000Z")
    for length in range(len(given.body.rstrip())):
        cut = exchange("calendar", given.body[:length], **given.request.context)
        with pytest.raises((PayloadError, ValueError)):
            rows(cut)


# ------------------------------------------------------------------ CoinMarketCal and a feed


def coinmarketcal(*events: dict, page: int = 1, pages: int = 1):
    body = dumps({"body": list(events), "_metadata": {"page": page, "page_count": pages}})
    return exchange("calendar", body, params={"page": str(page)}, format="coinmarketcal", calendar="coinmarketcal")


EVENT = {
    "id": 7,
    "title": {"en": "Unlock"},
    "coins": [{"id": "hyperliquid", "symbol": "HYPE"}, {"id": "bitcoin", "symbol": "BTC"}],
    "date_event": "2025-11-29T00:00:00Z",
    "displayed_date": "29 Nov 2025",
    "can_occur_before": False,
    "source": "https://example.org",
}


def test_an_event_of_two_coins_is_two_rows():
    found = rows(coinmarketcal(EVENT))
    assert [(row["uid"], row["asset"], row["start_date"], row["title"]) for row in found] == [
        ("7:hyperliquid", "hyperliquid", "2025-11-29", "Unlock"),
        ("7:bitcoin", "bitcoin", "2025-11-29", "Unlock"),
    ]


@pytest.mark.parametrize(
    ("shown", "before", "expected"),
    [
        ("29 Nov 2025", False, ("2025-11-29", "2025-11-29", "day")),
        ("November 2025", False, ("2025-11-01", "2025-11-30", "month")),
        ("Q4 2025", False, ("2025-10-01", "2025-12-31", "quarter")),
        ("2025", False, ("2025-01-01", "2025-12-31", "year")),
        ("29 Nov 2025", True, ("2025-11-29", "2025-11-29", "about")),
        ("", False, ("2025-11-29", "2025-11-29", "day")),
    ],
)
def test_a_date_is_as_exact_as_it_is_shown(shown: str, before: bool, expected: tuple):
    row = rows(coinmarketcal({**EVENT, "displayed_date": shown, "can_occur_before": before}))[0]
    assert (row["start_date"], row["end_date"], row["precision"]) == expected


def test_pages_are_followed_to_the_last():
    following = calendar.following(coinmarketcal(EVENT, page=1, pages=2))
    assert following is not None
    assert following.params["page"] == "2"
    assert calendar.following(coinmarketcal(EVENT, page=2, pages=2)) is None


def test_what_is_asked_depends_on_what_is_set():
    def asked(**given: str):
        return [(r.label, r.path) for r in calendar.requests(plan("calendar", settings(**given)))]

    assert asked() == []
    assert asked(calendar_api_key="k" * 20) == [("CoinMarketCal", "/v1/events")]
    assert asked(calendar_base_url="https://example.org/events.json") == [("feed", "")]


# ------------------------------------------------------------------ the inbox


def drop(inbox: Path, name: str, body: str, age: int = 0) -> Path:
    path = inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body)
    os.utime(path, (1_700_000_000 + age, 1_700_000_000 + age))
    return path


def harvested(given):
    reasons = {name: reason for name, reason in active_providers(given).items() if name in ("calendar", "tradingview")}
    with Progress() as progress:
        found = harvest_live(load_catalog(), given, lambda p, k: WINDOW, reasons, progress)
        return {harvest.provider: harvest for harvest in found}


def test_without_calendars_the_provider_is_left_out_and_says_where_it_looked(tmp_path: Path):
    reason = active_providers(settings(inbox=tmp_path))["calendar"]
    assert str(tmp_path / "calendar") in str(reason)
    assert "TIDEGAUGE_CALENDAR_API_KEY" in str(reason)


def test_files_are_read_oldest_first_and_a_second_download_is_the_same_calendar(tmp_path: Path):
    drop(tmp_path, "calendar/mine (1).csv", "title,start,uid\nx,2025-11-15,1\n", age=2)
    drop(tmp_path, "calendar/mine.csv", "title,start,uid\nx,2025-11-14,1\n", age=1)
    given = settings(inbox=tmp_path).at(NOW)
    table = harvested(given)["calendar"].tables["calendar_events"]
    assert table.select(["calendar", "start_date"]).to_pylist() == [
        {"calendar": "mine", "start_date": "2025-11-14"},
        {"calendar": "mine", "start_date": "2025-11-15"},
    ]
    assert table["_extracted_at"][0].as_py() < table["_extracted_at"][1].as_py()
    with Progress() as progress:
        replayed = {h.provider: h for h in harvest_archive(Archive(given.archive_dir), progress)}
    assert replayed["calendar"].tables["calendar_events"].sort_by("_extracted_at") == table.sort_by("_extracted_at")


def test_files_and_a_feed_are_read_in_one_run(tmp_path: Path, stub: Stub):
    drop(tmp_path, "calendar/mine.csv", "title,start\nx,2025-11-15\n")
    stub.script(Reply(json.dumps([{"title": "y", "start": "2025-11-16"}]).encode()))
    given = settings(inbox=tmp_path, calendar_base_url=stub.url).at(NOW)
    found = harvested(given)["calendar"]
    assert sorted(found.tables["calendar_events"]["calendar"].to_pylist()) == ["feed", "mine"]
    assert found.failures == []


def test_a_bad_calendar_does_not_spoil_the_others(tmp_path: Path):
    drop(tmp_path, "calendar/good.csv", "title,start\nx,2025-11-15\n")
    drop(tmp_path, "calendar/bad.ics", "BEGIN:VCALENDAR\r\n")
    found = harvested(settings(inbox=tmp_path).at(NOW))["calendar"]
    assert found.tables["calendar_events"].num_rows == 1
    assert "file bad.ics" in str(found.failures[0][0])
    assert found.required_failures == []


def test_a_file_nobody_reads_is_named_with_the_place_where_it_would_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    drop(tmp_path, "CRYPTOCAP_TOTAL.csv", "time,close\n2025-11-10,1\n2025-11-11,1\n")
    drop(tmp_path, "calendar/mine.csv", "title,start\nx,2025-11-15\n")
    for name in ("team.ics", "notes.csv", "calendar/plan.xlsx", "calendar/.DS_Store"):
        drop(tmp_path, name, "x\n")
    caplog.set_level(logging.WARNING)
    harvested(settings(inbox=tmp_path).at(NOW))
    named = [record.getMessage() for record in caplog.records if "nobody reads" in record.getMessage()]
    assert [message.split("'")[1] for message in named] == ["calendar/plan.xlsx", "notes.csv", "team.ics"]
    assert all(str(tmp_path / "calendar") in message for message in named)
