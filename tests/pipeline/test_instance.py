"""The Dagster instance of a home: what its dagster.yaml switches on, and its storage in SQLite or in a real Postgres."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration import runner
from orchestration.assets.sources import catalog_tables
from orchestration.automation.resources import settings_of_a_run
from orchestration.cli import main
from orchestration.runner import POSTGRES_VARIABLE, open_instance
from orchestration.settings import ConfigurationError, load_settings

PASSWORD = "canary%40word"


def test_a_dead_worker_is_noticed_and_started_once_more_but_a_failed_step_is_not(tmp_path: Path):
    with open_instance(load_settings(home=tmp_path)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_poll_interval_seconds == 10
        assert instance.run_monitoring_max_runtime_seconds == 6 * 3600
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 1
        assert instance.run_retries_retry_on_asset_or_op_failure is False
        concurrency = instance.get_concurrency_config()
        assert concurrency.pool_config.default_pool_limit == 1
        assert concurrency.pool_config.pool_granularity.value == "run"
        assert concurrency.run_queue_config.max_concurrent_runs == 4
        assert instance.run_coordinator.__class__.__name__ == "QueuedRunCoordinator"
        ticks = instance.get_tick_retention_settings(dg._core.definitions.run_request.InstigatorType.SCHEDULE)
        assert set(ticks.values()) == {90}
    assert (tmp_path / "dagster" / "history" / "runs.db").is_file()


def test_a_home_that_is_being_read_is_not_rewritten(tmp_path: Path):
    settings = load_settings(home=tmp_path)
    runner.configure_instance(settings)
    file = tmp_path / "dagster" / "dagster.yaml"
    written = file.stat().st_mtime_ns
    runner.configure_instance(settings)
    assert file.stat().st_mtime_ns == written
    file.write_text("telemetry: {enabled: true}")
    runner.configure_instance(settings)
    assert "run_monitoring" in file.read_text()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a database of a cluster of its own, on this machine's loopback."""
    found = [shutil.which("initdb"), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")))]
    binaries = [Path(path).resolve().parent for path in found if path]
    if not binaries:
        if os.environ.get("CI"):
            pytest.fail("CI needs Debian's PostgreSQL: apt-get install postgresql")
        pytest.skip("no PostgreSQL on this machine: apt-get install postgresql")
    # initdb refuses root, and the user it runs as must reach the folder: pytest's are closed to others.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(subprocess.check_output([*as_user, "mktemp", "-d"], text=True, cwd="/").strip())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    def do(program: str, *arguments: str, text: str | None = None) -> None:
        command = [*as_user, program, *arguments]
        subprocess.run(command, check=True, cwd="/", input=text, text=True, stdout=subprocess.DEVNULL)

    data, control = str(folder / "data"), ["-w", "-s", "-D", str(folder / "data")]
    options = f"-p {port} -F -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    try:
        do("tee", str(folder / "word"), text="canary@word\n")
        initdb, pg_ctl = (str(binaries[-1] / name) for name in ("initdb", "pg_ctl"))
        do(initdb, "-D", data, "-U", "team", "-A", "scram-sha-256", f"--pwfile={folder / 'word'}", "--no-sync")
        do(pg_ctl, *control, "-o", options, "-l", str(folder / "log"), "start")
        try:
            yield f"postgresql://team:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            do(pg_ctl, *control, "-m", "immediate", "stop")
    finally:
        do("rm", "-rf", str(folder))


def test_a_run_is_kept_in_postgres_and_its_password_nowhere(postgres: str, tmp_path: Path, monkeypatch):
    monkeypatch.setenv(POSTGRES_VARIABLE, "overwritten by configure_instance")
    settings = load_settings(home=tmp_path, dagster_postgres_url=postgres)
    assert {"canary@word", PASSWORD, postgres} <= set(settings.secrets())
    with open_instance(settings) as instance:
        job, resources = dg.define_asset_job("catalog_alone"), {"settings": settings_of_a_run(settings)}
        definitions = dg.Definitions(assets=[catalog_tables], jobs=[job], resources=resources)
        done = definitions.resolve_job_def(job.name).execute_in_process(instance=instance)
        assert done.success
    with open_instance(settings) as again:
        assert again.get_run_by_id(done.run_id).is_success
        kinds = {
            record.dagster_event.event_type_value for record in again.all_logs(done.run_id) if record.dagster_event
        }
        assert {"PIPELINE_SUCCESS", "ASSET_MATERIALIZATION"} <= kinds
        assert again.get_latest_materialization_event(dg.AssetKey("catalog")).run_id == done.run_id
        assert "Postgres" in again.schedule_storage.__class__.__name__

    import psycopg2

    con = psycopg2.connect(postgres)
    with con, con.cursor() as cursor:
        cursor.execute("select count(*) from runs where run_id = %s", [done.run_id])
        assert cursor.fetchone() == (1,)
        cursor.execute("select count(*) from event_logs where run_id = %s", [done.run_id])
        assert cursor.fetchone()[0] > 10
    con.close()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in files if file.suffix == ".db"] == []
    assert POSTGRES_VARIABLE in (tmp_path / "dagster" / "dagster.yaml").read_text()
    for file in files:
        content = file.read_bytes()
        assert PASSWORD.encode() not in content, file
        assert b"canary@word" not in content, file


@pytest.mark.parametrize(
    "url",
    [
        "mysql://team:canary@127.0.0.1/dagster",
        "postgres://team:canary@127.0.0.1/dagster",
        "postgresql://team:canary@127.0.0.1",
        "postgresql://127.0.0.1/dagster",
        "postgresql://team:canary@127.0.0.1:port/dagster",
        "postgresql://team:canary/@127.0.0.1/dagster",
        "canary",
    ],
)
def test_a_malformed_url_is_refused_without_being_repeated(url: str):
    with pytest.raises(
        ConfigurationError, match=rf"{POSTGRES_VARIABLE}: .*write postgresql://user:password@"
    ) as refused:
        load_settings(dagster_postgres_url=url)
    assert "canary" not in str(refused.value)


def exits(monkeypatch, capsys, tmp_path: Path, url: str) -> str:
    """What `tidegauge ui` says when it ends with exit code 2 before any server is started."""
    monkeypatch.setenv(POSTGRES_VARIABLE, url)
    monkeypatch.setattr("sys.argv", ["tidegauge", "ui", "--home", str(tmp_path)])
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("a server was started"))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_a_server_that_is_away_is_named_without_the_password(monkeypatch, capsys, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = exits(monkeypatch, capsys, tmp_path, f"postgresql://team:{PASSWORD}@127.0.0.1:{port}/dagster")
    assert f"no connection to 127.0.0.1:{port}/dagster" in said
    assert "start the server" in said
    assert "canary" not in said


def test_a_wrong_password_is_not_repeated(postgres: str, monkeypatch, capsys, tmp_path: Path):
    said = exits(monkeypatch, capsys, tmp_path, postgres.replace(PASSWORD, "canary-wrong"))
    assert "password authentication failed" in said
    assert "canary" not in said


def test_without_the_extra_the_message_says_how_to_install_it(monkeypatch, capsys, tmp_path: Path):
    monkeypatch.setattr(runner.importlib.util, "find_spec", lambda name: None)
    said = exits(monkeypatch, capsys, tmp_path, "postgresql://team:canary@127.0.0.1/dagster")
    assert "pip install 'tidegauge[postgres]'" in said
    assert "canary" not in said


def test_the_server_gets_the_url_through_its_environment_only(postgres: str, monkeypatch, tmp_path: Path):
    started = []
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres)
    monkeypatch.setattr("sys.argv", ["tidegauge", "ui", "--home", str(tmp_path)])
    monkeypatch.setattr(os, "execve", lambda *given: started.append(given))
    monkeypatch.setattr(os, "chdir", lambda _: None)
    main_without_exit()
    [(_, command, environment)] = started
    assert "canary" not in " ".join(command)
    assert environment[POSTGRES_VARIABLE] == postgres.replace("postgresql:", "postgresql+psycopg2:")
    assert load_settings().dagster_postgres_url.get_secret_value() == environment[POSTGRES_VARIABLE]


def main_without_exit() -> None:
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
