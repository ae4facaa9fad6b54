"""The pipeline as one job: everything, in order, in one process."""

import dagster as dg

PIPELINE = "pipeline"

pipeline = dg.define_asset_job(
    PIPELINE,
    selection=dg.AssetSelection.all(),
    description="Extract, raw gate, dbt, mart gate, analytics, report, release.",
    executor_def=dg.in_process_executor,
)
