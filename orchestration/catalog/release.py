"""When a period becomes public: release rules as instants.

The rules themselves are data in the provider YAMLs; trading sessions are `sessions.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from orchestration.catalog.models import (
    ReleaseRule,
    Weekday,
)
from orchestration.catalog.sessions import sessions_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Days: TypeAlias = np.ndarray[Any, np.dtype[np.datetime64]]

WEEKDAYS: tuple[str, ...] = get_args(Weekday)


def federal_holidays(start: date, end: date) -> Days:
    """Days the Federal Reserve is closed besides weekends, as datetime64[D], for years 1986 and later.

    Sunday holidays are kept on Monday; Saturday holidays are not moved. Juneteenth counts from 2022: the
    Reserve Banks were open on 18 June 2021, the day after it became law.
    """
    return _federal_holidays(start.year, end.year)


@lru_cache(maxsize=16)
def _federal_holidays(first_year: int, last_year: int) -> Days:
    from pandas.tseries.holiday import (
        AbstractHolidayCalendar,
        Holiday,
        USColumbusDay,
        USLaborDay,
        USMartinLutherKingJr,
        USMemorialDay,
        USPresidentsDay,
        USThanksgivingDay,
        sunday_to_monday,
    )

    calendar = AbstractHolidayCalendar(
        "federal_reserve",
        [
            Holiday("New Year", month=1, day=1, observance=sunday_to_monday),
            USMartinLutherKingJr,
            USPresidentsDay,
            USMemorialDay,
            Holiday("Juneteenth", month=6, day=19, start_date="2022-01-01", observance=sunday_to_monday),
            Holiday("Independence Day", month=7, day=4, observance=sunday_to_monday),
            USLaborDay,
            USColumbusDay,
            Holiday("Veterans Day", month=11, day=11, observance=sunday_to_monday),
            USThanksgivingDay,
            Holiday("Christmas", month=12, day=25, observance=sunday_to_monday),
        ],
    )
    days = calendar.holidays(f"{first_year}-01-01", f"{last_year}-12-31")
    holidays: Days = days.to_numpy().astype("datetime64[D]")
    return holidays


def release_calendar_frame(
    rules: Iterable[ReleaseRule], start: date, end: date, sessions: pd.DataFrame | None = None
) -> pd.DataFrame:
    """`catalog.release_calendar`: every calendar day from `start` to `end` under every rule.

    `sessions` (from `sessions_frame`) saves computing them again. Instants are UTC, periods naive midnights.
    """
    import numpy as np
    import pandas as pd

    periods = np.arange(np.datetime64(start, "D"), np.datetime64(end, "D") + 1)
    parts = [
        pd.DataFrame(
            {
                "release_rule": rule.id,
                "period_date": periods.astype("datetime64[us]"),
                "known_at": release_instants(rule, periods, sessions),
            }
        )
        for rule in rules
    ]
    return pd.concat(parts, ignore_index=True)


def release_instants(rule: ReleaseRule, periods: Days, sessions: pd.DataFrame | None = None) -> pd.DatetimeIndex:
    """The UTC instant at which each period (datetime64[D]) becomes public under the rule."""
    import numpy as np
    import pandas as pd

    due = _due_days(rule, periods)
    hours, minutes = rule.time.split(":")
    local = pd.DatetimeIndex(due.astype("datetime64[us]")) + pd.Timedelta(hours=int(hours), minutes=int(minutes))
    # A wall time that occurs twice is taken as the later one: a fact is never dated before it was public.
    instants = local.tz_localize(rule.zone, ambiguous=np.zeros(len(local), dtype=bool), nonexistent="shift_forward")
    instants = instants.tz_convert("UTC").as_unit("us")
    if rule.sessions is None or not len(periods):
        return instants
    if sessions is None:
        sessions = sessions_frame(_as_date(periods.min()), _as_date(periods.max()), [rule.sessions])
    own = sessions[sessions["calendar"] == rule.sessions].set_index("session_date")["close_at"]
    closes = own.reindex(pd.DatetimeIndex(periods.astype("datetime64[us]")))
    exact = pd.DatetimeIndex(closes) + pd.Timedelta(minutes=rule.after_minutes)
    return instants.where(exact.isna(), exact).as_unit("us")


def _due_days(rule: ReleaseRule, periods: Days) -> Days:
    """The local day on which each period is published."""
    import numpy as np

    if not len(periods) or rule.kind == "session_close":
        return periods
    holidays = federal_holidays(_as_date(periods.min()), _as_date(periods.max()) + timedelta(days=400))
    if rule.kind == "business_days":
        # From a weekend, one business day later is Monday: count from the business day before it.
        due: Days = np.busday_offset(periods, rule.business_days or 1, roll="backward", holidays=holidays)
        return due
    if rule.kind == "days":
        due = periods + np.timedelta64(rule.days or 0, "D")
    elif rule.kind == "months":
        first = periods.astype("datetime64[M]") + np.timedelta64(rule.months or 0, "M")
        last_day = (first + 1).astype("datetime64[D]") - 1
        due = np.minimum(first.astype("datetime64[D]") + ((rule.day_of_month or 1) - 1), last_day)
    else:
        # 1970-01-01 was a Thursday: +3 makes Monday 0. The wanted weekday of the following ISO week.
        weekday = (periods.astype("int64") + 3) % 7
        due = periods + (7 - weekday + WEEKDAYS.index(rule.weekday or "monday"))
    if rule.roll:
        due = np.busday_offset(due, 0, roll="forward", holidays=holidays)
    return due


def _as_date(day: np.datetime64) -> date:
    value: date = day.astype("datetime64[D]").item()
    return value
