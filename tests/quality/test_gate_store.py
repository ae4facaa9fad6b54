"""An open gate is one whose last verdict is complete, free of errors, and about the data as they stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from small_warehouse import NOW, loaded

from orchestration.quality import MART_CHECKS, RAW_CHECKS, CheckResult, GateClosedError, GateError, store
from orchestration.quality.checks import CheckSpec, Gate


def passes(checks: tuple[CheckSpec, ...]) -> list[CheckResult]:
    return [CheckResult(c.gate, c.name, c.asset, True, "error", c.description, c.remedy, {"rows": 1}) for c in checks]


def keep(con: Any, gate: Gate, results: list[CheckResult]) -> None:
    state = store.current_state(con, gate)
    store.store_results(con, results, gate=gate, run_id="run", state=state, evaluated_at=NOW)


def build(con: Any, *, full: bool = True, as_of: datetime | None = None, finish: bool = True) -> None:
    build_id = store.start_build(con, run_id="run", as_of=as_of, is_full=full, started_at=NOW)
    if finish:
        store.finish_build(con, build_id)


def test_never_evaluated_is_closed(con: Any) -> None:
    with pytest.raises(GateClosedError, match="raw gate is closed: it was never evaluated"):
        store.require_open(con, "raw")


def test_complete_green_results_open(con: Any) -> None:
    keep(con, "raw", passes(RAW_CHECKS))
    store.require_open(con, "raw")


def test_error_closes_and_says_what_where_why(con: Any) -> None:
    results = passes(RAW_CHECKS)
    position = next(i for i, each in enumerate(results) if each.name == "jump")
    results[position] = replace(
        results[position], passed=False, failing_rows=[{"series_id": "fred.WTREGEN", "value": 95799}], failing_count=1
    )
    keep(con, "raw", results)

    with pytest.raises(GateClosedError) as closed:
        store.require_open(con, "raw")

    for part in ("1 checks failed", results[position].asset, "jump", "fred.WTREGEN", "95799", "raise jump_limit"):
        assert part in str(closed.value)


def test_warning_does_not_close(con: Any) -> None:
    results = passes(RAW_CHECKS)
    results[0] = replace(results[0], passed=False, severity="warn")
    keep(con, "raw", results)

    store.require_open(con, "raw")


def test_new_load_makes_the_verdict_stale(con: Any) -> None:
    keep(con, "raw", passes(RAW_CHECKS))
    loaded(con, "yahoo_chart", load_id="second")

    with pytest.raises(GateClosedError, match="the data changed after its last evaluation"):
        store.require_open(con, "raw")


def test_check_added_later_must_be_evaluated_first(con: Any) -> None:
    keep(con, "raw", passes(RAW_CHECKS)[1:])

    with pytest.raises(GateClosedError, match=f"not evaluated: {RAW_CHECKS[0].asset}:{RAW_CHECKS[0].name}"):
        store.require_open(con, "raw")


def test_crash_closes_an_open_gate_until_it_is_evaluated_again(con: Any) -> None:
    keep(con, "raw", passes(RAW_CHECKS))
    store.store_crash(con, "raw", GateError("boom"), run_id="run", evaluated_at=NOW)

    with pytest.raises(GateClosedError, match="GateError: boom"):
        store.require_open(con, "raw")

    keep(con, "raw", passes(RAW_CHECKS))
    store.require_open(con, "raw")


def test_mart_gate_needs_a_finished_full_build_of_the_current_raw_tables(con: Any) -> None:
    keep(con, "mart", passes(MART_CHECKS))
    with pytest.raises(GateClosedError, match="never built in full"):
        store.require_open(con, "mart")

    build(con)
    with pytest.raises(GateClosedError, match="the data changed after its last evaluation"):
        store.require_open(con, "mart")
    keep(con, "mart", passes(MART_CHECKS))
    store.require_open(con, "mart")

    loaded(con, "yahoo_chart", load_id="second")
    with pytest.raises(GateClosedError, match="raw tables were loaded after the last full dbt build"):
        store.require_open(con, "mart")


def test_killed_build_closes_the_mart_gate(con: Any) -> None:
    build(con)
    keep(con, "mart", passes(MART_CHECKS))
    build(con, finish=False)

    with pytest.raises(GateClosedError, match="the last dbt build did not finish"):
        store.require_open(con, "mart")


def test_build_of_one_model_needs_a_new_verdict(con: Any) -> None:
    build(con)
    keep(con, "mart", passes(MART_CHECKS))
    build(con, full=False)
    with pytest.raises(GateClosedError, match="the data changed after its last evaluation"):
        store.require_open(con, "mart")

    keep(con, "mart", passes(MART_CHECKS))
    store.require_open(con, "mart")


def test_marts_of_two_instants_are_closed(con: Any) -> None:
    build(con)
    build(con, full=False, as_of=datetime(2025, 10, 30, tzinfo=UTC))
    keep(con, "mart", passes(MART_CHECKS))

    with pytest.raises(GateClosedError, match="as of another instant"):
        store.require_open(con, "mart")


def test_last_results_come_back_as_they_were_kept(con: Any) -> None:
    keep(con, "raw", passes(RAW_CHECKS))
    rows = store.last_results(con, "raw")

    assert [(row["asset"], row["name"]) for row in rows] == [(each.asset, each.name) for each in RAW_CHECKS]
    assert rows[0]["observed"] == {"rows": 1}
    assert rows[0]["failing_rows"] == []
