"""When what runs by itself: every schedule in one table. The clock is that of the exchange or publisher, not of the host.

A schedule only decides whether its instant counts. Days that were missed need no tick of their own: a run asks each source
from where its series ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from orchestration.assets.months import FORMAT
from orchestration.automation.jobs import FRESHNESS, PIPELINE, SNAPSHOTS
from orchestration.catalog import load_catalog
from orchestration.catalog.release import release_instants
from orchestration.catalog.sessions import sessions_frame
from orchestration.settings import Settings

NEW_YORK = "America/New_York"
H41_SERIES = "WALCL"


@dataclass(frozen=True)
class Timing:
    """A row of the table. `closed` gives the reason why a local instant does not count, None when it does."""

    name: str
    job: str
    cron: str
    zone: str
    description: str
    closed: Callable[[datetime], str | None] = lambda _: None
    providers: Callable[[Settings], list[str]] = lambda _: []


def new_york_closed(local: datetime) -> str | None:
    """Why the New York Stock Exchange has not closed a session by this local instant, or None when it has."""
    day = local.date()
    found = sessions_frame(day, day, ["XNYS"])
    if found.empty:
        return f"no session in New York on {day} (XNYS)"
    close = found["close_at"].iloc[0]
    return None if close <= local else f"the session of {day} closes at {close:%H:%M} UTC"


def no_h41(local: datetime) -> str | None:
    """Why the Federal Reserve does not publish its H.4.1 on this local day, or None when it does."""
    import numpy as np

    rule = next(series.release for series in load_catalog().series_of("fred") if series.key == H41_SERIES)
    # The Wednesday whose figure is the newest on this day; the rule moves its Thursday over federal holidays.
    wednesday = _last_wednesday(local.date())
    due = release_instants(rule, np.array([wednesday], "datetime64[D]"))[0].tz_convert(local.tzinfo)
    if due.date() != local.date():
        return f"the H.4.1 of {wednesday} is due on {due:%A, %d %B, %H:%M}"
    return None if due <= local else f"the H.4.1 of {wednesday} is due at {due:%H:%M}"


def _last_wednesday(day: date) -> date:
    """The last Wednesday before `day`."""
    return day - timedelta(days=(day.weekday() - 2 - 1) % 7 + 1)


def _fred(settings: Settings) -> list[str]:
    return ["fred" if settings.api_key("fred") else "fredgraph"]


TIMINGS = (
    Timing(
        "daily",
        PIPELINE,
        "0 18 * * 1-5",
        NEW_YORK,
        "The whole pipeline two hours after the New York close, when Yahoo and the Daily Treasury Statement have the day; "
        "not on exchange holidays.",
        closed=new_york_closed,
    ),
    Timing(
        "weekly",
        PIPELINE,
        "45 16 * * 4,5",
        NEW_YORK,
        "FRED alone, a quarter of an hour after the H.4.1 of Thursday 16:30; on Friday when Thursday is a federal holiday.",
        closed=no_h41,
        providers=_fred,
    ),
    Timing(
        "hourly",
        SNAPSHOTS,
        "7 * * * *",
        "UTC",
        "What shows only the present: market snapshots, stablecoin supply, unlock schedules as listed.",
    ),
    Timing("freshness", FRESHNESS, "37 * * * *", "UTC", "How late every series is, whether or not anything else runs."),
)


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The table as Dagster schedules; stopped until switched on, unless TIDEGAUGE_SCHEDULES_RUNNING says otherwise."""
    status = dg.DefaultScheduleStatus.RUNNING if settings.schedules_running else dg.DefaultScheduleStatus.STOPPED
    return [_schedule(timing, settings, status) for timing in TIMINGS]


def _schedule(timing: Timing, settings: Settings, status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=timing.name,
        job_name=timing.job,
        cron_schedule=timing.cron,
        execution_timezone=timing.zone,
        description=timing.description,
        default_status=status,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        local = context.scheduled_execution_time.astimezone(ZoneInfo(timing.zone))
        if reason := timing.closed(local):
            return dg.SkipReason(reason)
        only = timing.providers(settings)
        return dg.RunRequest(
            # One run per instant, also when a daemon that was down catches up.
            run_key=local.isoformat(),
            # By tag: Dagster looks a `partition_key` up among the months there were at the tick, and a machine that
            # slept over a tick of October asks in November.
            tags={PARTITION_NAME_TAG: f"{settings.now():{FORMAT}}"} if timing.job == PIPELINE else {},
            run_config={"ops": {"extract": {"config": {"only": only}}}} if only else {},
        )

    return tick
