"""The tables a terminal shows: what a run brought, gates, releases, and how old each source is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from orchestration.quality import store
from orchestration.quality.checks import GATES
from orchestration.warehouse import release


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="", expand=False)
    for column in columns:
        numeric = column in {
            "seen",
            "new",
            "changed",
            "quarantined",
            "rows",
            "checks",
            "failed",
            "warnings",
            "age days",
        }
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    return table


def run_tables(
    con: duckdb.DuckDBPyConnection, run_id: str, releases_dir: Path, *, released: bool
) -> Iterator[RenderableType]:
    """What one run did: sources, gates, marts, release."""
    sources = _table("Sources", "dataset", "seen", "new", "changed", "quarantined", "note")
    rows = con.execute(
        "select dataset, rows_seen, rows_new, rows_changed, rows_quarantined, note, drift from raw.loads "
        "where run_id = ? order by dataset",
        [run_id],
    ).fetchall()
    for dataset, seen, new, changed, quarantined, note, drift in rows:
        columns = json.loads(drift or "[]")
        more = f"new columns: {', '.join(columns)}" if columns else ""
        sources.add_row(
            escape(dataset),
            f"{seen:,}",
            f"{new:,}",
            f"{changed:,}",
            f"{quarantined:,}",
            escape(note or more),
            style="dim" if note else "",
        )
    if rows:
        yield sources
    for gate in GATES:
        results = [row for row in store.last_results(con, gate) if row["run_id"] == run_id]
        if results:
            yield gates_table(gate, results)
    if released:
        folder = release.current(releases_dir)
        manifest = release.read_manifest(folder)
        marts = _table("Release", "table", "rows")
        for name, table in manifest["tables"].items():
            marts.add_row(escape(name), f"{table['rows']:,}")
        yield marts
        yield f"[green]Released[/green] {escape(str(folder))}"


def gates_table(gate: str, results: Sequence[dict[str, Any]]) -> RenderableType:
    """One gate: the failing checks with their first rows, and a line that counts the rest."""
    bad = [row for row in results if not row["is_passed"]]
    errors = sum(row["severity"] == "error" for row in bad)
    state = "[red]closed[/red]" if errors else "[green]open[/green]"
    if not results:
        return f"[bold]{gate} gate[/bold]: never evaluated"
    table = _table(
        f"{gate} gate: {state}, {len(results) - len(bad)} of {len(results)} checks passed",
        "check",
        "severity",
        "failing",
    )
    for row in sorted(bad, key=lambda each: each["severity"]):
        shown = "; ".join(
            ", ".join(f"{name}={value}" for name, value in each.items() if value is not None)
            for each in row["failing_rows"][:3]
        )
        more = f" (+{row['failing_count'] - 3} more)" if row["failing_count"] > 3 else ""
        table.add_row(
            escape(f"{row['asset']} {row['name']}"),
            row["severity"],
            escape(shown + more + (f" {row['note']}" if row["note"] else "")),
            style="red" if row["severity"] == "error" else "yellow",
        )
    return table if bad else table.title or ""


def releases_table(releases_dir: Path) -> RenderableType:
    """Releases on disk, the current one marked."""
    table = _table("Releases", "release", "as of", "clock", "tables", "rows")
    found = release.names(releases_dir)
    if not found:
        return "[bold]Releases[/bold]: none yet"
    now = release.current(releases_dir).name
    for name in found:
        manifest = release.read_manifest(releases_dir / name)
        table.add_row(
            escape(name) + (" ← current" if name == now else ""),
            str(manifest.get("as_of") or "everything known"),
            str(manifest["clock"])[:16],
            str(len(manifest["tables"])),
            f"{sum(each['rows'] for each in manifest['tables'].values()):,}",
        )
    return table


def sources_table(con: duckdb.DuckDBPyConnection, now: datetime) -> RenderableType:
    """Each series' newest figure and how old it is on the clock."""
    table = _table("Series", "series", "newest", "known at (UTC)", "age days", "title")
    try:
        rows = con.execute(
            """
            select s.series_id, max(o.period_date), max(o.known_at), s.title
            from catalog.series as s left join intermediate.int_observations as o using (series_id)
            where not s.is_retired group by all order by 1
            """
        ).fetchall()
    except duckdb.CatalogException:
        return "[bold]Series[/bold]: the marts were not built yet"
    for series, period, known, title in rows:
        age = f"{(now.date() - period).days}" if period else ""
        when = known.strftime("%Y-%m-%d %H:%M") if known else "never"
        table.add_row(escape(series), str(period or "–"), when, age, escape(title), style="" if period else "dim")
    return table
