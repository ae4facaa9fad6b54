"""One pipeline run from Python: the lock, the Dagster instance, the job, and what the outcome means as an exit code.

The command line calls this; the Dagster UI launches the same job by itself.
"""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestration.automation.outcome import (
    BUSY,
    DONE,
    EXIT_OF_ERROR,
    GATE_CLOSED,
    SOURCE_FAILED,
    UNEXPECTED,
    USAGE,
    failed_steps,
    is_rehearsal,
    run_ended,
)
from orchestration.quality import store
from orchestration.quality.checks import GATES
from orchestration.settings import PACKAGE_ROOT, ConfigurationError, Settings
from orchestration.warehouse import connect
from orchestration.warehouse.lock import hold

if TYPE_CHECKING:
    import dagster as dg

__all__ = [
    "BUSY",
    "DONE",
    "GATE_CLOSED",
    "SOURCE_FAILED",
    "UNEXPECTED",
    "USAGE",
    "Outcome",
    "open_instance",
    "run_pipeline",
]


POSTGRES_VARIABLE = "TIDEGAUGE_DAGSTER_POSTGRES_URL"
POSTGRES = f"""
# Postgres holds runs, events and schedules. Its password is nowhere but in the environment.
storage:
  postgres:
    postgres_url:
      env: {POSTGRES_VARIABLE}
"""


SQLITE = """
storage:
  custom:
    module: orchestration.automation.event_log
    class: Storage
    config:
      base_dir: {folder}
"""


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `errors`: one text per failed step, innermost message; `materialized`: asset keys, slash-joined."""

    run_id: str
    exit_code: int
    errors: list[str] = field(default_factory=list)
    materialized: list[str] = field(default_factory=list)


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The home's Dagster instance: storage in SQLite below the home, or in Postgres when that is set.

    Raises:
        ConfigurationError: Postgres is set and cannot be used.
    """
    configure_instance(settings)
    import dagster as dg

    return dg.DagsterInstance.from_config(str(settings.dagster_dir.resolve()))


def configure_instance(settings: Settings) -> None:
    """Write <home>/dagster/dagster.yaml; a Postgres URL goes into the environment, where that file looks for it.

    Raises:
        ConfigurationError: Postgres is set and cannot be used.
    """
    text = (PACKAGE_ROOT / "dagster.yaml").read_text("utf-8")
    if settings.dagster_postgres_url:
        url = settings.dagster_postgres_url.get_secret_value()
        _require_postgres(url)
        # Without a driver in its name SQLAlchemy 2.1 takes psycopg 3; dagster-postgres brings psycopg2.
        os.environ[POSTGRES_VARIABLE] = url.replace("postgresql://", "postgresql+psycopg2://", 1)
        text += POSTGRES
    else:
        text += SQLITE.format(folder=json.dumps(str(settings.dagster_dir.resolve())))
    settings.dagster_dir.mkdir(parents=True, exist_ok=True)
    file = settings.dagster_dir / "dagster.yaml"
    # A web server on this home may be reading it.
    if not file.is_file() or file.read_text("utf-8") != text:
        file.write_text(text, "utf-8")


def _require_postgres(url: str) -> None:
    if importlib.util.find_spec("dagster_postgres") is None:
        raise ConfigurationError(f"{POSTGRES_VARIABLE} needs the extra: pip install 'tidegauge[postgres]'")
    import psycopg2

    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or 5432}{parts.path}"
    try:
        psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=5).close()
    except psycopg2.Error as problem:
        # The server's words; should they ever repeat the password, they are not passed on.
        words = " ".join(str(problem).split())
        words = "" if parts.password and parts.password in words else f" ({words})"
        raise ConfigurationError(
            f"{POSTGRES_VARIABLE}: no connection to {where}{words}: start the server, or correct the URL"
        ) from None


def run_pipeline(
    settings: Settings,
    *,
    extract: dict[str, Any] | None = None,
    months: tuple[date, date] | None = None,
    as_of: str | None = None,
    defs: Any = None,
    what: str = "a run",
) -> Outcome:
    """Run the whole pipeline in this process.

    Args:
        settings: home, keys, clock.
        extract: fields of ExtractConfig.
        months: a day of the first and of the last month to ask for; the event log marks them as filled.
        as_of: build only from what was known at this instant (ISO with zone).
        defs: definitions to use instead of the standard ones (tests).
        what: how this run is named to others that wait for it.

    Raises:
        ConfigurationError: there are no such months.
        WarehouseBusyError: another run stayed longer than the setting allows.
    """
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

    from orchestration.alerts.review import review
    from orchestration.assets.months import month_range
    from orchestration.automation.console import STAGES
    from orchestration.automation.jobs import PIPELINE
    from orchestration.definitions import build_definitions

    # Every step of one run sees one clock.
    settings = settings.stopped()
    tags = {}
    if months:
        chosen = month_range(settings, *months)
        tags = {ASSET_PARTITION_RANGE_START_TAG: chosen.start, ASSET_PARTITION_RANGE_END_TAG: chosen.end}
    with hold(settings.home, settings.busy_timeout_seconds, what):
        definitions = defs or build_definitions(settings)
        config = {
            "ops": {"extract": {"config": extract or {}}, "dbt": {"config": {"as_of": as_of} if as_of else {}}},
            "loggers": {STAGES: {}},
        }
        with open_instance(settings) as instance:
            job = definitions.resolve_job_def(PIPELINE)
            if tags:
                job = _asked(job, settings, config)
            result = job.execute_in_process(instance=instance, run_config=config, tags=tags, raise_on_error=False)
            outcome = _outcome(result, settings)
            ended = run_ended(instance, result.run_id)
    if not is_rehearsal(config):
        review(settings, ended)
    return outcome


def _asked(job: dg.JobDefinition, settings: Settings, config: dict[str, Any]) -> dg.JobDefinition:
    """The job without the monthly tables of sources that are not asked: their months must not count as filled."""
    from orchestration.catalog.tables import RAW_TABLES
    from orchestration.extract.run import active_providers

    reasons = active_providers(settings, tuple(config["ops"]["extract"]["config"].get("only", ())))
    silent = {("raw", table.name) for table in RAW_TABLES.values() if table.is_windowed and reasons[table.provider]}
    graph = job.asset_layer.asset_graph
    return job.get_subset(
        asset_selection={key for key in job.asset_layer.executable_asset_keys if tuple(key.path) not in silent},
        asset_check_selection={key for key in graph.asset_check_keys if tuple(key.asset_key.path) not in silent},
    )


def _outcome(result: dg.ExecuteInProcessResult, settings: Settings) -> Outcome:
    errors, codes = [], []
    for failure in failed_steps(result.all_events):
        codes.append(EXIT_OF_ERROR.get(failure.error_class, UNEXPECTED))
        is_check = failure.error_class == "DagsterAssetCheckFailedError"
        closed = closed_checks(settings, result.run_id) if is_check else []
        errors += closed or [f"{failure.step}: {failure.message}"]
    materialized = sorted(
        {
            "/".join(event.asset_key.path)
            for event in result.all_events
            if event.is_step_materialization and event.asset_key
        }
    )
    code = DONE if result.success else codes[0] if codes else UNEXPECTED
    return Outcome(result.run_id, code, errors, materialized)


def closed_checks(settings: Settings, run_id: str) -> list[str]:
    """What closed a gate in this run: check, rule, first failing rows and remedy, a line each."""
    with connect(settings.warehouse_path, read_only=True, wait_seconds=settings.busy_timeout_seconds) as con:
        results = [row for gate in GATES for row in store.last_results(con, gate)]
    return [
        store.describe(row)
        for row in results
        if row["run_id"] == run_id and not row["is_passed"] and row["severity"] == "error"
    ]
