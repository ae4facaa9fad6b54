"""Sensors: what happens after a run that the web server or a schedule launched. The command reviews its own."""

import dagster as dg

from orchestration.alerts.review import review
from orchestration.automation.outcome import is_rehearsal, run_ended
from orchestration.settings import Settings

WILL_RETRY = "dagster/will_retry"


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
