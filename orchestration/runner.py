"""One pipeline run from Python: the lock, the Dagster instance, the job, and what the outcome means as an exit code.

The command line calls this; the Dagster UI launches the same job by itself.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
from orchestration.settings import PACKAGE_ROOT, Settings
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


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `errors`: one text per failed step, innermost message; `materialized`: asset keys, slash-joined."""

    run_id: str
    exit_code: int
    errors: list[str] = field(default_factory=list)
    materialized: list[str] = field(default_factory=list)


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The home's Dagster instance: SQLite storage, telemetry off."""
    import dagster as dg

    folder = settings.dagster_dir
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PACKAGE_ROOT / "dagster.yaml", folder / "dagster.yaml")
    return dg.DagsterInstance.from_config(str(folder.resolve()))


def run_pipeline(
    settings: Settings, *, extract: dict[str, Any] | None = None, as_of: str | None = None, defs: Any = None
) -> Outcome:
    """Run the whole pipeline in this process.

    Args:
        settings: home, keys, clock.
        extract: fields of ExtractConfig.
        as_of: build only from what was known at this instant (ISO with zone).
        defs: definitions to use instead of the standard ones (tests).
    """
    from orchestration.alerts.review import review
    from orchestration.automation.console import STAGES
    from orchestration.automation.jobs import PIPELINE
    from orchestration.definitions import build_definitions

    # Every step of one run sees one clock.
    settings = settings.stopped()
    with hold(settings.home, settings.busy_timeout_seconds):
        definitions = defs or build_definitions(settings)
        config = {
            "ops": {"extract": {"config": extract or {}}, "dbt": {"config": {"as_of": as_of} if as_of else {}}},
            "loggers": {STAGES: {}},
        }
        with open_instance(settings) as instance:
            result = definitions.resolve_job_def(PIPELINE).execute_in_process(
                instance=instance, run_config=config, raise_on_error=False
            )
            outcome = _outcome(result, settings)
            ended = run_ended(instance, result.run_id)
    if not is_rehearsal(config):
        review(settings, ended)
    return outcome


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
