"""The catalog tables that `marts.events` is made of: releases that count as events, FOMC meetings, dated facts.

From when something may be shown, and where dates disagree, is decided in dbt.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orchestration.catalog.models import Catalog, CatalogError, Events, Series
from orchestration.catalog.release import WEEKDAYS, federal_holidays, release_instants

if TYPE_CHECKING:
    import pandas as pd

    from orchestration.catalog.release import Days


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
