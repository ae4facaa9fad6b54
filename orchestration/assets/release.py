"""The release as an asset: refuses while a gate is closed, whatever was materialised since, and swaps `current` last."""

import importlib.metadata
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import duckdb

from orchestration import __version__
from orchestration.assets import dictionary
from orchestration.assets import report as reports
from orchestration.assets.sources import WAREHOUSE_POOL, holds_excerpts
from orchestration.quality import store
from orchestration.quality.checks import GATES, GateClosedError
from orchestration.settings import PACKAGE_ROOT, Settings
from orchestration.warehouse import analyses, calendar_file, connect, release
from orchestration.warehouse.ledger import Ledger

VERSIONED = ("duckdb", "dbt-core", "dbt-duckdb", "dagster", "great-expectations", "pandas")


def build_release_asset(upstream: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """The release, downstream of every mart and analysis and of the report."""

    @dg.asset(
        key=["release"],
        deps=upstream,
        group_name="release",
        kinds={"duckdb", "parquet"},
        pool=WAREHOUSE_POOL,
        description="Read-only copy of marts and analytics (DuckDB, Parquet), report, dictionary, calendar: `releases/current`.",
    )
    def publish(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        now = settings.now()
        words = dictionary.build(settings.project_dir, settings.dbt_target_dir, warehouse=settings.warehouse_path)
        with connect(settings.warehouse_path, wait_seconds=settings.busy_timeout_seconds) as con:
            store.require_open(con, "raw")
            store.require_open(con, "mart")
            if foreign := analyses.of_other_builds(con, store.mart_state(con)):
                raise GateClosedError(f"analytics {', '.join(foreign)} belong to another build: materialise them again")
            pages = reports.pages_of(settings.report_dir, store.mart_state(con))
            facts = release_facts(con, run_id=context.run_id, clock=now)
            facts["is_excerpt"] = holds_excerpts(con, Ledger(settings.ledger_path))
            ahead = calendar_file.calendar_ahead(con, facts["as_of"] or now, stamped=now)
            folder = release.publish(
                con,
                settings.releases_dir,
                f"{now:%Y%m%dT%H%M%SZ}-{context.run_id[:8]}",
                facts,
                keep=settings.releases_kept,
                files={calendar_file.NAME: ahead, dictionary.NAME: words, **pages},
            )
        manifest = release.read_manifest(folder)
        Ledger(settings.ledger_path).append("release", run_id=context.run_id, release=folder.name)
        counts = {name: table["rows"] for name, table in manifest["tables"].items()}
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(folder)),
                "tables": dg.MetadataValue.json(counts),
                "dagster/row_count": sum(counts.values()),
                "megabytes": round(size / 1e6, 2),
            }
        )

    return publish


def release_facts(con: duckdb.DuckDBPyConnection, *, run_id: str, clock: datetime) -> dict[str, Any]:
    """What a manifest says beside its tables; no path and no setting is among it."""
    as_of = store.build_as_of(con)
    terms = con.execute(
        "select provider, licence, redistribution, attribution from catalog.sources order by 1"
    ).fetchall()
    return {
        "run_id": run_id,
        "clock": clock,
        "released_at": datetime.now(UTC),
        "as_of": as_of,
        "commit": _commit(),
        "versions": {"tidegauge": __version__} | {name: importlib.metadata.version(name) for name in VERSIONED},
        "gates": {
            gate: {
                "passed": sum(row["is_passed"] for row in results),
                "warnings": [f"{row['asset']}: {row['name']}" for row in results if not row["is_passed"]],
            }
            for gate in GATES
            if (results := store.last_results(con, gate))
        },
        "terms": [
            dict(zip(("provider", "licence", "redistribution", "attribution"), row, strict=True)) for row in terms
        ],
    }


def _commit() -> str | None:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=PACKAGE_ROOT, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
