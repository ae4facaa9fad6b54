"""The report as an asset: drawn from gated tables into the home, where the release takes it along; pictures in the UI."""

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.assets.sources import WAREHOUSE_POOL, holds_excerpts
from orchestration.quality import store
from orchestration.quality.checks import GATES, GateClosedError
from orchestration.settings import Settings
from orchestration.warehouse import analyses, connect
from orchestration.warehouse.ledger import Ledger

PAGES = "pages"
BUILD = "build.json"


def build_report_asset(upstream: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """The report, downstream of every mart and analysis."""

    @dg.asset(
        key=["report"],
        deps=upstream,
        group_name="report",
        kinds={"python", "altair"},
        pool=WAREHOUSE_POOL,
        description="Ten pictures, the answer in five sentences and the ledger as one HTML page, with PNG and SVG beside it.",
    )
    def report(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from orchestration.report import page
        from orchestration.report.frames import Facts

        with connect(settings.warehouse_path, wait_seconds=settings.busy_timeout_seconds) as con:
            store.require_open(con, "raw")
            store.require_open(con, "mart")
            build_id = store.mart_state(con)
            if foreign := analyses.of_other_builds(con, build_id):
                raise GateClosedError(f"analytics {', '.join(foreign)} belong to another build: materialise them again")
            facts = Facts(
                clock=settings.now(),
                as_of=store.build_as_of(con),
                run_id=context.run_id,
                is_excerpt=holds_excerpts(con, Ledger(settings.ledger_path)),
            )
            gates = [(gate, store.last_results(con, gate)) for gate in GATES]
            counts = [(gate, sum(row["is_passed"] for row in rows), len(rows)) for gate, rows in gates]
            made = page.build(con, facts, counts, cache=settings.cache_dir)
        shutil.rmtree(settings.report_dir, ignore_errors=True)
        made.write(settings.report_dir / PAGES)
        # Written last: a report that was cut short belongs to no build.
        (settings.report_dir / BUILD).write_text(json.dumps({"build_id": build_id}), "utf-8")
        missing = [f"{each.number}: {lack.text().en}" for each in made.pictures for lack in each.missing]
        metadata: dict[str, Any] = {
            "page": dg.MetadataValue.path(str((settings.report_dir / PAGES / page.PAGE).resolve())),
            "megabytes": round(len(made.html.encode()) / 1e6, 2),
            "missing": dg.MetadataValue.md("\n".join(f"- {line}" for line in missing) or "nothing"),
        }
        return dg.MaterializeResult(
            metadata=metadata | {still.name: picture(page.thumbnail(still.svg)) for still in made.stills}
        )

    return report


def pages_of(folder: Path, build_id: str) -> dict[str, bytes]:
    """The files of the report in `folder`, relative name to content, which was drawn from this build of the marts.

    Raises:
        GateClosedError: there is none, or it shows another build.
    """
    try:
        found = json.loads((folder / BUILD).read_text("utf-8"))["build_id"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found != build_id:
        raise GateClosedError("the report is missing or shows another build: materialise `report` again")
    pages = folder / PAGES
    return {
        path.relative_to(pages).as_posix(): path.read_bytes() for path in sorted(pages.rglob("*")) if path.is_file()
    }


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG as metadata that the UI shows in place."""
    return dg.MetadataValue.md(f"![picture](data:image/png;base64,{base64.b64encode(png).decode()})")


def picture_of(chart: Mapping[str, Any]) -> dg.MarkdownMetadataValue:
    """A Vega-Lite chart as such a picture."""
    from orchestration.report.page import rasterised

    return picture(rasterised(chart, scale=0.75)[1])
