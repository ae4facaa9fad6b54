"""Months as partitions: which there are, and which days a run over some of them asks its sources for."""

from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg

from orchestration.settings import ConfigurationError, Settings

FORMAT = "%Y-%m"


def months(settings: Settings) -> dg.MonthlyPartitionsDefinition:
    """The months (UTC) from TIDEGAUGE_FIRST_DAY to the present one, keys such as `2025-11`.

    The present is Dagster's own clock, except that a stopped clock or a mirror's ends the months there: a month that has
    not begun cannot be chosen.
    """
    has_own_clock = settings.now_override is not None or settings.mirror is not None
    return dg.MonthlyPartitionsDefinition(
        start_date=settings.first_day.strftime(FORMAT),
        end_date=f"{_after(settings.now().date()):{FORMAT}}" if has_own_clock else None,
        fmt=FORMAT,
        # The month that goes on is one of them.
        end_offset=1,
    )


def month_range(settings: Settings, first: date, last: date) -> dg.PartitionKeyRange:
    """The months from the one `first` lies in to that of `last`.

    Raises:
        ConfigurationError: there are no such months; the text says which there are.
    """
    newest = settings.now().date()
    there = f"choose from {settings.first_day:{FORMAT}} to {newest:{FORMAT}}"
    if max(first, last) >= _after(newest):
        raise ConfigurationError(f"{max(first, last)} lies in the future: {there}")
    if first > last:
        raise ConfigurationError(f"{first} lies after {last}: swap them ({there})")
    if first < settings.first_day.replace(day=1):
        raise ConfigurationError(f"{first} lies before the first month: {there}, or set TIDEGAUGE_FIRST_DAY")
    return dg.PartitionKeyRange(f"{first:{FORMAT}}", f"{last:{FORMAT}}")


@dataclass(frozen=True)
class Asked:
    """The days a run asks for. No start: from where each series ends; no end: up to now. `months` name a backfill."""

    start: date | None = None
    end: date | None = None
    months: str | None = None


def asked(chosen: dg.PartitionKeyRange, today: date) -> Asked:
    """The days of a range of months.

    The present month alone means "what is new": from where each series ends, and everything of a series that holds
    nothing. So the newest partition is always safe to materialise, after a week without a run as on an empty home. Any
    other range is a backfill of its days, up to now if it reaches the present month.

    Raises:
        ConfigurationError: a month lies in the future.
    """
    first, last = (date.fromisoformat(f"{key}-01") for key in (chosen.start, chosen.end))
    if last > today:
        raise ConfigurationError(f"month {chosen.end} lies in the future: the newest is {today:{FORMAT}}")
    if _after(first) > today:
        return Asked()
    end = _after(last) - timedelta(days=1)
    return Asked(first, end if end < today else None, f"{chosen.start}..{chosen.end}")


def _after(day: date) -> date:
    """The first day of the next month."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
