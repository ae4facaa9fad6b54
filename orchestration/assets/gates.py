"""Both gates as blocking asset checks: evaluate once, keep every result, show the failing rows in the UI.

What is checked and what counts as open is decided in orchestration/quality.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import dagster as dg
import duckdb

from orchestration.assets.sources import WAREHOUSE_POOL
from orchestration.quality import MART_CHECKS, RAW_CHECKS, CheckResult, CheckSpec, GateError, gate, store, suites
from orchestration.quality.checks import Gate
from orchestration.settings import Settings
from orchestration.warehouse import connect

Judged = TypeVar("Judged", CheckSpec, CheckResult)
Evaluate = Callable[[duckdb.DuckDBPyConnection, datetime], list[CheckResult]]


CHECK = "gate"


def asset_key(name: str) -> dg.AssetKey:
    """`raw/fred_observations` as the key of that asset."""
    return dg.AssetKey(name.split("/"))


def _specs(checks: Sequence[CheckSpec]) -> list[dg.AssetCheckSpec]:
    # One check per asset: every check costs Dagster's event log about 60 ms, a hundred of them six seconds a run.
    return [
        dg.AssetCheckSpec(
            CHECK,
            asset=asset_key(asset),
            blocking=True,
            description="\n".join(f"- {each.name}: {each.description}" for each in members),
        )
        for asset, members in _by_asset(checks).items()
    ]


def _by_asset(checks: Iterable[Judged]) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = {}
    for each in checks:
        found.setdefault(each.asset, []).append(each)
    return found


@dg.multi_asset_check(
    name="raw_gate",
    specs=_specs(RAW_CHECKS),
    can_subset=True,
    pool=WAREHOUSE_POOL,
    description="Nothing is built from raw tables that fail one of these.",
)
def raw_gate(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.AssetCheckResult]:
    """Judge every raw table; a selection decides which results are shown, never which are computed."""
    yield from _evaluate(context, settings, "raw", gate.evaluate_raw_gate)


@dg.multi_asset_check(
    name="mart_gate",
    specs=_specs(MART_CHECKS),
    can_subset=True,
    pool=WAREHOUSE_POOL,
    description="No statistics, no report and no release are made from marts that fail one of these.",
)
def mart_gate(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.AssetCheckResult]:
    """Judge every gated mart; a selection decides which results are shown, never which are computed."""
    yield from _evaluate(context, settings, "mart", _evaluate_marts)


def _evaluate_marts(con: duckdb.DuckDBPyConnection, now: datetime) -> list[CheckResult]:
    return gate.evaluate_mart_gate(con, now, as_of=store.build_as_of(con))


def _evaluate(
    context: dg.AssetCheckExecutionContext, settings: Settings, name: Gate, evaluate: Evaluate
) -> Iterator[dg.AssetCheckResult]:
    suites.load()  # seconds of import that must not hold the warehouse
    now = settings.now()
    try:
        with connect(settings.warehouse_path, read_only=True) as con:
            # Responses came in while the run's clock stood still: what they brought is not of the future.
            now = max(now, store.last_fetch(con) or now)
            state, results = store.current_state(con, name), evaluate(con, now)
    except GateError as problem:
        with connect(settings.warehouse_path) as con:
            store.store_crash(con, name, problem, run_id=context.run.run_id, evaluated_at=now)
        raise
    with connect(settings.warehouse_path) as con:
        store.store_results(con, results, gate=name, run_id=context.run.run_id, state=state, evaluated_at=now)
    shown = {key.asset_key for key in context.selected_asset_check_keys}
    for asset, members in _by_asset(results).items():
        if asset_key(asset) in shown:
            yield to_dagster(asset, members)
        elif any(not each.passed and each.severity == "error" for each in members):
            context.log.error(f"{asset} failed outside this selection: the {name} gate stays closed")


def to_dagster(asset: str, results: Sequence[CheckResult]) -> dg.AssetCheckResult:
    """The results of one asset as the UI shows them: a table of checks, then the failing rows of each and what to do."""
    failed = [each for each in results if not each.passed]
    is_error = any(each.severity == "error" for each in failed)
    metadata: dict[str, Any] = {"checks": metadata_table([_line(each) for each in results])}
    for each in failed:
        metadata[f"{each.name}: remedy"] = each.remedy
        if each.failing_rows:
            metadata[f"{each.name}: failing rows"] = metadata_table(each.failing_rows)
    return dg.AssetCheckResult(
        passed=not failed,
        check_name=CHECK,
        asset_key=asset_key(asset),
        severity=dg.AssetCheckSeverity.ERROR if is_error or not failed else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{each.name}: {each.failing_count} rows fail" for each in failed) or "all checks passed",
        metadata=metadata,
    )


def _line(result: CheckResult) -> dict[str, Any]:
    return {
        "check": result.name,
        "verdict": "passed" if result.passed else result.severity,
        "failing": result.failing_count,
        "holds": result.description,
        "note": result.note,
        "observed": ", ".join(f"{name} {value}" for name, value in result.observed.items() if value is not None),
    }


def metadata_table(rows: Sequence[dict[Any, Any]]) -> dg.TableMetadataValue:
    """Rows as a table of the UI."""
    # As text: a table column has one type, and a missing number is not one.
    names = list(rows[0])
    return dg.MetadataValue.table(
        records=[dg.TableRecord({name: "" if row[name] is None else str(row[name]) for name in names}) for row in rows],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in names]),
    )
