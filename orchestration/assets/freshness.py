"""How late every series is against its release rule, as asset checks that run by themselves, apart from any extraction.

They do not block: the raw gate judges freshness too before anything is built. They notice what a gate cannot: that nothing
runs any more.
"""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from orchestration.assets.gates import metadata_table
from orchestration.assets.sources import WAREHOUSE_POOL, raw_key
from orchestration.catalog.tables import RAW_TABLES
from orchestration.quality import frames
from orchestration.quality.checks import SERIES_TABLES
from orchestration.settings import Settings
from orchestration.warehouse import connect

FRESHNESS = "freshness"


@dg.multi_asset_check(
    # Not the name of the job: one repository holds one graph of a name.
    name="series_freshness",
    specs=[
        dg.AssetCheckSpec(
            FRESHNESS,
            asset=raw_key(RAW_TABLES[name]),
            description="No series is later than its release rule and its grace allow.",
        )
        for name in SERIES_TABLES
    ],
    can_subset=True,
    pool=WAREHOUSE_POOL,
    description="How late every series is against its release rule.",
)
def freshness(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.AssetCheckResult]:
    """Compare the newest period of each series with the one its release rule owes by now."""
    with (
        connect(settings.warehouse_path, read_only=True, wait_seconds=settings.busy_timeout_seconds) as con,
        frames.observations(con, RAW_TABLES),
    ):
        ages = frames.series_rows(con, settings.now())
    for key in sorted(context.selected_asset_check_keys):
        yield _verdict(key, ages[ages["dataset"] == key.asset_key.path[-1]])


def _verdict(key: dg.AssetCheckKey, ages: pd.DataFrame) -> dg.AssetCheckResult:
    held = ages[ages["newest"].notna()]
    late = held[held["days_late"] > 0].sort_values("days_late", ascending=False)
    metadata: dict[str, dg.MetadataValue] = {
        "series": dg.MetadataValue.int(len(held)),
        "late_series": dg.MetadataValue.int(len(late)),
        "most_days_late": dg.MetadataValue.float(float(held["days_late"].max()) if len(held) else 0.0),
    }
    if len(late):
        shown = late[["series_id", "newest", "next_period", "due_at", "days_late", "is_required"]]
        metadata["late"] = metadata_table(shown.to_dict("records"))
    return dg.AssetCheckResult(
        passed=late.empty,
        check_name=FRESHNESS,
        asset_key=key.asset_key,
        severity=dg.AssetCheckSeverity.ERROR if late["is_required"].any() else dg.AssetCheckSeverity.WARN,
        description=", ".join(f"{row.series_id} {row.days_late:.1f} days late" for row in late.itertuples())
        or "every series is on time",
        metadata=metadata,
    )
