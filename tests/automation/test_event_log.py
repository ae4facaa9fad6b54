"""The event log that keeps its connections: the same events in the same files as Dagster's own."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from orchestration.automation.event_log import OPEN_DATABASES, EventLog, Storage
from orchestration.runner import open_instance
from orchestration.settings import load_settings


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def counted() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"rows": 3})


@pytest.fixture
def home(tmp_path):
    return load_settings(home=tmp_path / "home")


def materialise(instance: dg.DagsterInstance) -> str:
    return dg.materialize([counted], instance=instance, partition_key="a").run_id


def test_a_home_has_it(home):
    with open_instance(home) as instance:
        assert isinstance(instance.event_log_storage, EventLog)


def test_dagsters_own_storage_reads_what_it_wrote(home):
    with open_instance(home) as instance:
        run_id = materialise(instance)
        kinds = [entry.dagster_event_type for entry in instance.all_logs(run_id)]
    own = DagsterSqliteStorage.from_local(str(home.dagster_dir))
    assert [entry.dagster_event_type for entry in own.event_log_storage.get_logs_for_run(run_id)] == kinds
    assert own.event_log_storage.get_materialized_partitions(counted.key) == {"a"}


def test_it_reads_what_dagsters_own_storage_wrote(tmp_path):
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        run_id = materialise(instance)
    ours = Storage.from_local(str(tmp_path))
    assert ours.event_log_storage.get_materialized_partitions(counted.key) == {"a"}
    assert len(ours.event_log_storage.get_logs_for_run(run_id)) > 5


def test_two_processes_see_each_others_events(home):
    writes = "import sys; from tests.automation.test_event_log import *; materialise(open_instance(load_settings(home=sys.argv[1])))"
    with open_instance(home) as instance:
        materialise(instance)
        subprocess.run([sys.executable, "-c", writes, str(home.home)], check=True, cwd=sys.path[0] or None)
        materialise(instance)
        assert len(instance.fetch_materializations(counted.key, limit=10).records) == 3


def test_a_web_server_that_shows_many_runs_does_not_run_out_of_files(home):
    with open_instance(home) as instance:
        log = instance.event_log_storage
        runs = [materialise(instance) for _ in range(OPEN_DATABASES + 4)]
        assert len(log._engines) <= OPEN_DATABASES
        assert all(len(instance.all_logs(run_id)) > 5 for run_id in runs)
