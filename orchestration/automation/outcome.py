"""What the events of a run mean: which steps failed and from what, and the exit code of each error. No Dagster at import."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestration.alerts.models import Failure, RunEnded

if TYPE_CHECKING:
    import dagster as dg

DONE, UNEXPECTED, USAGE, SOURCE_FAILED, GATE_CLOSED, BUSY = 0, 1, 2, 3, 4, 75

EXIT_OF_ERROR = {
    "SourceFailedError": SOURCE_FAILED,
    "ArchiveError": SOURCE_FAILED,
    "GateClosedError": GATE_CLOSED,
    "GateError": GATE_CLOSED,
    "DagsterAssetCheckFailedError": GATE_CLOSED,
    "DbtBuildError": GATE_CLOSED,
    "WarehouseBusyError": BUSY,
    "ConfigurationError": USAGE,
    "CatalogError": USAGE,
}
"""Exit code by the class that ended a step; anything else is a defect of ours."""


def failed_steps(events: Iterable[dg.DagsterEvent]) -> list[Failure]:
    """The failed steps of a run, each with the error that says most."""
    return [
        _failure(event.step_key or "", event.step_failure_data.error)
        for event in events
        if event.event_type_value == "STEP_FAILURE"
    ]


def _failure(step: str, error: Any, otherwise: str = "") -> Failure:
    # The first link that we know: what a class was raised from is the detail of it.
    chain = []
    while error is not None:
        chain.append(error)
        error = error.cause
    if not chain:
        return Failure(step, "", otherwise)
    known = next((link for link in chain if link.cls_name in EXIT_OF_ERROR), chain[-1])
    name, message = known.cls_name or "", known.message.strip()
    # Dagster puts the class with its module before the message: of ours the message says it all.
    if name in EXIT_OF_ERROR:
        message = re.sub(rf"^[\w.]*\b{name}: ", "", message)
    return Failure(step, name, message)


def run_ended(instance: dg.DagsterInstance, run_id: str) -> RunEnded:
    """How a run ended, from its event log: of the command, the web server or a schedule alike.

    A run without a failed step died before its first or outside of them: the run's own failure says why.
    """
    import dagster as dg

    record = instance.get_run_record_by_id(run_id)
    if record is None:
        raise LookupError(f"run {run_id} is not in the event log")
    run = record.dagster_run
    failures = failed_steps(_events(instance, run_id, dg.DagsterEventType.STEP_FAILURE))
    if not failures:
        failures = [
            _failure("", getattr(event.event_specific_data, "error", None), event.message or "")
            for event in _events(instance, run_id, dg.DagsterEventType.RUN_FAILURE)
        ]
    return RunEnded(
        run_id=run_id,
        job=run.job_name,
        is_success=run.is_success,
        ended_at=datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC),
        failures=tuple(failures),
    )


def _events(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    return [entry.dagster_event for entry in instance.all_logs(run_id, of_type=kind) if entry.dagster_event]


def is_rehearsal(run_config: Mapping[str, Any]) -> bool:
    """True for a replay of archived answers and a build of the past: they say nothing about how things stand now."""
    ops = run_config.get("ops", {})
    given = {name: (ops.get(name) or {}).get("config") or {} for name in ("extract", "dbt")}
    return bool(given["extract"].get("archive") or given["dbt"].get("as_of"))
