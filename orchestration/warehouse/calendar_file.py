"""What is ahead in `marts.events` as an iCalendar file (RFC 5545) that any calendar program reads.

Which events there are, and what they say, is decided in dbt.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb

NAME = "calendar.ics"

# An event without an end goes on: it is ahead as long as it lasts.
_AHEAD = """
    select event_id, kind, source, title, description, url, start_date, end_date, event_at, ends_at, precision, time_zone,
        amount_tokens, conflict_reason
    from marts.events
    where case
        when event_at is not null then coalesce(ends_at, event_at) >= $instant::timestamptz
        else coalesce(end_date >= ($instant::timestamptz at time zone 'UTC')::date, true)
    end
    order by start_date, event_id
"""


def calendar_ahead(con: duckdb.DuckDBPyConnection, instant: datetime, *, stamped: datetime) -> bytes:
    """Events that end at `instant` or later, as the bytes of an .ics file; the same events and stamp give the same bytes.

    stamped: when the file was made (DTSTAMP).
    """
    from icalendar import Calendar, Event

    calendar = Calendar()
    for name, value in (("prodid", "-//Tidegauge//events//EN"), ("version", "2.0"), ("method", "PUBLISH")):
        calendar.add(name, value)
    calendar.add("x-wr-calname", "Tidegauge: what is ahead")
    stamp = stamped.astimezone(UTC).replace(microsecond=0)
    rows = con.execute(_AHEAD, {"instant": instant})
    names = [column[0] for column in rows.description]
    for row in (dict(zip(names, values, strict=True)) for values in rows.fetchall()):
        event = Event()
        event.add("uid", f"{_plain(row['event_id'])}@tidegauge")
        event.add("dtstamp", stamp)
        event.add("summary", _plain(row["title"]))
        event.add("description", _plain("\n".join(_lines(row))))
        event.add("categories", [row["kind"]])
        event.add("transp", "TRANSPARENT")
        event.add("status", "TENTATIVE" if row["conflict_reason"] or row["precision"] == "about" else "CONFIRMED")
        if row["url"]:
            event.add("url", row["url"])
        if row["event_at"] is not None:
            event.add("dtstart", row["event_at"].astimezone(UTC))
            if row["ends_at"] is not None:
                event.add("dtend", row["ends_at"].astimezone(UTC))
        else:
            event.add("dtstart", row["start_date"])
            # The day after the last one; what still goes on reaches to today.
            last = row["end_date"] or instant.astimezone(UTC).date()
            event.add("dtend", last + timedelta(days=1))
        calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def _lines(row: dict[str, object]) -> list[str]:
    days = f"{row['start_date']} to {row['end_date'] or 'unknown'}"
    told = {
        "": row["description"],
        "Days": days if row["end_date"] != row["start_date"] else None,
        "Tokens": f"{row['amount_tokens']:,.0f}" if row["amount_tokens"] is not None else None,
        "Precision": row["precision"] if row["precision"] not in ("instant", "day") else None,
        "Time zone": row["time_zone"],
        "Conflict": row["conflict_reason"],
        "Source": row["source"],
    }
    return [f"{name}: {value}" if name else str(value) for name, value in told.items() if value is not None]


def _plain(text: str) -> str:
    """No control sign but the line end, which iCalendar escapes."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)
