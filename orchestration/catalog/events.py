"""Dated facts of `events.yml` (FOMC meetings, shutdowns, policy dates), and the releases that count as events, as tables.

From when something may be shown, and where dates disagree, is decided in dbt.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from orchestration.catalog.loader import DIRECTORY, EVENTS_FILE, build_entry, read_document
from orchestration.catalog.models import Catalog, CatalogError, Clock, Entry, HttpsUrl, Instant, Series, Text, Zone
from orchestration.catalog.release import WEEKDAYS, federal_holidays, release_instants

if TYPE_CHECKING:
    import pandas as pd

    from orchestration.catalog.release import Days

Percent = Annotated[float, Field(ge=-2, le=25)]


class Meeting(Entry):
    """An FOMC meeting; the target range is the one decided there, percent, in force from the day after `end`."""

    start: date
    end: date
    statement: Clock | None = None
    is_scheduled: bool = True
    lower_pct: Percent | None = None
    upper_pct: Percent | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.end < self.start:
            raise ValueError("end: lies before start")
        if (self.lower_pct is None) != (self.upper_pct is None):
            raise ValueError("lower_pct and upper_pct: give both or neither")
        if self.lower_pct is not None and self.upper_pct is not None and self.lower_pct >= self.upper_pct:
            raise ValueError("lower_pct: must be below upper_pct")
        return self


class MeetingYear(Entry):
    """The meetings of one year, where they are published, and since when their dates were."""

    year: int
    url: HttpsUrl
    announced_at: Instant | None = None
    meetings: tuple[Meeting, ...]

    @model_validator(mode="after")
    def _own_year(self) -> Self:
        for meeting in self.meetings:
            if meeting.end.year != self.year:
                raise ValueError(f"{meeting.end} does not end in {self.year}; move it")
        return self


class Fomc(Entry):
    """Every meeting, and the local hour of the statement on its last day."""

    zone: Zone
    statement: Clock
    years: tuple[MeetingYear, ...]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for earlier, later in pairwise(meeting.end for year in self.years for meeting in year.meetings):
            if later <= earlier:
                raise ValueError(f"the meeting of {later} stands after that of {earlier}; order them by date")
        return self


class Fact(Entry):
    """A shutdown or a policy date. `end_announced_at` says from when the end was known, where that came later."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    kind: Literal["shutdown", "policy"]
    title: Text
    start: date
    end: date | None = None
    zone: Zone = "America/New_York"
    announced_at: Instant
    end_announced_at: Instant | None = None
    description: Text
    url: HttpsUrl

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError("end: lies before start")
        if (self.end is None) != (self.end_announced_at is None):
            raise ValueError("end and end_announced_at: give both or neither")
        return self


class Events(Entry):
    """What is kept by hand."""

    fomc: Fomc
    facts: tuple[Fact, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for fact_id, count in Counter(fact.id for fact in self.facts).items():
            if count > 1:
                raise ValueError(f"facts {fact_id}: is listed twice; keep one")
        return self


def load_events(directory: Path | None = None) -> Events:
    """Read and check `events.yml` of `directory` (default: the one this package carries).

    Raises:
        CatalogError: naming the field.
    """
    where = f"catalog/{EVENTS_FILE}"
    return build_entry(Events, read_document((directory or DIRECTORY) / EVENTS_FILE, where), where, "")


def meetings_frame(events: Events) -> pd.DataFrame:
    """`catalog.fomc_meetings`. The date of an unscheduled meeting becomes public with its statement.

    Where the day on which a year's dates were published is not recorded, 1 January of that year stands in.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for year in events.fomc.years:
        announced_at = year.announced_at or datetime(year.year, 1, 1, tzinfo=UTC)
        for meeting in year.meetings:
            statement_at = _instant(meeting.end, meeting.statement or events.fomc.statement, events.fomc.zone)
            rows.append(
                {
                    "start_date": meeting.start,
                    "end_date": meeting.end,
                    "time_zone": events.fomc.zone,
                    "statement_at": statement_at,
                    "is_scheduled": meeting.is_scheduled,
                    "target_lower_pct": meeting.lower_pct,
                    "target_upper_pct": meeting.upper_pct,
                    "note": meeting.note,
                    "url": year.url,
                    "announced_at": announced_at if meeting.is_scheduled else statement_at,
                }
            )
    return pd.DataFrame(rows).astype({"target_lower_pct": float, "target_upper_pct": float})


def facts_frame(events: Events) -> pd.DataFrame:
    """`catalog.dated_facts`."""
    import pandas as pd

    rows = [
        {
            "fact_id": fact.id,
            "kind": fact.kind,
            "title": fact.title,
            "description": fact.description,
            "start_date": fact.start,
            "end_date": fact.end,
            "time_zone": fact.zone,
            "announced_at": fact.announced_at,
            "end_announced_at": fact.end_announced_at,
            "url": fact.url,
        }
        for fact in events.facts
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(end_announced_at=pd.to_datetime(frame["end_announced_at"], utc=True))


def releases_frame(catalog: Catalog, start: date, end: date) -> pd.DataFrame:
    """`catalog.releases`: one row per release rule that carries an `event`, and period from `start` to `end`.

    scheduled_at is the rule's instant, excepted_at the real one of a period that left the rule.
    """
    import pandas as pd

    parts = []
    for rule in catalog.releases:
        if rule.event is None:
            continue
        provider = rule.id.split(".", 1)[0]
        members = {series.key: series for series in catalog.series if series.release.id == rule.id}
        if not members:
            raise CatalogError(f"catalog/{provider}.yml: releases {rule.id}: field event: no series has this rule")
        periods = _periods(next(iter(members.values())), start, end)
        exceptions = {e.period: e.known_at for e in catalog.provider(provider).exceptions if e.key in members}
        excepted = pd.Series([exceptions.get(period) for period in periods.astype(object)], dtype=object)
        parts.append(
            pd.DataFrame(
                {
                    "release_rule": rule.id,
                    "provider": provider,
                    "title": rule.event.title,
                    "description": rule.description,
                    "precision": rule.event.precision,
                    "time_zone": rule.zone,
                    "url": rule.event.url,
                    "period_date": periods.astype("datetime64[us]"),
                    "scheduled_at": release_instants(rule, periods),
                    "excepted_at": pd.to_datetime(excepted, utc=True),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _periods(series: Series, start: date, end: date) -> Days:
    """The days on which a weekly, monthly or federal business-day series has a period."""
    import numpy as np

    days: Days = np.arange(np.datetime64(start, "D"), np.datetime64(end, "D") + 1)
    if series.frequency == "monthly":
        wanted = days == days.astype("datetime64[M]").astype("datetime64[D]")
    elif series.frequency == "weekly":
        # 1970-01-01 was a Thursday: +3 makes Monday 0.
        wanted = (days.astype("int64") + 3) % 7 == WEEKDAYS.index(series.weekday or "wednesday")
    else:
        wanted = np.is_busday(days, holidays=federal_holidays(start, end))
    chosen: Days = days[wanted]
    return chosen


def _instant(day: date, clock: str, zone: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), ZoneInfo(zone)).astimezone(UTC)
