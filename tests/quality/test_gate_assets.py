"""The gates in a Dagster run: red means nothing downstream ran, green means everything did."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from small_warehouse import LATER, NOW, loaded

from orchestration.assets import gates
from orchestration.catalog.tables import RAW_TABLES
from orchestration.quality import MART_CHECKS, RAW_CHECKS, GateClosedError, GateError, store
from orchestration.warehouse import connect

MARTS = sorted({spec.asset for spec in MART_CHECKS})


class Flow:
    """extract -> raw gate -> models -> mart gate -> analytics -> release, with bodies that only leave a mark."""

    def __init__(self, path: Path) -> None:
        self.ran: list[str] = []
        self.settings = SimpleNamespace(warehouse_path=path, now=lambda: NOW)

        @dg.multi_asset(specs=[dg.AssetSpec(["raw", table]) for table in RAW_TABLES], can_subset=True)
        def extract(context: dg.AssetExecutionContext) -> Any:
            self.ran.append("extract")
            for key in context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=key)

        @dg.multi_asset(
            specs=[
                dg.AssetSpec(mart.split("/"), deps=[dg.AssetKey(["raw", table]) for table in RAW_TABLES])
                for mart in MARTS
            ]
        )
        def models() -> Any:
            self.ran.append("models")
            with connect(path) as con:
                store.require_open(con, "raw")
                build_id = store.start_build(con, run_id="run", as_of=None, is_full=True, started_at=NOW)
                store.finish_build(con, build_id)
            for mart in MARTS:
                yield dg.MaterializeResult(asset_key=dg.AssetKey(mart.split("/")))

        @dg.asset(deps=[dg.AssetKey(mart.split("/")) for mart in MARTS])
        def analytics() -> None:
            self.ran.append("analytics")

        @dg.asset(deps=[analytics])
        def release() -> None:
            with connect(path) as con:
                store.require_open(con, "raw")
                store.require_open(con, "mart")
            self.ran.append("release")

        self.assets = [extract, gates.raw_gate, models, gates.mart_gate, analytics, release]

    def run(self, selection: Any = None) -> Any:
        self.ran.clear()
        return dg.materialize(
            self.assets, selection=selection, resources={"settings": self.settings}, raise_on_error=False
        )


@pytest.fixture
def flow(path: Path) -> Flow:
    return Flow(path)


def damage(path: Path, sql: str, table: str | None = None) -> None:
    with connect(path) as con:
        con.execute(sql)
        if table:
            loaded(con, table, load_id="second")


def failures(result: Any) -> str:
    return " ".join(
        str((e.step_failure_data.error.cause or e.step_failure_data.error).message)
        for e in result.all_events
        if e.is_step_failure
    )


def test_green_run_runs_everything(flow: Flow) -> None:
    result = flow.run()

    assert result.success
    assert flow.ran == ["extract", "models", "analytics", "release"]
    shown = {(each.asset_key.to_user_string(), each.check_name) for each in result.get_asset_check_evaluations()}
    assert shown == {(spec.asset, gates.CHECK) for spec in (*RAW_CHECKS, *MART_CHECKS)}


def test_ten_fold_slip_stops_everything_downstream_and_is_shown(flow: Flow) -> None:
    damage(
        flow.settings.warehouse_path,
        "insert into raw.fredgraph_observations by name select * replace ((value::double / 10)::varchar as value, "
        f"{LATER} as _extracted_at) from raw.fredgraph_observations "
        "where series_id = 'WTREGEN' and observation_date = '2025-10-29'",
        "fredgraph_observations",
    )

    result = flow.run()

    assert not result.success
    assert flow.ran == ["extract"]
    failures_by_asset = {e.asset_key.path[-1]: e for e in result.get_asset_check_evaluations() if not e.passed}
    # The slip itself, and the reconciliation of FRED with the Treasury's own statement.
    assert set(failures_by_asset) == {"fredgraph_observations", "fred_observations"}
    failed = failures_by_asset["fredgraph_observations"]
    assert failed.severity == dg.AssetCheckSeverity.ERROR
    verdicts = {record.data["check"]: record.data["verdict"] for record in failed.metadata["checks"].records}
    assert verdicts["jump"] == "error"
    assert verdicts["keys"] == "passed"
    [record] = failed.metadata["jump: failing rows"].records
    assert (record.data["series_id"], record.data["period_date"]) == ("fred.WTREGEN", "2025-10-29")


def test_warning_does_not_block(flow: Flow) -> None:
    damage(flow.settings.warehouse_path, "delete from raw.fredgraph_observations where series_id = 'VIXCLS'")

    result = flow.run()

    assert result.success
    assert flow.ran[-1] == "release"
    [missing] = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert missing.severity == dg.AssetCheckSeverity.WARN
    assert "presence: failing rows" in missing.metadata


def test_later_run_cannot_slip_past_a_closed_gate(flow: Flow) -> None:
    assert flow.run().success
    damage(flow.settings.warehouse_path, "update raw.cboe_vix_history set \"CLOSE\" = '999'", "cboe_vix_history")
    assert not flow.run().success

    # Dagster's own blocking ends with the run: alone, the assets start. What they re-read stops them.
    for alone in (["release"], [mart.split("/") for mart in MARTS]):
        keys = [dg.AssetKey(each) for each in alone]
        result = flow.run(dg.AssetSelection.assets(*keys) - dg.AssetSelection.all_asset_checks())
        assert not result.success
        assert GateClosedError.__name__ in failures(result)


def test_mart_gate_stops_analytics(flow: Flow) -> None:
    damage(flow.settings.warehouse_path, "update marts.liquidity set m2_usd = m2_usd / 1e6")

    result = flow.run()

    assert not result.success
    assert flow.ran == ["extract", "models"]


def test_gate_that_raises_stops_everything_and_stays_closed(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    assert flow.run().success

    def broken(con: Any, now: datetime) -> Any:
        raise GateError("raw gate could not be evaluated: boom")

    monkeypatch.setattr(gates.gate, "evaluate_raw_gate", broken)
    result = flow.run()

    assert not result.success
    assert "boom" in failures(result)
    assert flow.ran == ["extract"]
    with connect(flow.settings.warehouse_path) as con, pytest.raises(GateClosedError, match="boom"):
        store.require_open(con, "raw")


def test_selection_shows_its_own_checks_but_judges_all(flow: Flow) -> None:
    result = flow.run(dg.AssetSelection.assets(["raw", "cboe_vix_history"]))

    assert result.success
    assert {e.asset_key.to_user_string() for e in result.get_asset_check_evaluations()} == {"raw/cboe_vix_history"}
    with connect(flow.settings.warehouse_path) as con:
        store.require_open(con, "raw")
