"""Schedules: the instants of a year in UTC, what an instant that does not count says, and what is launched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from orchestration.automation.schedules import TIMINGS, build_schedules, new_york_closed, no_h41
from orchestration.definitions import build_definitions
from orchestration.settings import load_settings

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def definitions(tmp_path_factory) -> dg.Definitions:
    home = tmp_path_factory.mktemp("schedules")
    return build_definitions(load_settings(home=home, now_override=datetime(2025, 11, 12, 23, tzinfo=UTC)))


def evaluate(definitions: dg.Definitions, name: str, local: datetime) -> dg.RunRequest | str:
    """The run request of a tick, or why there is none."""
    context = dg.build_schedule_context(scheduled_execution_time=local, repository_def=definitions.get_repository_def())
    found = definitions.resolve_schedule_def(name).evaluate_tick(context)
    return found.run_requests[0] if found.run_requests else found.skip_message


def instants(name: str, start: datetime, end: datetime) -> list[datetime]:
    timing = next(each for each in TIMINGS if each.name == name)
    from dagster._utils.schedules import schedule_execution_time_iterator

    found = []
    for each in schedule_execution_time_iterator(start.timestamp(), timing.cron, timing.zone, True):
        if each >= end:
            return found
        found.append(each)
    return found


@pytest.mark.parametrize(
    ("changed", "before", "after"), [(datetime(2025, 3, 9), 23, 22), (datetime(2025, 11, 2), 22, 23)]
)
def test_six_in_the_evening_stays_six_in_new_york_when_the_clocks_change(changed, before, after):
    sunday = changed.replace(tzinfo=NEW_YORK)
    found = instants("daily", sunday - timedelta(days=2), sunday + timedelta(days=2))
    assert [each.astimezone(UTC).hour for each in found] == [before, after]
    assert {each.astimezone(NEW_YORK).hour for each in found} == {18}


def test_a_day_has_one_tick_however_long_it_is():
    for day, hours in ((datetime(2025, 3, 9, tzinfo=NEW_YORK), 23), (datetime(2025, 11, 2, tzinfo=NEW_YORK), 25)):
        found = instants("hourly", day, day.replace(day=day.day + 1))
        assert len(found) == len(set(found)) == hours


@pytest.mark.parametrize(
    ("local", "says"),
    [
        (datetime(2025, 11, 12, 18), None),
        (datetime(2025, 11, 28, 18), None),  # closes at one in the afternoon
        (datetime(2025, 11, 27, 18), "no session in New York on 2025-11-27"),
        (datetime(2025, 4, 18, 18), "no session in New York on 2025-04-18"),  # Good Friday, no federal holiday
        (datetime(2025, 10, 13, 18), None),  # Columbus Day, a federal holiday with a session
        (datetime(2025, 11, 12, 15, 59), "closes at 21:00 UTC"),
    ],
)
def test_the_new_york_close(local, says):
    found = new_york_closed(local.replace(tzinfo=NEW_YORK))
    assert found is None if says is None else says in found


@pytest.mark.parametrize(
    ("local", "says"),
    [
        (datetime(2025, 11, 13, 16, 45), None),
        (datetime(2025, 11, 14, 16, 45), "H.4.1 of 2025-11-12 is due on Thursday, 13 November"),
        (datetime(2025, 11, 27, 16, 45), "H.4.1 of 2025-11-26 is due on Friday, 28 November"),  # Thanksgiving
        (datetime(2025, 11, 28, 16, 45), None),
        (datetime(2026, 1, 1, 16, 45), "due on Friday, 02 January"),
        (datetime(2025, 11, 13, 16, 29), "due at 16:30"),
    ],
)
def test_the_h41(local, says):
    found = no_h41(local.replace(tzinfo=NEW_YORK))
    assert found is None if says is None else says in found


@pytest.mark.parametrize(
    ("local", "run_key"),
    [
        (datetime(2025, 11, 12, 18), "2025-11-12T18:00:00-05:00"),
        # The machine slept into the next month: at that tick November was no month yet.
        (datetime(2025, 10, 31, 18), "2025-10-31T18:00:00-04:00"),
    ],
)
def test_a_tick_asks_for_what_is_new(definitions, local, run_key):
    request = evaluate(definitions, "daily", local.replace(tzinfo=NEW_YORK))
    assert isinstance(request, dg.RunRequest)
    assert (request.tags["dagster/partition"], request.run_key) == ("2025-11", run_key)


def test_a_tick_on_a_holiday_says_why_nothing_runs(definitions):
    assert "no session in New York" in evaluate(definitions, "daily", datetime(2025, 12, 25, 18, tzinfo=NEW_YORK))


def test_the_weekly_tick_asks_fred_alone(definitions):
    request = evaluate(definitions, "weekly", datetime(2025, 11, 13, 16, 45, tzinfo=NEW_YORK))
    assert request.run_config == {"ops": {"extract": {"config": {"only": ["fredgraph"]}}}}


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda timing: timing.name)
def test_what_a_schedule_launches_exists(definitions, timing):
    assert definitions.resolve_job_def(timing.job)
    assert timing.description


def test_the_hourly_job_asks_for_snapshots_alone(definitions):
    job = definitions.resolve_job_def("snapshots")
    assert {key.path[0] for key in job.asset_layer.executable_asset_keys} == {"raw"}
    assert [node.name for node in job.nodes] == ["extract"]


def test_the_freshness_job_asks_no_source(definitions):
    job = definitions.resolve_job_def("freshness")
    assert [node.name for node in job.nodes] == ["series_freshness"]
    assert not job.asset_layer.executable_asset_keys


def test_the_pipeline_leaves_freshness_to_its_gate(definitions):
    assert "series_freshness" not in {node.name for node in definitions.resolve_job_def("pipeline").nodes}


@pytest.mark.parametrize("is_on", [True, False])
def test_schedules_start_as_the_setting_says(tmp_path, is_on):
    found = build_schedules(load_settings(home=tmp_path, schedules_running=is_on))
    assert {each.default_status == dg.DefaultScheduleStatus.RUNNING for each in found} == {is_on}


def test_every_asset_and_check_stands_in_the_pool_of_one(definitions):
    nodes = [each.node_def for each in (*definitions.assets, *definitions.asset_checks)]
    assert {node.pool for node in nodes} == {"warehouse"}


def test_the_web_server_can_load_every_job_beside_the_others(definitions):
    # Each alone resolves; a name that two graphs share shows only where all are loaded.
    names = {job.name for job in definitions.get_repository_def().get_all_jobs()}
    assert {"pipeline", "snapshots", "freshness"} <= names
