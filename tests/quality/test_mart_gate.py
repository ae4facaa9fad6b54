"""Every rule of the mart gate has a payload that trips it; the clean marts trip none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from small_warehouse import NOW

from orchestration.quality import MART_CHECKS, GateError
from orchestration.quality.checks import CheckResult
from orchestration.quality.gate import evaluate_mart_gate


def failed(results: list[CheckResult]) -> dict[str, CheckResult]:
    return {f"{each.asset.removeprefix('marts/')}.{each.name}": each for each in results if not each.passed}


def test_clean_marts_pass_every_check(con: Any) -> None:
    results = evaluate_mart_gate(con, NOW)

    assert [(each.asset, each.name) for each in results] == [(spec.asset, spec.name) for spec in MART_CHECKS]
    assert failed(results) == {}


TRIPS: dict[str, tuple[str, set[str]]] = {
    "a day twice": ("insert into marts.liquidity select * from marts.liquidity limit 1", {"liquidity.keys"}),
    "millions instead of dollars": (
        "update marts.liquidity set m2_usd = m2_usd / 1e6 where day = '2025-11-03'",
        {"liquidity.values"},
    ),
    "a net liquidity with another flavour's account": (
        "update marts.liquidity set net_liquidity_wednesday_usd = 6.1e12 where day = '2025-11-05'",
        {"liquidity.net_liquidity"},
    ),
    "a mart that ends early": ("delete from marts.liquidity where day > '2025-11-01'", {"liquidity.freshness"}),
    "a net liquidity that ends early": (
        "update marts.liquidity set net_liquidity_daily_usd = null where day > '2025-10-30'",
        {"liquidity.freshness"},
    ),
    "a day of the future": (
        "update marts.liquidity set day = '2025-11-13' where day = '2025-11-11'",
        {"liquidity.time"},
    ),
    "a fact known tomorrow": (
        "update marts.equity_returns set known_at = timestamptz '2025-11-13 00:00:00+00' where session_date = '2025-11-11'",
        {"equity_returns.time"},
    ),
    "a negative cap": (
        "update marts.market_caps set market_cap_usd = -1 where asset_id = 'wbtc' and day = '2025-11-01'",
        {"market_caps.values"},
    ),
    "caps that are not price times supply": (
        "update marts.market_caps set supply_tokens = supply_tokens * 1.02 where asset_id = 'wbtc'",
        {"market_caps.values"},
    ),
    "an asset twice a day": (
        "insert into marts.market_caps select * from marts.market_caps where asset_id = 'wbtc' limit 1",
        {"market_caps.keys"},
    ),
    "a total that lost a constituent": (
        "update marts.market_cap_totals set market_cap_usd = market_cap_usd - 1e9 where index_id = 'TOTAL' and day = '2025-11-01'",
        {"market_cap_totals.parts", "market_cap_changes.residual"},
    ),
    "a part above its total": (
        "update marts.market_cap_totals set market_cap_usd = market_cap_usd * 9 where index_id = 'TOTAL3' and day = '2025-11-01'",
        {"market_cap_totals.parts", "market_cap_changes.residual"},
    ),
    "an empty total": (
        "update marts.market_cap_totals set market_cap_usd = 0 where index_id = 'TOTAL3ES' and day = '2025-11-01'",
        {"market_cap_totals.values", "market_cap_changes.residual"},
    ),
    "a cause that is missing": (
        "update marts.market_cap_changes set price_effect_usd = 1e9 where index_id = 'TOTAL' and day = '2025-11-01'",
        {"market_cap_changes.residual"},
    ),
    "a residual that is no rounding": (
        "update marts.market_cap_changes set residual_usd = 1e6 where index_id = 'TOTAL' and day = '2025-11-01'",
        {"market_cap_changes.residual"},
    ),
    "changes of another universe than the totals": (
        "update marts.market_cap_changes set market_cap_usd = market_cap_usd * 1.1, price_effect_usd = market_cap_usd * 0.1 "
        "where index_id = 'TOTAL' and day = '2025-11-11'",
        {"market_cap_changes.residual"},
    ),
    "a change on a day without a total": (
        "update marts.market_cap_changes set day = '2025-09-30', previous_day = null, previous_market_cap_usd = null "
        "where index_id = 'TOTAL' and day = '2025-11-11'",
        {"market_cap_changes.residual"},
    ),
    "a supply that grew tenfold": (
        "update marts.market_cap_changes set supply_effect_usd = 2e12, price_effect_usd = -2e12 where index_id = 'TOTAL' "
        "and day > '2025-11-01'",
        {"market_cap_changes.values"},
    ),
    "a change twice": (
        "insert into marts.market_cap_changes select * from marts.market_cap_changes limit 1",
        {"market_cap_changes.keys"},
    ),
    "a change known tomorrow": (
        "update marts.market_cap_changes set known_at = timestamptz '2025-11-13 00:00:00+00' where day = '2025-11-11'",
        {"market_cap_changes.time"},
    ),
    "a return of half": (
        "update marts.equity_returns set log_return = -0.7 where session_date = '2025-11-10'",
        {"equity_returns.values"},
    ),
    "an unlock above the maximum supply": (
        "update marts.unlocks set max_supply_pct = 240 where event_id = 'e1'",
        {"unlocks.values"},
    ),
    "an event that ends before it starts": (
        "update marts.events set end_date = start_date - 1 where event_id = 'e1'",
        {"events.values"},
    ),
    "an instant that ends before it starts": (
        "update marts.events set ends_at = event_at - interval 1 hour where event_id = 'e0'",
        {"events.values"},
    ),
    "an instant of another day": (
        "update marts.events set event_at = event_at + interval 2 day where event_id = 'e0'",
        {"events.values"},
    ),
    "a kind nobody knows": ("update marts.events set kind = 'party' where event_id = 'e2'", {"events.values"}),
    "an instant without its time": (
        "update marts.events set precision = 'instant' where event_id = 'e2'",
        {"events.values"},
    ),
    "a conflict that does not say why": (
        "update marts.events set conflict_reason = null where event_id = 'e1'",
        {"events.values"},
    ),
    "a target range of half a point": (
        "update marts.events set target_upper_pct = 4.25 where event_id = 'e0'",
        {"events.values"},
    ),
    "a date announced after it was known": (
        "update marts.events set announced_at = known_at + interval 1 minute where event_id = 'e0'",
        {"events.values"},
    ),
    "an outcome known tomorrow": (
        "update marts.events set known_at = timestamptz '2025-11-13 00:00:00+00' where event_id = 'e0'",
        {"events.time"},
    ),
    "a calendar event twice": ("insert into marts.events select * from marts.events limit 1", {"events.keys"}),
    "an event twice": ("insert into marts.unlocks select * from marts.unlocks limit 1", {"unlocks.keys"}),
}


@pytest.mark.parametrize(("damage", "expected"), TRIPS.values(), ids=TRIPS.keys())
def test_damage_trips_its_check(con: Any, damage: str, expected: set[str]) -> None:
    con.execute(damage)

    found = failed(evaluate_mart_gate(con, NOW))

    assert set(found) == expected
    assert all(each.severity == "error" and each.failing_rows for each in found.values())


def test_build_as_of_may_not_know_anything_later(con: Any) -> None:
    as_of = datetime(2025, 11, 5, 12, 0, tzinfo=UTC)

    found = failed(evaluate_mart_gate(con, NOW, as_of=as_of))

    assert {"liquidity.time", "market_caps.time", "equity_returns.time"} <= set(found)
    assert found["equity_returns.time"].failing_rows[0]["column"] in {"known_ahead_seconds", "days_ahead"}


def test_coverage_outside_its_band_closes_for_a_full_universe_only(con: Any) -> None:
    con.execute("update marts.market_cap_totals set coverage_pct = 50 where index_id = 'TOTAL' and day = '2025-11-01'")
    assert failed(evaluate_mart_gate(con, NOW))["market_cap_totals.coverage"].severity == "warn"

    con.execute("update marts.market_cap_totals set source = 'tidegauge_coingecko'")
    con.execute("update marts.market_caps set source = 'coingecko'")
    assert failed(evaluate_mart_gate(con, NOW))["market_cap_totals.coverage"].severity == "error"


def test_empty_optional_mart_is_not_applicable_and_an_empty_core_mart_fails(con: Any) -> None:
    con.execute("delete from marts.unlocks")
    assert failed(evaluate_mart_gate(con, NOW)) == {}

    con.execute("delete from marts.liquidity")
    assert {"liquidity.keys", "liquidity.values", "liquidity.freshness"} <= set(failed(evaluate_mart_gate(con, NOW)))


def test_missing_mart_raises(con: Any) -> None:
    con.execute("drop table marts.unlocks")

    with pytest.raises(GateError, match="mart gate could not be evaluated"):
        evaluate_mart_gate(con, NOW)
