"""Imported calendars: CSV and ICS files in `<inbox>/calendar`, and by key CoinMarketCal or a JSON feed of one's own.

CSV columns, and fields of a feed's objects (a JSON list): title and start; end, time_zone, asset, kind, precision, date
(the day the calendar files the event under), description, url, status, uid when there are any. Times become UTC instants
and local days here; a time that cannot be read stays text and is quarantined. What the words mean is decided in dbt.
CoinMarketCal's v1 contract is [DOC] only: unverified against a recorded answer.
"""

from __future__ import annotations

import calendar
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from orchestration.extract.base import (
    Exchange,
    Plan,
    Request,
    Row,
    Rows,
    problem,
    read_csv,
    read_json,
    refuse_markup,
    require_keys,
    text,
)

FOLDER = "calendar"
SUFFIXES = (".csv", ".ics")
FIELDS = (
    "title",
    "start",
    "end",
    "time_zone",
    "asset",
    "kind",
    "precision",
    "date",
    "description",
    "url",
    "status",
    "uid",
)
PRECISIONS = ("instant", "day", "month", "quarter", "year", "about")
AHEAD = timedelta(days=365)
PAGE = 50


def files(plan: Plan) -> Iterator[tuple[Request, Path]]:
    """Every calendar file, oldest first, so that a file exported again under its name becomes the newer version."""
    found = [p for p in (plan.settings.inbox_dir / FOLDER).glob("*") if p.is_file() and p.suffix.lower() in SUFFIXES]
    for path in sorted(found, key=lambda path: (path.stat().st_mtime, path.name)):
        # A browser calls the second download of a file "name (1)".
        name = re.sub(r" \(\d+\)$", "", path.stem)
        context = {"format": path.suffix.lower()[1:], "calendar": name, "file": path.name}
        yield Request("calendar", f"file {path.name}", "", context=context, required=False, may_be_empty=True), path


def requests(plan: Plan) -> Iterator[Request]:
    """The feed whose address is set, else CoinMarketCal when a key is set, else nothing."""
    key = plan.settings.api_key("calendar")
    secret = {"x-api-key": key.get_secret_value()} if key else {}
    if getattr(plan.settings, "calendar_base_url", None):
        context = {"format": "json", "calendar": "feed"}
        yield Request("calendar", "feed", "", context=context, secret_headers=secret, required=False, may_be_empty=True)
    elif key:
        today = plan.now.astimezone(UTC).date()
        yield Request(
            "calendar",
            "CoinMarketCal",
            "/v1/events",
            {
                "page": "1",
                "max": str(PAGE),
                "dateRangeStart": (today - timedelta(days=plan.provider.look_back_days)).isoformat(),
                "dateRangeEnd": (today + AHEAD).isoformat(),
            },
            headers={"Accept": "application/json"},
            context={"format": "coinmarketcal", "calendar": "coinmarketcal"},
            secret_headers=secret,
            required=False,
            may_be_empty=True,
        )


def following(exchange: Exchange) -> Request | None:
    """CoinMarketCal's next page while its metadata says there is one."""
    if exchange.request.context["format"] != "coinmarketcal":
        return None
    page, pages = int(exchange.request.params["page"]), int(read_json(exchange)["_metadata"]["page_count"])
    if page >= pages:
        return None
    return replace(exchange.request, params={**exchange.request.params, "page": str(page + 1)})


def parse(exchange: Exchange) -> Rows:
    """The events as rows of calendar_events."""
    context = exchange.request.context
    found = _READERS[context["format"]](exchange)
    rows = [{**row, "calendar": context["calendar"], "file_name": context.get("file")} for row in found]
    return {"calendar_events": rows}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for a refused key and a wrong address."""
    if status in (401, 403):
        return "check TIDEGAUGE_CALENDAR_API_KEY, or unset it to leave the calendar out", True
    if status == 404:
        return "check TIDEGAUGE_CALENDAR_BASE_URL: it must be the address of the feed itself", True
    return None


# ------------------------------------------------------------------ CSV and JSON


def _csv(exchange: Exchange) -> list[Row]:
    try:
        exchange.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise problem(exchange, "the file is not UTF-8", 'save it as "CSV UTF-8"') from None
    header, lines = read_csv(exchange)
    header = [name.strip().lower() for name in header]
    require_keys(exchange, "the calendar", header, ("title", "start"))
    return [_row(dict(zip(header, line, strict=True))) for line in lines]


def _json(exchange: Exchange) -> list[Row]:
    body = read_json(exchange)
    if not isinstance(body, list) or not all(isinstance(entry, dict) for entry in body):
        raise problem(
            exchange, "the feed is not a list of objects", "see orchestration/extract/calendar.py for its fields"
        )
    for entry in body[:1]:
        require_keys(exchange, "the feed's first object", entry, ("title", "start"))
    return [_row(entry) for entry in body]


def _row(entry: Mapping[str, Any]) -> Row:
    """One event from the documented fields; others are kept aside."""
    given = {name: (text(entry.get(name)) or "").strip() or None for name in FIELDS}
    zone = given["time_zone"]
    start, end = _When(given["start"], zone), _When(given["end"] or given["start"], zone)
    precision = (given["precision"] or "").lower()
    extra = {name: value for name, value in entry.items() if name and name not in {*FIELDS, *_OWN}}
    return {
        **extra,
        "uid": given["uid"] or _digest(given["title"], given["asset"], given["start"]),
        "title": given["title"],
        "description": given["description"],
        "url": given["url"],
        "asset": given["asset"],
        "kind": given["kind"],
        "status": given["status"],
        "listed_date": given["date"],
        "start_date": start.first,
        "end_date": end.last,
        "starts_at": start.at,
        "ends_at": end.at if given["end"] else None,
        "precision": precision if precision in PRECISIONS else start.precision,
        "time_zone": start.zone,
    }


_OWN = ("calendar", "file_name", "listed_date", "start_date", "end_date", "starts_at", "ends_at")


class _When:
    """What a written time says: first and last local day, and the instant when it has an hour and a zone.

    An hour without a zone names no instant: the day is kept. What is no time at all stays as it is, for quarantine.
    """

    def __init__(self, written: str | None, zone: str | None) -> None:
        self.first: str | None = written or ""
        self.last: str | None = written or ""
        self.at: str | None = None
        self.zone, self.precision = zone, "day"
        period = re.fullmatch(r"(\d{4})(?:-(?:(\d\d)|[Qq]([1-4])))?", self.first or "")
        if period and period[1] != "0000":
            self._take_period(int(period[1]), period[2], period[3])
            return
        try:
            if re.fullmatch(r"\d{4}-\d\d-\d\d", self.first or ""):
                date.fromisoformat(self.first or "")
                return
            local = datetime.fromisoformat(self.first or "")
            if local.tzinfo is None and zone:
                local = local.replace(tzinfo=ZoneInfo(zone))
            elif local.tzinfo is not None:
                local = local.astimezone(ZoneInfo(zone)) if zone else local
                self.zone = zone or ("UTC" if local.utcoffset() == timedelta(0) else f"UTC{local.isoformat()[-6:]}")
        except (ValueError, OSError, LookupError, OverflowError):
            return
        self.first = self.last = local.date().isoformat()
        if local.tzinfo is not None:
            self.at, self.precision = _utc(local), "instant"

    def _take_period(self, year: int, month: str | None, quarter: str | None) -> None:
        if month and not 1 <= int(month) <= 12:
            return
        months = (int(month), int(month)) if month else (3 * int(quarter) - 2, 3 * int(quarter)) if quarter else (1, 12)
        self.precision = "month" if month else "quarter" if quarter else "year"
        self.first = date(year, months[0], 1).isoformat()
        self.last = date(year, months[1], calendar.monthrange(year, months[1])[1]).isoformat()


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _digest(*parts: str | None) -> str:
    return hashlib.sha256("\x1f".join(part or "" for part in parts).encode()).hexdigest()[:32]


# ------------------------------------------------------------------ ICS


def _ics(exchange: Exchange) -> list[Row]:
    from icalendar import Calendar

    refuse_markup(exchange)
    if not exchange.body.rstrip().endswith(b"END:VCALENDAR"):
        raise problem(exchange, "the file does not end as a calendar does", "export it again: it was cut short")
    found = Calendar.from_ical(exchange.body)
    zone = str(found.get("X-WR-TIMEZONE") or "") or None
    return [_event(exchange, event, zone) for event in found.walk("VEVENT")]


def _event(exchange: Exchange, event: Any, zone: str | None) -> Row:
    """One VEVENT; `zone` is the calendar's own, for times without any. The end of whole days is the day after the last."""
    title = str(event.get("SUMMARY") or "") or None
    if event.get("RRULE") or event.get("RDATE"):
        # Expanding would need a horizon, and so another answer on every day.
        raise problem(exchange, f"event {title!r} repeats by a rule, which is not expanded", "export its single dates")
    given = getattr(event.get("DTSTART"), "dt", None)
    ending = getattr(event.get("DTEND"), "dt", None)
    length = getattr(event.get("DURATION"), "dt", None)
    if ending is None and given is not None and length is not None:
        ending = given + length
    if ending is not None and not isinstance(ending, datetime) and ending > given:
        ending -= timedelta(days=1)
    named = str(event["DTSTART"].params.get("TZID") or "") if given is not None else ""
    start, end = _moment(given, named or zone), _moment(ending or given, named or zone)
    recurrence = getattr(event.get("RECURRENCE-ID"), "dt", None)
    uid = str(event.get("UID") or "") or _digest(title, start.first)
    return {
        "uid": f"{uid}/{recurrence.isoformat()}" if recurrence else uid,
        "title": title,
        "description": str(event.get("DESCRIPTION") or "") or None,
        "url": str(event.get("URL") or "") or None,
        "asset": None,
        "kind": None,
        "status": str(event.get("STATUS") or "").lower() or None,
        "listed_date": None,
        "start_date": start.first,
        "end_date": end.last,
        "starts_at": start.at,
        "ends_at": end.at if ending is not None else None,
        "precision": start.precision,
        "time_zone": start.zone,
    }


def _moment(given: date | datetime | None, zone: str | None) -> _When:
    if isinstance(given, datetime) and given.tzinfo is not None:
        when = _When(given.isoformat(), None)
        when.zone = zone if zone and given.utcoffset() != timedelta(0) else when.zone
        return when
    return _When(given.isoformat() if given is not None else None, zone if isinstance(given, datetime) else None)


# ------------------------------------------------------------------ CoinMarketCal


def _coinmarketcal(exchange: Exchange) -> list[Row]:
    body = read_json(exchange)
    require_keys(exchange, "the answer", body if isinstance(body, dict) else (), ("body", "_metadata"))
    rows = []
    for event in body["body"]:
        shown = str(event.get("displayed_date") or "").strip()
        day = str(event["date_event"])[:10]
        fields = {
            "title": _english(event.get("title")),
            "description": _english(event.get("description")),
            "start": _displayed(shown, day),
            "precision": "about" if event.get("can_occur_before") is True else None,
            "url": event.get("source") or event.get("proof"),
            "date": day,
        }
        # A coin each: two coins may share one event, and each may move its own price.
        for coin in event.get("coins") or [{}]:
            name = coin.get("id") or coin.get("symbol")
            rows.append(_row({**fields, "asset": name, "uid": f"{event['id']}:{name or ''}"}))
    return rows


def _english(value: Any) -> Any:
    return value.get("en") if isinstance(value, dict) else value


def _displayed(shown: str, day: str) -> str:
    """`November 2025`, `Q4 2025` and `2025` are as exact as they are shown; anything else is the day."""
    if quarter := re.fullmatch(r"Q([1-4]) (\d{4})", shown):
        return f"{quarter[2]}-Q{quarter[1]}"
    if re.fullmatch(r"\d{4}", shown):
        return shown
    if re.fullmatch(r"[A-Z][a-z]+ \d{4}", shown):
        return day[:7]
    return day


_READERS = {"csv": _csv, "json": _json, "ics": _ics, "coinmarketcal": _coinmarketcal}
