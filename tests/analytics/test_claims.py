"""The ledger: its form, verdicts that follow the data, and what is said where data are missing."""

from __future__ import annotations

import csv
import string
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from orchestration.analytics.claims import (
    COLUMNS,
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_TESTABLE,
    REQUIRED,
    SUPPORTED,
    Claim,
    ClaimError,
    judge,
    load_claims,
)
from orchestration.catalog import CatalogError, load_catalog
from orchestration.warehouse import connect
from orchestration.warehouse.analyses import CLAIMS, replace_table
from tests.conftest import SHARED

LEDGER = {claim.number: claim for claim in load_claims()}
KNOWN = datetime(2025, 11, 12, 21, tzinfo=UTC)


@pytest.fixture
def con():
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("create schema marts; create schema analytics")
        yield con


def table(con: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame([{"known_at": KNOWN, **row} for row in rows])
    con.register("frame", frame)
    con.execute(f"create or replace table {name} as select * from frame")
    con.unregister("frame")


def verdict(con: duckdb.DuckDBPyConnection, number: int) -> str:
    return one(con, number)["verdict"]


def one(con: duckdb.DuckDBPyConnection, number: int) -> dict[str, Any]:
    [row] = judge(con, [LEDGER[number]]).to_dict("records")
    return row


# Its form


def test_nineteen_claims_are_numbered_and_stand_on_series_of_the_catalog() -> None:
    assert sorted(LEDGER) == list(range(1, 20))
    known = {series.series_id for series in load_catalog().series}
    for claim in LEDGER.values():
        assert set(claim.series) <= known, claim.id


def test_a_sentence_in_both_languages_gives_the_same_figures() -> None:
    """A figure that only one reader sees is a mistake; bn and oku are one figure in two units."""

    def figures(template: str | None) -> set[str]:
        names = {name for _, name, _, _ in string.Formatter().parse(template or "") if name}
        return {name.replace("_oku", "_bn") for name in names}

    for claim in LEDGER.values():
        assert figures(claim.reason_en) == figures(claim.reason_ja), claim.id


VALID = """
claims:
  - id: it
    number: 1
    title_en: It is so.
    title_ja: そうである。
    supports_if_en: It is.
    supports_if_ja: そうなら。
    needs_en: it
    needs_ja: それ
    unit: percent
    query: select 1 as value, null as low, null as high, 1 as n, now() as as_of
    rule:
      supported_when: value > 0
    reason_en: It is {value}.
    reason_ja: "{value}である。"
    link: https://example.org/it
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("    unit: percent\n", ""), r"analytics/claims\.yml: claims it: field unit: is missing"),
        (("    unit: percent\n", "    unit: percent\n    verdict: supported\n"), "field verdict: unknown; remove it"),
        (("supported_when: value > 0", "{}"), "field rule"),
        (("supported_when: value > 0", 'supported_when: "true"'), r"field rule\.supported_when: names no column"),
        (("supported_when: value > 0", "supported_when: article_value > abs(-1)"), "names no column"),
        (("supported_when: value > 0", "refuted_when: value > 0"), r"field rule\.refuted_when: unknown"),
        (("It is {value}.", "It is supported."), "field reason_en: says 'supported'"),
        (("It is {value}.", "It is {value."), "field reason_en: "),
        (("    reason_en: It is {value}.\n", ""), "reason_en: is missing; query, rule and both reasons"),
        (("number: 1", "number: one"), "field number: must be a number"),
        (("https://example", "ftp://example"), "field link: "),
        (("claims:\n", "claims:\n  - {id: it}\n"), "claims it: is listed twice"),
        (("claims:", "claim:"), "field claim: unknown; only claims belongs here"),
    ],
)
def test_a_faulty_ledger_names_entry_and_field(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "claims.yml"
    path.write_text(VALID)
    assert load_claims(path)[0].rule is not None
    assert change[0] in VALID
    path.write_text(VALID.replace(*change))
    with pytest.raises(CatalogError, match=message):
        load_claims(path)


def claim(**change: Any) -> Claim:
    parts = {
        "id": "it",
        "number": 1,
        "title_en": "It is so.",
        "title_ja": "そうである。",
        "supports_if_en": "It is.",
        "supports_if_ja": "そうなら。",
        "needs_en": "it",
        "needs_ja": "それ",
        "unit": "USD",
        "article_value": 2,
        "query": "select 1.5 as value, null as low, null as high, 1 as n, now() as as_of, null as rest_usd",
        "rule": {"supported_when": "value > article_value", "contradicted_when": "value < 1"},
        "reason_en": "It is {value:.1f} and {rest_bn:.1f}.",
        "reason_ja": "{value:.1f}。",
        "link": "https://example.org/it",
    }
    return Claim.model_validate(parts | change)


def test_what_no_condition_decides_is_inconclusive_and_a_null_in_a_sentence_is_a_dash(con) -> None:
    [row] = judge(con, [claim()]).to_dict("records")
    assert (row["verdict"], row["value"], row["reason_en"]) == (INCONCLUSIVE, 1.5, "It is 1.5 and –.")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": "select nothing as value"}, "claim it: field query: Binder Error"),
        ({"query": "select 1 as value, 1 as n"}, "claim it: field query: lacks column low, high, as_of"),
        (
            {"query": "select unnest([1, 2]) as value, null as low, null as high, 1 as n, now() as as_of"},
            "returns 2 rows",
        ),
        (
            {"query": "select 'nan'::double as value, null as low, null as high, 1 as n, now() as as_of"},
            "claim it: field query: value is nan",
        ),
        ({"rule": {"supported_when": "values > 1"}}, "claim it: field rule: "),
        (
            {"rule": {"supported_when": "value > 1", "contradicted_when": "value < 2"}},
            "supported and contradicted at once",
        ),
        ({"reason_en": "It is {vale}."}, "claim it: field reason_en: cannot be filled"),
    ],
)
def test_a_claim_that_cannot_be_asked_is_an_error_and_no_verdict(con, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ClaimError, match=message):
        judge(con, [claim(**change)])


# Missing data


def test_without_any_table_nothing_is_testable_and_each_claim_says_what_it_needs(con) -> None:
    found = judge(con, list(LEDGER.values()))
    assert list(found.columns) == COLUMNS
    assert set(found["verdict"]) == {NOT_TESTABLE}
    assert found[["value", "value_low", "value_high", "n", "as_of"]].isna().all().all()
    for row in found.itertuples():
        assert LEDGER[row.claim_number].needs_en in row.reason_en
        assert LEDGER[row.claim_number].needs_ja in row.reason_ja
        assert all(name in row.reason_en for name in LEDGER[row.claim_number].tables())


def test_a_missing_day_names_the_series_and_how_far_they_reach(con) -> None:
    table(con, "marts.liquidity", [treasury("2025-10-22")])
    table(
        con,
        "marts.dim_series",
        [
            {
                "series_id": "fred.WTREGEN",
                "first_period_date": date(2024, 1, 3),
                "last_period_date": date(2025, 10, 22),
            },
            {"series_id": "fred.WDTGAL", "first_period_date": None, "last_period_date": None},
        ],
    )
    row = one(con, 1)
    assert row["verdict"] == NOT_TESTABLE
    held = "Held: fred.WTREGEN 2024-01-03 – 2025-10-22; fred.WDTGAL none; fiscaldata.TGA_CLOSE none."
    assert held in row["reason_en"]
    assert "fred.WDTGAL なし" in row["reason_ja"]


# Verdicts follow the data


def treasury(
    day: str, week: float = 957.99e9, wednesday: float = 983.859e9, close: float = 983.859e9
) -> dict[str, Any]:
    balances = {"tga_week_average": week, "tga_wednesday": wednesday, "tga_daily_close": close}
    ages = {f"{name}_age_days": 0 for name in balances}
    return {"day": date.fromisoformat(day), **{f"{name}_usd": usd for name, usd in balances.items()}, **ages}


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(1, CONTRADICTED), (0.1, SUPPORTED), (0.1 * 1.07, CONTRADICTED), (0.1 * 1.03, INCONCLUSIVE)],
)
def test_the_ten_fold_slip_is_found_and_its_absence_too(con, factor: float, expected: str) -> None:
    balance = 957.99e9 * factor
    table(con, "marts.liquidity", [treasury("2025-10-29", balance, balance, balance)])
    row = one(con, 1)
    assert row["verdict"] == expected
    assert (row["value"], row["as_of"]) == (pytest.approx(balance), pd.Timestamp(KNOWN))


@pytest.mark.parametrize(
    ("spike", "expected"), [(0.9, SUPPORTED), (1.005, SUPPORTED), (1.2, CONTRADICTED), (None, NOT_TESTABLE)]
)
def test_a_higher_balance_within_the_year_takes_the_year_high_away(con, spike: float | None, expected: str) -> None:
    days = [date(2025, 10, 29) - timedelta(weeks=week) for week in range(52 if spike else 20)]
    rows = [treasury(str(day), 500e9, 500e9, 500e9) for day in days[1:]] + [treasury(str(days[0]), 900e9, 900e9, 900e9)]
    if spike:
        rows[10] |= treasury(str(rows[10]["day"]), 900e9 * spike, 900e9 * spike, 900e9 * spike)
    table(con, "marts.liquidity", rows)
    assert verdict(con, 2) == expected


@pytest.mark.parametrize(("offered", "expected"), [(274e9, SUPPORTED), (294e9, INCONCLUSIVE), (200e9, CONTRADICTED)])
def test_bills_are_counted_by_their_settlement_day(con, offered: float, expected: str) -> None:
    row = {"security_type": "bill", "auctions_held": 3, "issued_usd": offered, "net_usd": 48e9}
    days = [
        {**row, "day": date(2025, 11, 4), "offered_usd": offered},
        {**row, "day": date(2025, 11, 6), "offered_usd": 274e9},
        {**row, "day": date(2025, 11, 4), "offered_usd": 274e9, "security_type": "note"},
    ]
    table(con, "marts.treasury_settlements", days)
    assert verdict(con, 3) == expected


def policy(day: date, title: str) -> dict[str, Any]:
    return {"kind": "policy", "start_date": day, "title": title, "url": "https://www.federalreserve.gov/"}


@pytest.mark.parametrize(("day", "expected"), [(1, SUPPORTED), (2, CONTRADICTED)])
def test_the_end_of_the_run_off_is_the_calendars_date(con, day: int, expected: str) -> None:
    table(con, "marts.events", [policy(date(2025, 12, day), "The Federal Reserve ends the run-off of its holdings")])
    assert verdict(con, 4) == expected


def test_what_was_said_refutes_and_silence_proves_nothing(con) -> None:
    table(con, "marts.events", [policy(date(2025, 12, 1), "The Federal Reserve ends the run-off of its holdings")])
    assert verdict(con, 5) == NOT_TESTABLE
    table(con, "marts.events", [policy(date(2025, 10, 29), "Chair Powell on the December meeting")])
    assert verdict(con, 5) == CONTRADICTED


@pytest.mark.parametrize(
    ("older", "days", "expected"), [(0.1, 6000, SUPPORTED), (8.0, 6000, CONTRADICTED), (0.1, 900, NOT_TESTABLE)]
)
def test_rates_are_high_or_low_only_within_a_long_history(con, older: float, days: int, expected: str) -> None:
    newest = date(2025, 11, 12)
    rows = [
        {
            "day": newest - timedelta(days=age),
            "effr_pct": older if age else 3.87,
            "effr_age_days": 0,
            "real_policy_rate_ex_post_pct": older - 2 if age else 0.9,
        }
        for age in range(days)
    ]
    table(con, "marts.liquidity", rows)
    row = one(con, 6)
    assert row["verdict"] == expected
    assert row["n"] == days
    assert str(newest - timedelta(days=days - 1)) in row["reason_en"]


def rivals(con, total_end: float) -> None:
    days = [date(2024, 11, 1), date(2024, 11, 12), date(2024, 12, 31), date(2025, 11, 11)]
    caps = [(2.2e12, 2.9e12, 3.2e12, total_end), (5700, 6000, 5880, 6800)]
    total = [
        {"index_id": "TOTAL", "source": "tradingview", "day": d, "market_cap_usd": v}
        for d, v in zip(days, caps[0], strict=True)
    ]
    table(con, "marts.market_cap_totals", total)
    table(
        con,
        "marts.equity_returns",
        [{"index_id": "^GSPC", "session_date": d, "close_local": v} for d, v in zip(days, caps[1], strict=True)],
    )


@pytest.mark.parametrize(("total_end", "expected"), [(4.5e12, SUPPORTED), (3.4e12, INCONCLUSIVE), (2e12, CONTRADICTED)])
def test_beating_stocks_takes_every_start_date(con, total_end: float, expected: str) -> None:
    rivals(con, total_end)
    row = one(con, 9)
    assert row["verdict"] == expected
    assert row["value_low"] < row["value"] < row["value_high"]
    con.execute("delete from marts.equity_returns where session_date = '2024-12-31'")
    assert verdict(con, 9) == NOT_TESTABLE


@pytest.mark.parametrize(
    ("n_after", "p", "change", "expected"),
    [
        (22, 0.001, -0.5, INCONCLUSIVE),
        (80, 0.001, -0.5, SUPPORTED),
        (80, 0.4, -0.1, CONTRADICTED),
        (80, 0.001, 0.3, CONTRADICTED),
    ],
)
def test_a_break_needs_sessions_after_it_and_the_wald_rows_decide_nothing(
    con, n_after: int, p: float, change: float, expected: str
) -> None:
    shared = {"includes_crash": True, "n_after": n_after, "r_before": 0.6, "r_before_low_95": 0.5}
    shared |= {"r_before_high_95": 0.7, "r_after": 0.6 + change, "r_after_low_95": 0.0, "r_after_high_95": 0.9}
    rows = [
        {**shared, "asset": asset, "bar": "utc_day", "method": method, "p_value": 0.9 if method == "wald_hac" else p}
        for asset in ("TOTAL", "TOTAL3")
        for method in ("fisher_z", "fisher_z_bootstrap", "wald_hac")
    ]
    table(con, "analytics.correlation_breaks", rows)
    assert verdict(con, 10) == expected


def year(con, *, cap: float, dilution: float, fallen: int, gone: int = 0) -> None:
    """Forty coins over a year: `fallen` of them lost half, the last `gone` are no longer priced."""
    start, end = date(2024, 11, 1), date(2025, 11, 3)
    rows = [
        {
            "source": "tidegauge_coingecko",
            "index_id": index_id,
            "base_day": start,
            "day": day,
            "market_cap_usd": value,
            "dilution_pct": diluted,
        }
        for index_id in ("TOTAL", "TOTAL3ES")
        for day, value, diluted in ((start, 2e12, 0.0), (end, 2e12 * cap, dilution))
    ]
    table(con, "marts.market_cap_changes", rows)
    coins = [
        {
            "source": "coingecko",
            "asset_id": f"coin-{coin}",
            "asset_class": "other",
            "rank": coin + 3,
            "day": day,
            "price_usd": price,
        }
        for coin in range(40)
        for day, price in ((start, 1.0), (end, 0.5 if coin < fallen else 1.5))
        if not (day == end and coin >= 40 - gone)
    ]
    table(con, "marts.market_caps", coins)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"cap": 1.2, "dilution": 5.0, "fallen": 30}, SUPPORTED),
        ({"cap": 0.9, "dilution": 5.0, "fallen": 30}, CONTRADICTED),
        ({"cap": 1.2, "dilution": -1.0, "fallen": 30}, CONTRADICTED),
        ({"cap": 1.2, "dilution": 5.0, "fallen": 10}, CONTRADICTED),
        # Whether the coins that are gone fell or rose would decide.
        ({"cap": 1.2, "dilution": 5.0, "fallen": 15, "gone": 10}, INCONCLUSIVE),
    ],
)
def test_dilution_needs_a_rising_cap_and_falling_coins(con, given: dict[str, Any], expected: str) -> None:
    year(con, **given)
    row = one(con, 11)
    assert (row["verdict"], row["value"]) == (expected, pytest.approx(given["dilution"]))


def months(con, first: float, peak: float) -> None:
    days = [(date(2020, 11, 1) + timedelta(days=d), first * (1 + d / 100)) for d in range(30)]
    days += [(date(2021, 11, 1) + timedelta(days=d), peak * (1 - d / 100)) for d in range(30)]
    shared = {"index_id": "TOTAL", "coverage_pct": None}
    rows = [{**shared, "source": "tradingview", "day": day, "market_cap_usd": usd} for day, usd in days]
    # A partial sum of ours must not pass for the market of November 2020.
    rows.append({**rows[0], "source": "tidegauge_coinmetrics", "market_cap_usd": 300e9, "coverage_pct": 70.0})
    table(con, "marts.market_cap_totals", rows)


@pytest.mark.parametrize(
    ("first", "peak", "expected"),
    [
        (300e9, 3.1e12, SUPPORTED),
        (390e9, 3.1e12, CONTRADICTED),
        (300e9, 2.5e12, CONTRADICTED),
        (300e9, 2.9e12, INCONCLUSIVE),
    ],
)
def test_ten_fold_needs_both_ends(con, first: float, peak: float, expected: str) -> None:
    months(con, first, peak)
    assert verdict(con, 12) == expected


def test_claim_12_on_the_mirrors_export() -> None:
    export = SHARED / "mirror" / "tradingview" / "CRYPTOCAP_TOTAL.csv"
    if not export.is_file():
        pytest.skip(f"no chart export at {export}")
    rows = [
        {
            "index_id": "TOTAL",
            "source": "tradingview",
            "day": datetime.fromtimestamp(int(line["time"]), UTC).date(),
            "market_cap_usd": float(line["close"]),
            "coverage_pct": None,
        }
        for line in csv.DictReader(export.open(encoding="utf-8-sig"))
    ]
    with duckdb.connect() as con:
        con.execute("create schema marts")
        table(con, "marts.market_cap_totals", rows)
        found = one(con, 12)
    # The start is far above 300 bn. The highest close is 2.90 tn: docs/claims.md says why not 3.
    assert found["verdict"] == CONTRADICTED
    assert found["value_low"] > 390e9
    assert "2,901 billion (tradingview, 2021-11-08)" in found["reason_en"]


@pytest.mark.parametrize(
    ("kospi", "other", "expected"),
    [(71.0, 21.0, SUPPORTED), (71.0, 80.0, CONTRADICTED), (40.0, 21.0, CONTRADICTED), (62.0, 21.0, INCONCLUSIVE)],
)
def test_kospi_leads_only_with_the_number_and_the_rank(con, kospi: float, other: float, expected: str) -> None:
    indices = {"^KS11": kospi, "^GSPC": 16.0, "^IXIC": other, "000001.SS": 19.0}
    rows = [
        {"index_id": name, "session_date": date(2025, 11, day), "return_ytd_pct": value}
        for name, value in indices.items()
        for day in (11, 12)
    ]
    table(con, "marts.equity_returns", rows)
    row = one(con, 14)
    assert (row["verdict"], row["value"], row["n"]) == (expected, kospi, 4)


@pytest.mark.parametrize(("highest", "expected"), [(4018.6, SUPPORTED), (3999.0, INCONCLUSIVE), (3900.0, CONTRADICTED)])
def test_shanghai_is_above_4000_by_a_close(con, highest: float, expected: str) -> None:
    rows = [
        {"index_id": "000001.SS", "session_date": date(2025, 10, 20) + timedelta(days=d), "close_local": highest - d}
        for d in range(20)
    ]
    table(con, "marts.equity_returns", rows)
    assert (verdict(con, 15), one(con, 15)["value"]) == (expected, highest)


@pytest.mark.parametrize(("latest", "expected"), [(7000.0, SUPPORTED), (6000.0, CONTRADICTED)])
def test_a_record_is_higher_than_all_before(con, latest: float, expected: str) -> None:
    rows = [
        {
            "index_id": "^GSPC",
            "session_date": date(2025, 11, 12) - timedelta(days=age),
            "close_local": latest if age < 31 else 6500.0,
        }
        for age in range(300)
    ]
    # After the article's date: must not count.
    rows.append({"index_id": "^GSPC", "session_date": date(2025, 12, 24), "close_local": 9000.0})
    table(con, "marts.equity_returns", rows)
    assert verdict(con, 16) == expected


@pytest.mark.parametrize(
    ("vix", "dollar", "expected"),
    [
        ((16.0, 18.0, 20.0), (98.0, 99.0, 100.0), SUPPORTED),
        ((16.0, 24.0, 20.0), (98.0, 99.0, 100.0), INCONCLUSIVE),
        ((22.0, 24.0, 20.0), (98.0, 99.0, 100.0), CONTRADICTED),
    ],
)
def test_rising_means_from_both_starts(con, vix: tuple, dollar: tuple, expected: str) -> None:
    """Levels on 9 October, twenty observations ago and now."""

    def level(levels: tuple, day: date, twenty_ago: date) -> float:
        return levels[0] if day <= date(2025, 10, 9) else levels[1] if day <= twenty_ago else levels[2]

    days = [day.date() for day in pd.bdate_range("2025-09-01", "2025-11-12")]
    rows = [
        {
            "day": day,
            "dollar_dxy_index": level(dollar, day, days[-21]),
            "dollar_dxy_age_days": 0,
            "vix_index": level(vix, day, days[-21]),
            "vix_age_days": 0,
        }
        for day in days
    ]
    table(con, "marts.liquidity", rows)
    assert verdict(con, 17) == expected


def unlock(kind: str, tokens: float, circulating: float) -> dict[str, Any]:
    cliff = kind == "cliff"
    return {
        "event_id": f"{kind}-{tokens}",
        "source": "tokenomist" if cliff else "defillama",
        "token_id": "hyperliquid",
        "kind": kind,
        "unlock_at": datetime(2025, 11, 29, tzinfo=UTC),
        "ends_at": pd.NaT if cliff else datetime(2027, 11, 30, tzinfo=UTC),
        "amount_tokens": tokens if cliff else tokens * 731,
        "rate_tokens_per_day": None if cliff else tokens,
        "circulating_denominator_tokens": circulating,
        "max_supply_denominator_tokens": circulating,
    }


@pytest.mark.parametrize(
    ("schedules", "expected"),
    [
        ([("cliff", 9_916_667, 334.0e6)], SUPPORTED),
        ([("cliff", 9_916_667, 334.0e6), ("linear", 325_581.4, 334.0e6)], SUPPORTED),
        ([("cliff", 9_916_667, 271.0e6)], INCONCLUSIVE),
        ([("cliff", 9_916_667, 372.9e6)], INCONCLUSIVE),
        ([("linear", 325_581.4, 334.0e6)], INCONCLUSIVE),
        ([("cliff", 1_200_000, 334.0e6)], CONTRADICTED),
    ],
)
def test_the_amount_is_one_thing_and_its_denominator_another(con, schedules: list, expected: str) -> None:
    table(con, "marts.unlocks", [unlock(*schedule) for schedule in schedules])
    row = one(con, 18)
    assert row["verdict"] == expected
    assert row["n"] == len(schedules)
    assert row["value_high"] < 11e6, "schedules of one token are never added"


def unlocks_of_the_window(con, cliff_tokens: float, *, order: int = 1, tokens: int = 30) -> None:
    """Thirty tokens priced on every day, each with ten cliffs, and linear vesting of which ten days fall into the window."""
    names = [f"token-{number}" for number in range(tokens)]
    events = [
        unlock("cliff", cliff_tokens * (1 + step / 7), 1e9)
        | {"event_id": f"{name}-{step}", "token_id": name, "unlock_at": datetime(2025, 9, 1 + step, tzinfo=UTC)}
        | {"source": "defillama"}
        for name in names
        for step in range(10)
    ]
    events += [
        unlock("linear", 1000.1, 1e9)
        | {"event_id": f"{name}-linear", "token_id": name, "unlock_at": datetime(2025, 7, 1, tzinfo=UTC)}
        | {"ends_at": datetime(2025, 8, 22, tzinfo=UTC)}
        for name in names
    ]
    # Before the window: counts nowhere.
    events.append(
        events[0] | {"event_id": "old", "unlock_at": datetime(2025, 8, 11, 23, tzinfo=UTC), "amount_tokens": 1e12}
    )
    table(con, "marts.unlocks", events[::order])
    prices = [
        {
            "asset_id": name,
            "source": "coingecko",
            "day": date(2025, 8, 12) + timedelta(days=d),
            "price_usd": 1 + d / 700,
        }
        for name in names
        for d in range(92)
    ]
    table(con, "marts.market_caps", prices[::order])


@pytest.mark.parametrize(
    ("cliff_tokens", "tokens", "expected"),
    [(60e6, 30, SUPPORTED), (5e6, 30, INCONCLUSIVE), (200e6, 30, CONTRADICTED), (60e6, 5, NOT_TESTABLE)],
)
def test_unlocks_are_a_lower_bound(con, cliff_tokens: float, tokens: int, expected: str) -> None:
    unlocks_of_the_window(con, cliff_tokens, tokens=tokens)
    row = one(con, 8)
    assert row["verdict"] == expected
    price = 1 + 45.5 / 700
    cliffs = tokens * cliff_tokens * sum(1 + step / 7 for step in range(10)) * price
    assert row["value_low"] == pytest.approx(cliffs)
    assert row["value_high"] - row["value_low"] == pytest.approx(tokens * 10 * 1000.1 * price, rel=1e-4)


def test_the_order_of_rows_does_not_change_a_digit(con) -> None:
    found = []
    for order in (1, -1):
        unlocks_of_the_window(con, 7e6 / 3, order=order)
        found.append(one(con, 8)["value"])
    assert found[0] == found[1]


@pytest.mark.parametrize("growth", [-0.2, 0.0, 0.2])
def test_no_change_of_stablecoins_decides_where_capital_went(con, growth: float) -> None:
    rows = [
        {
            "day": date(2025, 10, 10) + timedelta(days=d),
            "stablecoins_usd": 300e9 * (1 + growth * d / 33),
            "stablecoins_age_days": 0,
        }
        for d in range(34)
    ]
    table(con, "marts.liquidity", rows)
    row = one(con, 19)
    assert (row["verdict"], row["value"]) == (INCONCLUSIVE, pytest.approx(100 * growth))


# The table


def test_the_table_holds_what_the_ledger_says(tmp_path: Path) -> None:
    assert list(CLAIMS) == COLUMNS
    assert {"value", "n"} < set(REQUIRED)
    with connect(tmp_path / "it.duckdb") as con:
        con.execute("create schema marts")
        table(con, "marts.liquidity", [treasury("2025-10-29")])
        found = judge(con, [LEDGER[1], LEDGER[3], LEDGER[13]])
        assert replace_table(con, "claims", CLAIMS, found, build_id="b1") == 3
        stored = con.execute(
            "select count(*), count(value), count(value_low), count(as_of), count(*) filter (isnan(value)), max(as_of) "
            "from analytics.claims"
        ).fetchone()
    assert stored == (3, 1, 1, 1, 0, KNOWN)
