"""Trading sessions of the exchanges whose indices we hold, from exchange_calendars: half days included.

Federal business days and release rules are `release.py`. The library is imported on first use.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, get_args

from orchestration.catalog.models import SessionCalendar

if TYPE_CHECKING:
    import pandas as pd

SESSION_CALENDARS: tuple[SessionCalendar, ...] = get_args(SessionCalendar)


def sessions_frame(start: date, end: date, calendars: Iterable[SessionCalendar] = SESSION_CALENDARS) -> pd.DataFrame:
    """`catalog.sessions`: calendar, session_date, open_at, close_at (UTC), as far as the library knows."""
    import pandas as pd

    frames = [_sessions(calendar, start.year, end.year) for calendar in calendars]
    frame = pd.concat(frames, ignore_index=True)
    inside = frame["session_date"].between(pd.Timestamp(start), pd.Timestamp(end))
    return frame[inside].reset_index(drop=True)


@lru_cache(maxsize=16)
def _sessions(name: SessionCalendar, first_year: int, last_year: int) -> pd.DataFrame:
    """Sessions of whole years, clipped to what the library knows; whole years keep the cache small."""
    import pandas as pd

    module = importlib.import_module(f"exchange_calendars.exchange_calendar_{name.lower()}")
    factory = getattr(module, f"{name}ExchangeCalendar")
    first, last = pd.Timestamp(first_year, 1, 1), pd.Timestamp(last_year, 12, 31)
    first = max(first, factory.bound_min() or first)
    last = min(last, factory.bound_max() or last)
    if last < first:
        days = opens = closes = pd.DatetimeIndex([])
    else:
        with warnings.catch_warnings():
            # exchange_calendars 4.13 reads zone-aware columns in a way pandas 3.1 announces to change.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            schedule = factory(start=first, end=last).schedule
        days, opens, closes = (
            schedule.index,
            pd.DatetimeIndex(schedule["open"]),
            pd.DatetimeIndex(schedule["close"]),
        )
    return pd.DataFrame(
        {
            "calendar": pd.Series([name] * len(days), dtype="str"),
            "session_date": days.tz_localize(None).as_unit("us"),
            "open_at": _utc(opens),
            "close_at": _utc(closes),
        }
    )


def _utc(instants: pd.DatetimeIndex) -> pd.DatetimeIndex:
    aware = instants if instants.tz else instants.tz_localize("UTC")
    return aware.tz_convert("UTC").as_unit("us")
