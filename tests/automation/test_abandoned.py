"""A run that was killed without a word: its record is ended when its home is free, and only then."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration.automation.resources import HOME_TAG, settings_of_a_run
from orchestration.automation.sensors import build_abandoned_sensor
from orchestration.runner import open_instance
from orchestration.settings import load_settings
from orchestration.warehouse.lock import hold
from tests.warehouse.test_lock import holder  # noqa: F401  a fixture, asked for by name


@dg.op(required_resource_keys={"settings"})
def work() -> None: ...


@pytest.fixture
def settings(tmp_path):
    return load_settings(home=tmp_path)


@pytest.fixture
def instance(settings):
    with open_instance(settings) as found:
        yield found


@pytest.fixture
def looked(settings, instance):
    """Looks once and returns what the tick said; the cursor goes on from tick to tick."""
    sensor, cursors = build_abandoned_sensor(settings), [None]

    def look() -> str:
        context = dg.build_sensor_context(instance=instance, cursor=cursors[-1], sensor_name=sensor.name)
        said = sensor(context)
        cursors.append(context.cursor)
        return said.skip_message

    return look


def left_behind(instance: dg.DagsterInstance, home) -> str:
    """A run that is recorded as started, and whose process is gone."""
    job = dg.GraphDefinition("job", node_defs=[work]).to_job(
        resource_defs={"settings": settings_of_a_run(load_settings(home=home))}
    )
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={HOME_TAG: str(home.resolve())})
    return run.run_id


def status(instance, run_id):
    return instance.get_run_by_id(run_id).status


def test_it_is_ended_at_the_second_look(settings, instance, looked):
    run_id = left_behind(instance, settings.home)
    looked()
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTED
    assert run_id in looked()
    assert status(instance, run_id) == dg.DagsterRunStatus.FAILURE
    assert looked() == "every run is alive"


def test_while_somebody_holds_the_home_nothing_is_judged(settings, instance, looked, holder):  # noqa: F811  that fixture
    run_id = left_behind(instance, settings.home)
    assert [("holds the warehouse" in looked()) for _ in range(3)] == [True] * 3
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_a_run_of_another_home_is_not_ours_to_judge(instance, looked, tmp_path_factory):
    run_id = left_behind(instance, tmp_path_factory.mktemp("other"))
    assert [looked(), looked()] == ["every run is alive"] * 2
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_every_run_names_its_home(settings, instance):
    job = dg.GraphDefinition("job", node_defs=[work]).to_job(resource_defs={"settings": settings_of_a_run(settings)})
    ended = job.execute_in_process(instance=instance)
    assert instance.get_run_by_id(ended.run_id).tags[HOME_TAG] == str(settings.home.resolve())
    with hold(settings.home, 0):
        pass
