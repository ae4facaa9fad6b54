"""The tables a terminal shows: what a run brought, gates, releases, and how old each source is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from orchestration.alerts.memory import Entry
from orchestration.catalog import Catalog
from orchestration.catalog.models import Terms
from orchestration.catalog.tables import RAW_TABLES
from orchestration.extract.doctor import Diagnosis
from orchestration.quality import frames, store
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


def public_table(manifest: dict[str, Any]) -> RenderableType:
    """What a public copy holds and what stayed at home, with the source whose terms ask for it."""
    table = _table("Public copy", "table", "rows", "left out")
    for name in sorted(set(manifest["tables"]) | set(manifest["left_out"])):
        kept, left = manifest["tables"].get(name), manifest["left_out"].get(name, {})
        reasons = left.get("table") or "; ".join(
            f"{what}: {', '.join(f'{each} ({why})' for each, why in members.items())}" for what, members in left.items()
        )
        table.add_row(
            escape(name),
            f"{kept['rows']:,}" if kept else "–",
            escape(f"the table ({reasons})" if "table" in left else reasons),
            style="" if kept else "dim",
        )
    return table


def series_table(con: duckdb.DuckDBPyConnection, now: datetime) -> RenderableType:
    """Each series' newest figure, when it became public, how old it is, and whether its release rule owes a newer one."""
    table = _table("Series", "series", "newest", "known at (UTC)", "age days", "next due (UTC)", "state", "title")
    known = _rows(con, "select series_id, max(known_at) from intermediate.int_observations group by 1")
    titles = _rows(con, "select series_id, title from catalog.series")
    with frames.observations(con, RAW_TABLES):
        ages = frames.series_rows(con, now).to_dict("records")
    for row in ages:
        newest, due, late = row["newest"], row["due_at"], row["days_late"]
        if pd.isna(newest):
            state, style = "no data", "dim"
        elif pd.isna(due):
            state, style = "no release rule", "red"
        else:
            grace = row["freshness_grace_days"]
            due -= pd.Timedelta(days=grace)
            # Between the release instant and the end of its grace a figure is due; the gate calls it late after that.
            state, style = ("due" if late > -grace else "on time"), ""
            if late > 0:
                state, style = f"{late:.1f} days late", "red" if row["is_required"] else "yellow"
        public = known.get(row["series_id"])
        table.add_row(
            escape(row["series_id"]),
            "–" if pd.isna(newest) else f"{newest:%Y-%m-%d}",
            f"{public:%Y-%m-%d %H:%M}" if public else "–",
            "" if pd.isna(newest) else str((now.date() - newest.date()).days),
            "" if pd.isna(due) else f"{due:%Y-%m-%d %H:%M}",
            state,
            escape(titles[row["series_id"]]),
            style=style,
        )
    return table


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """Pairs of a query as a mapping; empty while its table does not exist yet."""
    try:
        return dict(con.execute(sql).fetchall())
    except duckdb.CatalogException:
        return {}


def doctor_table(found: Sequence[Diagnosis]) -> RenderableType:
    """One line per source: key, state, newest day, and what to do."""
    styles = {"ok": "green", "not asked": "dim"}
    table = _table("Sources", "source", "state", "key", "newest", "detail")
    for each in found:
        style = styles.get(each.state, "red" if each.is_required else "yellow")
        table.add_row(each.provider, each.state, each.key, str(each.newest or "–"), escape(each.detail), style=style)
    return table


LATEST = 20


def alerts_tables(entries: Sequence[Entry]) -> Iterator[RenderableType]:
    """The alerts that stand, then the latest that are over; instants by the clock of the runs."""
    standing = [entry for entry in entries if entry.closed_at is None]
    over = [entry for entry in entries if entry.closed_at is not None]
    if not entries:
        yield "[bold]Alerts[/bold]: none yet"
        return
    yield _alerts("Alerts that stand", standing) if standing else "[bold]Alerts that stand[/bold]: none"
    if over:
        yield _alerts("Over", over[-LATEST:])


def _alerts(title: str, entries: Sequence[Entry]) -> RenderableType:
    table = _table(title, "since (UTC)", "kind", "webhook", "alert")
    for entry in reversed(entries):
        alert = entry.alert
        until = f"\nto {entry.closed_at:%Y-%m-%d %H:%M}" if entry.closed_at else ""
        sent = f"{entry.sent_at:%Y-%m-%d %H:%M}" if entry.sent_at else ""
        style = "dim" if entry.closed_at else "red" if alert.severity == "error" else "yellow"
        table.add_row(
            f"{alert.at:%Y-%m-%d %H:%M}{until}",
            alert.kind,
            escape("\n".join(part for part in (sent, entry.reason) if part) or "not sent"),
            escape(alert.text),
            style=style,
        )
    return table


def terms_table(catalog: Catalog) -> RenderableType:
    """The terms register: one line per source, and one for each series whose owner has terms of its own."""
    table = _table("Terms", "source", "redistribution", "licence", "attribution", "read", "url")

    def add(name: str, terms: Terms) -> None:
        read = "yes" if terms.is_verified else "no"
        style = {"allowed": "green", "forbidden": "red"}.get(terms.redistribution, "yellow")
        cells = (terms.licence, terms.attribution, read, terms.url)
        table.add_row(escape(name), f"[{style}]{terms.redistribution}[/{style}]", *(escape(cell) for cell in cells))

    for name, provider in catalog.providers.items():
        add(name, provider.terms)
        for series in provider.series:
            if series.terms != provider.terms:
                add(series.series_id, series.terms)
    return table
