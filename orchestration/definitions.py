"""Assembly: everything Dagster loads, from one settings object. Nothing is decided here."""

from __future__ import annotations

from typing import Any

import dagster as dg

from orchestration.assets.analyses import build_analysis_assets
from orchestration.assets.columns import describe
from orchestration.assets.dbt import build_dbt_assets, prepare_manifest
from orchestration.assets.freshness import freshness
from orchestration.assets.gates import mart_gate, raw_gate
from orchestration.assets.release import build_release_asset
from orchestration.assets.report import build_report_asset
from orchestration.assets.sources import build_extract_assets, catalog_tables
from orchestration.automation.console import STAGES, stages_logger
from orchestration.automation.jobs import fresh, pipeline, snapshots
from orchestration.automation.resources import settings_of_a_run
from orchestration.automation.schedules import build_schedules
from orchestration.automation.sensors import build_abandoned_sensor, build_alert_sensors
from orchestration.settings import Settings, load_settings


def build_definitions(settings: Settings | None = None, **overrides: Any) -> dg.Definitions:
    """All assets, gates, jobs and resources.

    Args:
        settings: read from the environment when not given.
        overrides: single settings that win over the environment (tests, notebooks).
    """
    settings = settings or load_settings(**overrides)
    manifest = prepare_manifest(settings.project_dir, settings.dbt_target_dir, warehouse=settings.warehouse_path)
    extract, models = build_extract_assets(settings), build_dbt_assets(manifest)
    marts = sorted(key for key in models.keys if key.path[0] == "marts")
    analyses = build_analysis_assets(marts)
    upstream = [*marts, *(key for analysis in analyses for key in analysis.keys)]
    report = build_report_asset(upstream)
    release = build_release_asset([*upstream, *report.keys])
    return dg.Definitions(
        assets=describe([catalog_tables, extract, models, *analyses, report, release], manifest),
        asset_checks=[raw_gate, mart_gate, freshness],
        jobs=[pipeline, snapshots, fresh],
        schedules=build_schedules(settings),
        sensors=[*build_alert_sensors(settings), build_abandoned_sensor(settings)],
        resources={"settings": settings_of_a_run(settings)},
        loggers={"console": dg.colored_console_logger, STAGES: stages_logger},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `workspace.yaml` points at; nothing is read before Dagster asks for it."""
    return build_definitions()
