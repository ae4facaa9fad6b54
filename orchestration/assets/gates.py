"""Both gates as blocking asset checks: evaluate once, keep every result, show the failing rows in the UI.

What is checked and what counts as open is decided in orchestration/quality.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import duckdb

from orchestration.quality import MART_CHECKS, RAW_CHECKS, CheckResult, CheckSpec, GateError, gate, store, suites
from orchestration.quality.checks import Gate
from orchestration.settings import Settings
from orchestration.warehouse import connect

Evaluate = Callable[[duckdb.DuckDBPyConnection, datetime], list[CheckResult]]


def asset_key(spec: CheckSpec | CheckResult) -> dg.AssetKey:
    """`raw/fred_observations` as the key of that asset."""
    return dg.AssetKey(spec.asset.split("/"))


def _specs(checks: Sequence[CheckSpec]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            each.name,
            asset=asset_key(each),
            blocking=True,
            description=f"{each.description}. If not: {each.remedy}.",
        )
        for each in checks
    ]


@dg.multi_asset_check(
    name="raw_gate",
    specs=_specs(RAW_CHECKS),
    can_subset=True,
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
            state, results = store.current_state(con, name), evaluate(con, now)
    except GateError as problem:
        with connect(settings.warehouse_path) as con:
            store.store_crash(con, name, problem, run_id=context.run.run_id, evaluated_at=now)
        raise
    with connect(settings.warehouse_path) as con:
        store.store_results(con, results, gate=name, run_id=context.run.run_id, state=state, evaluated_at=now)
    shown = context.selected_asset_check_keys
    for each in results:
        if dg.AssetCheckKey(asset_key(each), each.name) in shown:
            yield to_dagster(each)
        elif not each.passed and each.severity == "error":
            context.log.error(f"{each.asset} {each.name} failed outside this selection: the {name} gate stays closed")


def to_dagster(result: CheckResult) -> dg.AssetCheckResult:
    """A result as the UI shows it: numbers, the failing rows as a table, and what to do."""
    metadata: dict[str, Any] = dict(result.observed)
    if result.note:
        metadata["note"] = result.note
    if not result.passed:
        metadata["failing_rows_total"] = result.failing_count
        metadata["remedy"] = result.remedy
    if result.failing_rows:
        metadata["failing_rows"] = _table(result.failing_rows)
    return dg.AssetCheckResult(
        passed=result.passed,
        check_name=result.name,
        asset_key=asset_key(result),
        severity=dg.AssetCheckSeverity.ERROR if result.severity == "error" else dg.AssetCheckSeverity.WARN,
        description=result.description if result.passed else f"{result.description}: {result.failing_count} do not",
        metadata={key: value for key, value in metadata.items() if value is not None},
    )


def _table(rows: Sequence[dict[str, Any]]) -> dg.TableMetadataValue:
    # As text: a table column has one type, and a missing number is not one.
    names = list(rows[0])
    return dg.MetadataValue.table(
        records=[dg.TableRecord({name: "" if row[name] is None else str(row[name]) for name in names}) for row in rows],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in names]),
    )
