"""The catalog and the raw tables as assets: definitions first, then every provider's rows, from the network or an archive."""

import hashlib
import importlib.metadata
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from pydantic import Field

from orchestration.assets.months import Asked, asked, months
from orchestration.catalog import DIRECTORY, Catalog, load_catalog
from orchestration.catalog.events import load_events
from orchestration.catalog.tables import RAW_TABLES, RawTable
from orchestration.extract.archive import Archive
from orchestration.extract.base import Held, Window
from orchestration.extract.progress import Progress
from orchestration.extract.run import Harvest, active_providers, first_fetch, harvest_archive, harvest_live
from orchestration.settings import ConfigurationError, Settings
from orchestration.warehouse import WarehouseError, connect, definitions, raw
from orchestration.warehouse.cursors import described_series, vintage_cursors, window_starts
from orchestration.warehouse.ledger import Ledger

CATALOG_KEY = dg.AssetKey(["catalog"])
CALENDAR_START = date(1990, 1, 1)
WAREHOUSE_POOL = "warehouse"
"""Dagster's pool of one: of the runs it launches, one at a time works on the warehouse."""


class SourceFailedError(Exception):
    """A required source yielded nothing usable; everything else has been stored."""


class ExtractConfig(dg.Config):
    """What one extraction asks for; empty fields mean: the months of the run, else what is new since the last run.

    start, end: first and last day (ISO) instead.
    only: provider names; the others are left as they are.
    archive: folder of archived responses to play again instead of asking the network.
    """

    start: str | None = None
    end: str | None = None
    only: list[str] = Field(default_factory=list)
    archive: str | None = None


def raw_key(table: RawTable) -> dg.AssetKey:
    """Asset key of a raw table, the same as dbt's source."""
    return dg.AssetKey(["raw", table.name])


@dg.asset(
    key=CATALOG_KEY,
    group_name="catalog",
    kinds={"duckdb", "yaml"},
    pool=WAREHOUSE_POOL,
    description="Definitions, token identities, terms, release instants and trading sessions, loaded from catalog/*.yml.",
)
def catalog_tables(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Load the catalog schema when the YAML, a calendar library or the covered years have changed."""
    catalog, events = load_catalog(), load_events()
    until = date(settings.now().year + 2, 1, 1)
    digest = _digest(until)
    with connect(settings.warehouse_path, wait_seconds=settings.busy_timeout_seconds) as con:
        is_current = definitions.is_current(con, digest)
        if not is_current:
            definitions.replace(con, definitions.frames(catalog, events, CALENDAR_START, until), digest)
        counts = definitions.rows(con)
    known: dict[str, Any] = {"unchanged": is_current, "digest": digest, "dagster/row_count": sum(counts.values())}
    return dg.MaterializeResult(metadata={**known, **counts})


def _digest(until: date) -> str:
    state = hashlib.sha256(f"{until} {definitions.TABLES}".encode())
    for path in sorted(DIRECTORY.glob("*")):
        if path.suffix in {".yml", ".py"}:
            state.update(path.read_bytes())
    for library in ("exchange_calendars", "tzdata", "pandas"):
        state.update(importlib.metadata.version(library).encode())
    return state.hexdigest()


def build_extract_assets(settings: Settings) -> dg.AssetsDefinition:
    """One subsettable asset per raw table. Those whose source answers for a window of days are partitioned by month."""
    monthly = months(settings)

    @dg.multi_asset(
        name="extract",
        specs=[
            dg.AssetSpec(
                raw_key(table),
                group_name="raw",
                deps=[CATALOG_KEY],
                kinds={"python", "duckdb"},
                partitions_def=monthly if table.is_windowed else None,
                description=f"Versions of every row {table.provider} served; natural key: {', '.join(table.key)}.",
            )
            for table in RAW_TABLES.values()
        ],
        can_subset=True,
        # A run per month would load one month a time, each with its look-back, and build the marts after each.
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=WAREHOUSE_POOL,
    )
    def extract(
        context: dg.AssetExecutionContext, config: ExtractConfig, settings: dg.ResourceParam[Settings]
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Ask all providers side by side and load each as it comes; a dead source does not hold up the others.

        Raises:
            SourceFailedError: after everything usable was stored, when something required was not.
        """
        catalog = load_catalog()
        wanted = {key.path[-1] for key in context.selected_asset_keys}
        failures: list[str] = []
        ledger = Ledger(settings.ledger_path)
        days = _days(context, config, settings)
        with (
            connect(settings.warehouse_path, wait_seconds=settings.busy_timeout_seconds) as con,
            Progress() as progress,
        ):
            raw.create_tables(con)
            if not config.archive:
                refuse_lost_loads(con, ledger)
            loaded_before = _loaded_before(ledger, days)
            done = set(loaded_before)
            if loaded_before:
                context.log.warning(
                    f"backfill {days.months} goes on: {', '.join(sorted(loaded_before))} are loaded already"
                )
            for harvest in _harvests(con, catalog, settings, config, days, wanted, loaded_before, progress):
                failures += [str(error) for error in harvest.required_failures]
                batches = [
                    raw.Batch(
                        RAW_TABLES[name],
                        rows,
                        sorted(harvest.drift.get(name, ())),
                        tuple(harvest.listings.get(name, ())),
                    )
                    for name, rows in harvest.tables.items()
                ]
                loaded = raw.load(con, _circumstances(harvest, context.run_id, settings.now()), batches)
                is_whole = not (harvest.failures or harvest.skipped)
                done |= {harvest.provider} if is_whole else set()
                ledger.append(
                    "load",
                    run_id=context.run_id,
                    provider=harvest.provider,
                    loads={count.load_id: count.new + count.changed for count in loaded},
                    **({"months": days.months} if days.months and is_whole else {}),
                )
                for count in loaded:
                    if count.dataset in wanted and not harvest.required_failures:
                        yield dg.MaterializeResult(
                            asset_key=raw_key(RAW_TABLES[count.dataset]), metadata=_metadata(con, harvest, count)
                        )
            if config.archive:
                archive = Path(config.archive)
                is_excerpt = Archive(archive).is_excerpt
                ledger.append("replayed", run_id=context.run_id, archive=archive.name, is_excerpt=is_excerpt)
            elif days.months and not failures:
                ledger.append("backfilled", run_id=context.run_id, months=days.months, providers=sorted(done))
        if failures:
            raise SourceFailedError("\n".join(failures))

    return extract


def _days(context: dg.AssetExecutionContext, config: ExtractConfig, settings: Settings) -> Asked:
    """What the configuration names, else the months of the run."""
    today = settings.now().astimezone(UTC).date()
    is_partitioned = context.has_partition_key or context.has_partition_key_range
    if config.start or config.end or config.archive or not is_partitioned:
        start, end = (date.fromisoformat(day) if day else None for day in (config.start, config.end))
        last = end or today
        if (start or date.min) > last or last > today + timedelta(days=1):
            raise ConfigurationError(
                f"window {config.start or '...'}..{last}: it must start before it ends, and end by {today}"
            )
        return Asked(start, end)
    return asked(context.partition_key_range, today)


def _loaded_before(ledger: Ledger, days: Asked) -> set[str]:
    """The providers that an interrupted backfill of the same months has loaded without a failure."""
    found: set[str] = set()
    for line in ledger.entries() if days.months else ():
        if line.get("months") == days.months:
            found = found - set(line["providers"]) if line["event"] == "backfilled" else found | {line["provider"]}
    return found


def _harvests(
    con: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    settings: Settings,
    config: ExtractConfig,
    days: Asked,
    wanted: set[str],
    loaded_before: set[str],
    progress: Progress,
) -> Iterator[Harvest]:
    if config.archive:
        return harvest_archive(Archive(Path(config.archive)), progress)
    reasons = active_providers(settings, tuple(config.only))
    needed = {RAW_TABLES[name].provider for name in wanted}
    reasons = {name: reason for name, reason in reasons.items() if name in needed}
    if days.end:
        # Nothing can be new in days that are over. Up to now, what has come since is asked for below.
        reasons |= dict.fromkeys(loaded_before & set(reasons), "loaded already by the interrupted backfill")
    held = Held(vintage_cursors(con), described_series(con))
    windows = _windows(con, catalog, settings, days, loaded_before)
    return harvest_live(catalog, settings, windows, reasons, progress, held, frozenset(wanted))


def _windows(
    con: duckdb.DuckDBPyConnection, catalog: Catalog, settings: Settings, days: Asked, loaded_before: set[str]
) -> Callable[[str, str | None], Window]:
    end = days.end or settings.now().astimezone(UTC).date()
    new, given = (
        window_starts(con, catalog, first_day=settings.first_day, end=end, given=start, is_bounded=days.end is not None)
        for start in (None, days.start)
    )
    return lambda provider, key: Window((new if provider in loaded_before else given)(provider, key), end)


def _circumstances(harvest: Harvest, run_id: str, now: datetime) -> raw.Load:
    first, last = first_fetch(harvest, now)
    return raw.Load(run_id, harvest.provider, harvest.responses, first, last, harvest.skipped)


def _metadata(con: duckdb.DuckDBPyConnection, harvest: Harvest, count: raw.Loaded) -> dict[str, dg.MetadataValue[Any]]:
    total = con.execute(f'select count(*) from raw."{count.dataset}"').fetchone() or (0,)
    found: dict[str, dg.MetadataValue[Any]] = {
        "dagster/row_count": dg.MetadataValue.int(total[0]),
        "rows_seen": dg.MetadataValue.int(count.seen),
        "rows_new": dg.MetadataValue.int(count.new),
        "rows_changed": dg.MetadataValue.int(count.changed),
        "rows_quarantined": dg.MetadataValue.int(count.quarantined),
        "responses": dg.MetadataValue.int(harvest.responses),
        "requests": dg.MetadataValue.int(harvest.tries),
    }
    if harvest.skipped:
        found["skipped"] = dg.MetadataValue.text(harvest.skipped)
    if harvest.failures:
        found["failures"] = dg.MetadataValue.md("\n".join(f"- {error}" for error, _ in harvest.failures))
    if drift := harvest.drift.get(count.dataset):
        found["new_columns"] = dg.MetadataValue.text(", ".join(sorted(drift)))
    return found


def holds_excerpts(con: duckdb.DuckDBPyConnection, ledger: Ledger) -> bool:
    """True when any row of the warehouse was loaded from an archive of excerpts."""
    runs = {line["run_id"] for line in ledger.entries() if line["event"] == "replayed" and line.get("is_excerpt")}
    return not runs.isdisjoint(run for (run,) in con.execute("select distinct run_id from raw.loads").fetchall())


def refuse_lost_loads(con: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    """Raise when the warehouse no longer holds a load that the ledger says was acknowledged.

    Raises:
        WarehouseError: naming how many loads are gone and how to get them back.
    """
    acknowledged: dict[str, str] = {}
    for line in ledger.entries():
        if line["event"] == "replayed":
            # A replay brings everything back under new load ids: only its own and later ones count from here.
            acknowledged = {load_id: run for load_id, run in acknowledged.items() if run == line["run_id"]}
        acknowledged |= dict.fromkeys(line.get("loads", {}), line["run_id"])
    held = {row[0] for row in con.execute("select load_id from raw.loads").fetchall()}
    lost = [load_id for load_id in acknowledged if load_id not in held]
    if lost:
        raise WarehouseError(
            f"the warehouse lacks {len(lost)} of the loads that were acknowledged (it was restored from an older copy, or its "
            "write-ahead log was cut): run `tidegauge replay` to rebuild it from the archive"
        )
