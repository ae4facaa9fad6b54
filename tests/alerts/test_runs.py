"""Runs of the command, of the web server and of schedules end with a review, whose trouble is none of theirs."""

from typing import Any

import dagster as dg
import pytest

from orchestration.alerts.memory import Memory
from orchestration.assets.sources import SourceFailedError
from orchestration.automation.jobs import PIPELINE
from orchestration.automation.resources import settings_of_a_run
from orchestration.automation.sensors import WILL_RETRY, build_alert_sensors
from orchestration.runner import DONE, SOURCE_FAILED, UNEXPECTED, USAGE, run_pipeline
from orchestration.settings import ConfigurationError, Settings
from orchestration.warehouse import WarehouseBusyError
from orchestration.warehouse.lock import hold
from tests.alerts.conftest import JUMP, publish
from tests.pipeline.test_command import command
from tests.stub import Reply


class Given(dg.Config):
    archive: str | None = None
    as_of: str | None = None


class Flow:
    """Two steps by the names of the pipeline's; `trouble` is what the first ends with."""

    def __init__(self, settings: Settings) -> None:
        self.trouble: Exception | None = None

        @dg.asset(required_resource_keys={"settings"})
        def extract(config: Given) -> None:
            if self.trouble:
                raise self.trouble

        @dg.asset(deps=[extract])
        def dbt(config: Given) -> None:
            """Nothing."""

        self.defs = dg.Definitions(
            assets=[extract, dbt],
            jobs=[dg.define_asset_job(PIPELINE)],
            sensors=build_alert_sensors(settings),
            loggers={"stages": dg.colored_console_logger},
            resources={"settings": settings_of_a_run(settings)},
            executor=dg.in_process_executor,
        )


class Daemon:
    """What Dagster's daemon does with the two sensors: each from its own cursor, failures first."""

    def __init__(self, flow: Flow) -> None:
        self.flow, self.instance = flow, dg.DagsterInstance.ephemeral()
        self.cursors: dict[str, str | None] = {}
        self.look()

    def launch(self, **more: Any) -> dg.ExecuteInProcessResult:
        job = self.flow.defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(instance=self.instance, raise_on_error=False, **more)

    def look(self) -> str:
        said = []
        for sensor in sorted(self.flow.defs.sensors or [], key=lambda each: each.name):
            with dg.build_sensor_context(
                instance=self.instance,
                cursor=self.cursors.get(sensor.name),
                repository_def=self.flow.defs.get_repository_def(),
                sensor_name=sensor.name,
            ) as context:
                result = sensor.evaluate_tick(context)
            self.cursors[sensor.name] = result.cursor
            said.append(result.skip_message or "")
        return "\n".join(said)


@pytest.fixture
def flow(home: Settings) -> Flow:
    return Flow(home)


@pytest.fixture
def daemon(flow: Flow) -> Daemon:
    return Daemon(flow)


DOWN = SourceFailedError("fred: series WALCL: HTTP 500: wait\nfred: series M2SL: HTTP 500: wait")


def test_a_failed_run_of_the_web_server_is_told_once_until_one_has_succeeded(flow, daemon, webhook):
    flow.trouble = DOWN
    for _ in range(2):
        assert not daemon.launch().success
        assert "run " in daemon.look()
    assert webhook.told == {("run_failed", "__ASSET_JOB extract SourceFailedError fred"): 1}
    assert "SourceFailedError: fred" not in webhook.messages[0]["text"]
    flow.trouble = None
    assert daemon.launch().success
    daemon.look()
    flow.trouble = DOWN
    daemon.launch()
    daemon.look()
    assert list(webhook.told.values()) == [2]


def test_after_a_green_run_the_home_is_looked_at(home, daemon, webhook):
    publish(home, "second", tga=JUMP)
    daemon.launch()
    assert "1 new alerts; TGA rose by 800 billion USD on 2025-11-10" in daemon.look()
    assert webhook.kinds() == ["tga_change"]


def test_an_attempt_that_is_repeated_has_not_failed_yet(flow, daemon, webhook):
    flow.trouble = DOWN
    daemon.launch(tags={WILL_RETRY: "true"})
    daemon.look()
    assert not webhook.received
    daemon.launch()
    daemon.look()
    assert webhook.kinds() == ["run_failed"]


def test_a_replay_is_not_reviewed(home, daemon, webhook):
    publish(home, "second", tga=JUMP)
    for op, given in (("extract", {"archive": "sample"}), ("dbt", {"as_of": "2025-10-30T00:00Z"})):
        daemon.launch(run_config={"ops": {op: {"config": given}}})
        assert "replayed the past" in daemon.look()
    assert not webhook.received


def test_a_run_that_found_the_home_in_use_is_no_failed_run(home, flow, daemon, webhook):
    flow.trouble = WarehouseBusyError("home: another run (process 4711) holds the warehouse")
    assert not daemon.launch().success
    daemon.look()
    assert not webhook.received


def test_a_run_that_dies_before_its_first_step_is_told_with_its_reason(home, webhook):
    @dg.resource
    def broken(_: dg.InitResourceContext) -> None:
        raise ConfigurationError("TIDEGAUGE_HOME: no such folder")

    flow = Flow(home)
    flow.defs = dg.Definitions(
        assets=flow.defs.assets,
        sensors=flow.defs.sensors,
        resources={"settings": broken},
        executor=dg.in_process_executor,
    )
    daemon = Daemon(flow)
    daemon.launch()
    daemon.look()
    [message] = webhook.messages
    assert "TIDEGAUGE_HOME: no such folder" in message["text"]


# ------------------------------------------------------------------ the command


def hang(handler):
    from threading import Event

    Event().wait(1)


@pytest.mark.parametrize(
    ("step", "trouble", "code"),
    [(Reply(status=500), DOWN, SOURCE_FAILED), (hang, KeyError("x"), UNEXPECTED), (hang, None, DONE)],
)
def test_the_webhook_never_changes_how_a_run_of_the_command_ends(home, flow, webhook, step, trouble, code):
    webhook.script(step)
    publish(home, "second", tga=JUMP)
    flow.trouble = trouble
    outcome = run_pipeline(home, defs=flow.defs)
    assert outcome.exit_code == code
    memory = Memory(home.home)
    memory.read()
    expected = ["tga_change"] if trouble is None else ["run_failed", "tga_change"]
    assert [entry.alert.kind for entry in memory.entries] == expected


def test_a_replay_of_the_command_tells_nothing(home, flow, webhook):
    flow.trouble = DOWN
    assert run_pipeline(home, extract={"archive": "sample"}, defs=flow.defs).exit_code == SOURCE_FAILED
    assert not webhook.received
    assert not (home.home / "alerts.jsonl").exists()


def test_a_busy_home_is_busy_and_no_alert(home, flow, webhook):
    from threading import Thread

    def run():
        with pytest.raises(WarehouseBusyError):
            run_pipeline(home.model_copy(update={"busy_timeout_seconds": 0.05}), defs=flow.defs)

    with hold(home.home, 0):
        other = Thread(target=run)
        other.start()
        other.join()
    assert not webhook.received


# ------------------------------------------------------------------ tidegauge alerts


@pytest.fixture
def shell(monkeypatch, capsys, home):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TIDEGAUGE_NOW", home.now().isoformat())

    def call(*arguments: str) -> tuple[int, str]:
        code, out, err = command(monkeypatch, capsys, "alerts", "--home", str(home.home), *arguments)
        assert "Traceback" not in err
        return code, out + err

    return call


def test_the_command_shows_what_stands_and_what_is_over(shell, home, flow, webhook):
    assert shell() == (0, "Alerts: none yet\n")
    webhook.script(Reply(status=500))
    flow.trouble = DOWN
    run_pipeline(home, defs=flow.defs)
    code, said = shell()
    assert code == 0
    for part in ("Alerts that stand", "run_failed", "series M2SL", "HTTP 500"):
        assert part in said
    flow.trouble = None
    run_pipeline(home, defs=flow.defs)
    assert "Over" in shell()[1]


def test_the_test_alert_has_an_exit_code_for_each_outcome(shell, home, webhook, monkeypatch):
    code, said = shell("--test")
    assert code == USAGE
    assert "set TIDEGAUGE_ALERT_WEBHOOK_URL" in said
    monkeypatch.setenv("TIDEGAUGE_ALERT_WEBHOOK_URL", home.alert_webhook_url.get_secret_value())
    assert shell("--test") == (DONE, "webhook: taken\n")
    webhook.script(Reply(status=404))
    code, said = shell("--test")
    assert (code, "webhook: refused, HTTP 404" in said) == (SOURCE_FAILED, True)
    assert "CANARY" not in said


def test_the_web_server_is_handed_webhook_and_thresholds(monkeypatch, capsys, home, tmp_path):
    handed = {}
    monkeypatch.setattr("orchestration.definitions.build_definitions", lambda settings: None)
    monkeypatch.setattr("os.execve", lambda path, arguments, environment: handed.update(environment))
    monkeypatch.setattr("os.chdir", lambda folder: None)
    url = home.alert_webhook_url.get_secret_value()
    # Only in this folder's .env, which the server does not read.
    (tmp_path / ".env").write_text(f"TIDEGAUGE_ALERT_WEBHOOK_URL={url}\nTIDEGAUGE_ALERT_TGA_CHANGE_USD=5e10\n")
    assert command(monkeypatch, capsys, "ui", "--home", str(home.home))[0] == DONE
    assert handed["TIDEGAUGE_ALERT_WEBHOOK_URL"] == url
    assert float(handed["TIDEGAUGE_ALERT_TGA_CHANGE_USD"]) == 50e9
