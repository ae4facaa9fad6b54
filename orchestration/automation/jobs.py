"""What is launched together: the pipeline, everything in order in one process; and what runs every hour beside it."""

import dagster as dg

from orchestration.assets import freshness as check
from orchestration.assets.sources import raw_key
from orchestration.catalog.tables import RAW_TABLES

PIPELINE = "pipeline"
SNAPSHOTS = "snapshots"
FRESHNESS = "freshness"

HOURLY = (
    "coingecko_markets",
    "coinmarketcap_global_metrics",
    "stablecoins_charts",
    "llama_unlock_events",
    "llama_emissions",
    "llama_protocols",
)
"""Raw tables whose source shows the present only: an hour not asked for is lost, and when a schedule was changed stays vague.
Tokenomist is left to the daily run: its calls are paid."""

pipeline = dg.define_asset_job(
    PIPELINE,
    selection=dg.AssetSelection.all() - dg.AssetSelection.checks(check.freshness),
    description="Extract, raw gate, dbt, mart gate, analytics, report, release.",
    executor_def=dg.in_process_executor,
)

snapshots = dg.define_asset_job(
    SNAPSHOTS,
    selection=dg.AssetSelection.assets(*(raw_key(RAW_TABLES[name]) for name in HOURLY)).without_checks(),
    description="Ask the sources that show only the present; the next pipeline run builds from it.",
    executor_def=dg.in_process_executor,
)

fresh = dg.define_asset_job(
    FRESHNESS,
    selection=dg.AssetSelection.checks(check.freshness),
    description="Compare every series with its release rule; asks no source.",
    executor_def=dg.in_process_executor,
)
