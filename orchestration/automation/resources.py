"""What every step of a run is handed: settings with the run's clock, while the run alone holds the home."""

from collections.abc import Iterator

import dagster as dg

from orchestration.settings import Settings
from orchestration.warehouse.lock import hold

HOME_TAG = ".dagster/tidegauge_home"
"""Tag of a run, hidden in the UI by its prefix: the home it works on. Who finds that home free knows that the run is over,
whatever its record says."""


def settings_of_a_run(settings: Settings) -> dg.ResourceDefinition:
    """`settings` as a resource: it is made once per run, so its clock stops there and the lock lasts until the run ends."""

    @dg.resource(description="Settings; every step of a run sees one clock, and no other run works on the home.")
    def held(context: dg.InitResourceContext) -> Iterator[Settings]:
        if context.run and context.instance:
            context.instance.add_run_tags(context.run.run_id, {HOME_TAG: str(settings.home.resolve())})
        # Nobody sits before a run of the web server or of a schedule: it may wait for a long backfill of the command.
        with hold(settings.home, settings.queue_timeout_seconds, f"run {context.run_id}"):
            yield settings.stopped()

    return held
