"""Sensors: what follows a run of the web server or of a schedule, and what ends the record of one that was killed."""

import dagster as dg

from orchestration.alerts.review import review
from orchestration.automation.outcome import is_rehearsal, run_ended
from orchestration.automation.resources import HOME_TAG
from orchestration.settings import Settings
from orchestration.warehouse import WarehouseBusyError
from orchestration.warehouse.lock import hold

WILL_RETRY = "dagster/will_retry"


def build_abandoned_sensor(settings: Settings) -> dg.SensorDefinition:
    """A sensor that ends the record of runs nobody works on any more, so that they do not keep the pool of one.

    A worker of the web server that dies is noticed by its code server. A killed command, or what died together with the
    code server, is noticed here: every run holds the lock of its home to its end, so while that lock is free none is alive.
    """

    @dg.sensor(
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ends the record of runs that were killed without a word.",
    )
    def abandoned_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        instance = context.instance
        before = set((context.cursor or "").split())
        try:
            with hold(settings.home, 0):
                tagged = dg.RunsFilter(
                    statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING],
                    tags={HOME_TAG: str(settings.home.resolve())},
                )
                # Twice in a row: a run lets go of its home a moment before it is recorded as ended.
                left = instance.get_runs(tagged)
                gone = [run for run in left if run.run_id in before]
                for run in gone:
                    instance.report_run_failed(run, "its process is gone: killed, or the machine went down")
        except WarehouseBusyError as busy:
            return dg.SkipReason(str(busy))
        for run in gone:
            review(settings, run_ended(instance, run.run_id))
        context.update_cursor(" ".join(sorted(run.run_id for run in left if run not in gone)))
        return dg.SkipReason(f"ended: {', '.join(run.run_id for run in gone)}" if gone else "every run is alive")

    return abandoned_runs


def build_alert_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Sensors that review the alerts after every run of this code location, of whatever job, whether it succeeded or not.

    A run that is skipped because the home is in use is not lost: a review reads state, and the run in progress ends with one.
    """

    def look(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        run = context.dagster_run
        if is_rehearsal(run.run_config):
            return dg.SkipReason(f"run {run.run_id} replayed the past")
        # An attempt that Dagster repeats has not failed yet.
        is_over = run.tags.get(WILL_RETRY) != "true"
        done = review(settings, run_ended(context.instance, run.run_id) if is_over else None)
        return dg.SkipReason(f"run {run.run_id}: {done}")

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After a green run: late sources, unlocks ahead, moves of the TGA; closes what has recovered.",
    )
    def alerts_after_success(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        return look(context)

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.FAILURE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After a red run: what failed, closed gates, and what a green run is reviewed for.",
    )
    def alerts_after_failure(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        return look(context)

    return [alerts_after_success, alerts_after_failure]
