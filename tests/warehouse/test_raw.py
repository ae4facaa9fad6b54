"""Raw versions: what a load adds, what it leaves alone, what it refuses."""

from __future__ import annotations

import json
import random
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from orchestration.catalog.tables import RAW_TABLES
from orchestration.warehouse import raw

from .helpers import (
    AT,
    GOOD,
    arrow,
    assert_loads_add_up,
    batch,
    content,
    counts,
    everything,
    hours,
    load,
    load_row,
    refused,
)

Con = duckdb.DuckDBPyConnection
FRED, STABLE, COINS, UNLOCKS = (
    "fred_observations",
    "stablecoins_charts",
    "coinmetrics_asset_metrics",
    "llama_unlock_events",
)


def values(con: Con, name: str, column: str) -> list[Any]:
    return [row[0] for row in con.execute(f'select "{column}" from raw."{name}" order by _extracted_at').fetchall()]


# ------------------------------------------------------------------ versions


@pytest.mark.parametrize("name", GOOD)
def test_first_load_is_all_new_and_the_same_again_adds_nothing(con: Con, name: str) -> None:
    assert counts(load_row(con, name)) == (1, 1, 0, 0)
    before = content(con, name)
    assert counts(load_row(con, name, at=hours(24))) == (1, 0, 0, 0)
    assert content(con, name) == before
    assert before[0][: len(GOOD[name])][0] in GOOD[name].values()
    assert_loads_add_up(con)


def test_a_changed_value_becomes_a_version_beside_the_old(con: Con) -> None:
    load_row(con, FRED)
    assert counts(load_row(con, FRED, {"value": "6587035"}, at=hours(24))) == (1, 0, 1, 0)
    assert values(con, FRED, "value") == ["6587034", "6587035"]
    assert_loads_add_up(con)


def test_a_value_that_returns_is_a_third_version(con: Con) -> None:
    for hour, value in enumerate(["1", "2", "1"]):
        load_row(con, FRED, {"value": value}, at=hours(hour))
    assert values(con, FRED, "value") == ["1", "2", "1"]


def test_text_that_means_the_same_number_is_still_another_text(con: Con) -> None:
    load_row(con, FRED, {"value": "1.0"})
    assert counts(load_row(con, FRED, {"value": "1.00"}, at=hours(1))) == (1, 0, 1, 0)


def test_a_value_that_appears_where_none_was_is_a_version(con: Con) -> None:
    load_row(con, COINS, {"PriceUSD": None})
    assert counts(load_row(con, COINS, at=hours(1))) == (1, 0, 1, 0)
    assert counts(load_row(con, COINS, {"PriceUSD": None}, at=hours(2))) == (1, 0, 1, 0)


def test_an_older_snapshot_takes_its_place_between_the_versions(con: Con) -> None:
    load_row(con, FRED, {"value": "1"}, at=hours(1))
    load_row(con, FRED, {"value": "3"}, at=hours(3))
    assert counts(load_row(con, FRED, {"value": "2"}, at=hours(2))) == (1, 0, 1, 0)
    assert counts(load_row(con, FRED, {"value": "2"}, at=hours(2))) == (1, 0, 0, 0)
    assert counts(load_row(con, FRED, {"value": "1"}, at=hours(1.5))) == (1, 0, 0, 0)
    assert values(con, FRED, "value") == ["1", "2", "3"]


def test_a_snapshot_older_than_everything_becomes_the_first_version(con: Con) -> None:
    load_row(con, FRED, {"value": "2"}, at=hours(2))
    assert counts(load_row(con, FRED, {"value": "1"}, at=hours(1))) == (1, 1, 0, 0)
    assert values(con, FRED, "value") == ["1", "2"]
    assert_loads_add_up(con)


def test_a_complete_replay_finds_the_return_that_an_out_of_order_load_hid(con: Con) -> None:
    load_row(con, FRED, {"value": "1"}, at=hours(1))
    load_row(con, FRED, {"value": "1"}, at=hours(3))
    load_row(con, FRED, {"value": "2"}, at=hours(2))
    assert values(con, FRED, "value") == ["1", "2"]
    answers = [
        (GOOD[FRED] | {"value": value}, hours(hour), str(hour)) for hour, value in ((1, "1"), (2, "2"), (3, "1"))
    ]
    done = load(con, raw.Batch(RAW_TABLES[FRED], arrow(FRED, answers)))
    assert counts(done[0]) == (3, 0, 1, 0)
    assert values(con, FRED, "value") == ["1", "2", "1"]


@pytest.mark.parametrize(
    ("name", "column"),
    [(table.name, column.name) for table in RAW_TABLES.values() for column in table.columns if not column.versioned],
)
def test_a_column_that_changes_with_every_answer_makes_no_version(con: Con, name: str, column: str) -> None:
    load_row(con, name, {column: "2025-11-12"})
    assert counts(load_row(con, name, {column: "2025-11-13"}, at=hours(24))) == (1, 0, 0, 0)
    assert values(con, name, column) == ["2025-11-12"]


def test_the_unversioned_columns_are_the_ones_we_mean() -> None:
    found = {c.name for table in RAW_TABLES.values() for c in table.columns if not c.versioned}
    assert found == {
        *("realtime_start", "realtime_end", "totalMintedUSD", "totalBridgedToUSD", "file_name"),
        "max_time",
    }


def test_the_final_row_of_a_day_is_a_version_even_with_the_amount_of_the_provisional_one(con: Con) -> None:
    load_row(con, STABLE)
    assert counts(load_row(con, STABLE, {"is_provisional": "false"}, at=hours(24))) == (1, 0, 1, 0)
    assert values(con, STABLE, "is_provisional") == ["true", "false"]


def test_copies_within_one_answer_count_once(con: Con) -> None:
    assert counts(load_row(con, FRED, {}, {}, {})) == (3, 1, 0, 0)
    assert_loads_add_up(con)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"PriceUSD": "1"}, {"PriceUSD": "2"}), ({"PriceUSD": None}, {"PriceUSD": "2"}), ({"SplyCur": "1"}, {})],
)
def test_two_values_for_one_key_in_one_answer_are_both_refused(
    con: Con, one: dict[str, str | None], other: dict[str, str | None]
) -> None:
    done = load_row(con, COINS, one, other, {"asset": "eth"})
    assert counts(done) == (3, 1, 0, 2)
    assert values(con, COINS, "asset") == ["eth"]
    assert {reason for reason, _ in refused(con)} == {"two values for one key in one answer"}
    assert len(refused(con)) == 2


def test_two_values_on_two_pages_of_one_instant_are_both_refused(con: Con) -> None:
    pages = [(GOOD[FRED] | {"value": value}, AT, f"page {value}") for value in ("1", "2")]
    done = load(con, raw.Batch(RAW_TABLES[FRED], arrow(FRED, pages)))
    assert counts(done[0]) == (2, 0, 0, 2)


def test_the_same_row_on_two_overlapping_pages_counts_once(con: Con) -> None:
    pages = [(GOOD[FRED], AT, sha) for sha in ("one", "two")]
    assert counts(load(con, raw.Batch(RAW_TABLES[FRED], arrow(FRED, pages)))[0]) == (2, 1, 0, 0)


def test_a_conflict_does_not_touch_what_is_held(con: Con) -> None:
    load_row(con, FRED)
    before = content(con, FRED)
    load_row(con, FRED, {"value": "1"}, {"value": "2"}, at=hours(1))
    assert content(con, FRED) == before


# ------------------------------------------------------------------ refused rows

NOT_A_NUMBER = "value is not a finite number"
NOT_A_DAY = "date is not a time"
UNUSABLE: list[tuple[str, dict[str, str | None], str]] = [
    *[
        (FRED, {"value": text}, NOT_A_NUMBER)
        for text in ("abc", "N/A", "", "NaN", "Infinity", "-inf", "1e400", "1,234.5", "12%", "0x10", "<b>", "٥")
    ],
    *[
        (FRED, {"date": text}, NOT_A_DAY)
        for text in (
            "soon",
            "",
            "2025-02-30",
            "01/02/2025",
            "20250102",
            "2025-1-2",
            "2025-01-02 junk",
            "2025-01-02T00:00:00Z",
            "infinity",
            "epoch",
            "1762905600",
        )
    ],
    (FRED, {"date": "0001-01-01"}, "date is before 1900"),
    (FRED, {"date": "9999-12-31"}, "date lies in the future"),
    (FRED, {"date": "2025-11-14"}, "date lies in the future"),
    (FRED, {"date": None}, "date is missing"),
    (FRED, {"series_id": None}, "series_id is missing"),
    ("fredgraph_observations", {"value": "n.a."}, NOT_A_NUMBER),
    ("fiscaldata_operating_cash_balance", {"open_today_bal": ""}, "open_today_bal is not a finite number"),
    (COINS, {"PriceUSD": "-1"}, "PriceUSD is below 0"),
    (COINS, {"CapMrktCurUSD": "-0.01"}, "CapMrktCurUSD is below 0"),
    (COINS, {"time": "10.11.2025"}, "time is not a time"),
    (COINS, {"time": "2026-11-10T00:00:00.000000000Z"}, "time lies in the future"),
    ("coingecko_markets", {"market_cap": "-1"}, "market_cap is below 0"),
    ("coingecko_markets", {"last_updated": "yesterday"}, "last_updated is not a time"),
    (STABLE, {"date": "2025-11-12"}, "date is not a time"),
    (STABLE, {"date": "1762905600000"}, "date lies in the future"),
    (STABLE, {"totalCirculatingUSD": "-5"}, "totalCirculatingUSD is below 0"),
    ("yahoo_chart", {"close": "-6850.92"}, "close is below 0"),
    ("yahoo_chart", {"timestamp": "NaN"}, "timestamp is not a time"),
    ("cboe_vix_history", {"DATE": "2025-11-11"}, "DATE is not a time"),
    ("cboe_vix_history", {"DATE": "13/01/2025"}, "DATE is not a time"),
    ("cboe_vix_history", {"DATE": "01/01/0001"}, "DATE is before 1900"),
    ("cboe_vix_history", {"CLOSE": ""}, "CLOSE is not a finite number"),
    (UNLOCKS, {"timestamp": "1764374400000"}, "timestamp lies more than a century ahead"),
    (UNLOCKS, {"end_timestamp": "1764374400000"}, "end_timestamp lies more than a century ahead"),
    (UNLOCKS, {"timestamp": "1e99"}, "timestamp is not a time"),
    (UNLOCKS, {"recipient": None}, "recipient is missing"),
    ("llama_emissions", {"unlocked": "NaN"}, "unlocked is not a finite number"),
    ("tradingview_bars", {"time": "12.11.2025"}, "time is not a time"),
    ("tradingview_bars", {"close": "-1"}, "close is below 0"),
]


@pytest.mark.parametrize(("name", "change", "reason"), UNUSABLE, ids=lambda value: str(value)[:40])
def test_an_unusable_row_is_kept_apart_with_its_reason_and_the_good_one_lands(
    con: Con, name: str, change: dict[str, str | None], reason: str
) -> None:
    assert counts(load_row(con, name, change, {})) == (2, 1, 0, 1)
    assert content(con, name)[0][0] == next(iter(GOOD[name].values()))
    payload = {column: (GOOD[name] | change).get(column) for column in [*RAW_TABLES[name].column_names, "_extra"]}
    assert refused(con) == [(reason, payload)]
    # The same bad row tomorrow is counted again, and kept once.
    assert counts(load_row(con, name, change, {}, at=hours(1))) == (2, 0, 0, 1)
    assert len(refused(con)) == 1
    assert_loads_add_up(con)


def test_the_quarantine_says_where_a_row_came_from(con: Con) -> None:
    done = load(con, batch(FRED, {"value": "abc"}, sha="answer"), run_id="run 7")[0]
    row = con.execute(
        "select load_id, dataset, payload_md5 = md5(payload), _extracted_at, _response_sha256, _run_id from raw.quarantine"
    ).fetchone()
    assert row == (done.load_id, FRED, True, AT, "answer", "run 7")


def test_a_second_reason_for_the_same_key_is_a_second_quarantine_row(con: Con) -> None:
    load_row(con, FRED, {"value": "abc"})
    load_row(con, FRED, {"value": "abd"}, at=hours(1))
    assert [payload["value"] for _, payload in refused(con)] == ["abc", "abd"]


@pytest.mark.parametrize("share", [1, 500, 1000])
def test_bad_rows_never_take_good_ones_with_them(con: Con, share: int) -> None:
    rows = [{"series_id": f"S{number}", "value": "abc" if number < share else "1"} for number in range(1000)]
    assert counts(load_row(con, FRED, *rows)) == (1000, 1000 - share, 0, share)
    assert len(refused(con)) == share


@pytest.mark.parametrize(
    ("name", "column", "mark"),
    [
        (FRED, "value", "."),
        ("fredgraph_observations", "value", ""),
        ("fredgraph_observations", "value", "."),
        ("fredgraph_observations", "value", None),
        ("fiscaldata_operating_cash_balance", "close_today_bal", "null"),
        (COINS, "PriceUSD", None),
        ("yahoo_chart", "close", None),
        (UNLOCKS, "end_timestamp", None),
    ],
)
def test_a_mark_for_no_value_is_kept_as_it_came(con: Con, name: str, column: str, mark: str | None) -> None:
    assert counts(load_row(con, name, {column: mark})) == (1, 1, 0, 0)
    assert values(con, name, column) == [mark]


@pytest.mark.parametrize("name", [UNLOCKS, "llama_emissions"])
def test_a_schedule_may_lie_ahead(con: Con, name: str) -> None:
    assert counts(load_row(con, name, {"timestamp": "2524608000"})) == (1, 1, 0, 0)  # 2050


def test_a_session_date_that_runs_ahead_of_utc_is_no_future(con: Con) -> None:
    assert counts(load_row(con, FRED, {"date": "2025-11-13"})) == (1, 1, 0, 0)


def test_prices_before_1970_are_negative_seconds(con: Con) -> None:
    assert counts(load_row(con, "yahoo_chart", {"timestamp": "-1325583000"})) == (1, 1, 0, 0)  # 1927


def test_a_zero_price_is_a_price(con: Con) -> None:
    assert counts(load_row(con, COINS, {"PriceUSD": "0"})) == (1, 1, 0, 0)


# ------------------------------------------------------------------ untrusted text

UNTRUSTED = [
    "O'Brien",
    'say "no"',
    "'; drop table raw.loads; --",
    "X' union all select content, 1 from read_text('/etc/passwd') --",
    "\"; copy raw.loads to '/tmp/x'; --",
    "$load_id ? $1 {name} %s {{ env_var('KEY') }}",
    "\x01\x07\x1b[31m\r\n\t\x7f",
    "a\x00b",
    "🪙 ビットコイン \u202e\u200b",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "../../etc/passwd",
    "CON",
    " ",
    "x" * 10_000,
]


@pytest.mark.parametrize("text", UNTRUSTED, ids=lambda text: ascii(text)[:24])
def test_untrusted_text_stays_text_in_keys_values_and_quarantine(con: Con, text: str) -> None:
    change = {"id": text, "symbol": text, "name": text}
    assert counts(load_row(con, "coingecko_markets", change)) == (1, 1, 0, 0)
    assert counts(load_row(con, "coingecko_markets", change, at=hours(1))) == (1, 0, 0, 0)
    assert con.execute("select id, symbol, name from raw.coingecko_markets").fetchall() == [(text, text, text)]
    assert counts(load_row(con, "coingecko_markets", change | {"market_cap": text})) == (1, 0, 0, 1)
    assert refused(con)[0][1]["id"] == text
    assert refused(con)[0][1]["market_cap"] == text
    assert_loads_add_up(con)


@pytest.mark.parametrize("text", UNTRUSTED, ids=lambda text: ascii(text)[:24])
def test_untrusted_text_about_a_load_stays_text(con: Con, text: str) -> None:
    table = RAW_TABLES[FRED]
    raw.load(
        con,
        raw.Load(text, text, 1, AT, AT, skipped=text),
        [raw.Batch(table, batch(FRED).rows, drift=[text])],
    )
    row = con.execute("select run_id, provider, note, drift, status from raw.loads").fetchone()
    assert row is not None
    assert row[:3] == (text, text, text)
    assert json.loads(row[3]) == [text]
    assert row[4] == "skipped"


# ------------------------------------------------------------------ one transaction


def without_a_column(name: str) -> raw.Batch:
    whole = batch(name)
    return raw.Batch(whole.table, whole.rows.drop_columns([whole.table.key[0]]))


def test_a_failure_in_the_second_batch_leaves_neither(con: Con) -> None:
    before = everything(con)
    with pytest.raises(duckdb.Error):
        load(con, batch("llama_emissions", {}, {"unlocked": "NaN"}), without_a_column(UNLOCKS))
    assert everything(con) == before
    assert con.execute("select count(*) from raw.loads").fetchone() == (0,)


def test_the_connection_is_usable_after_a_failed_load(con: Con) -> None:
    with pytest.raises(duckdb.Error):
        load(con, batch("llama_emissions"), without_a_column(UNLOCKS))
    done = load(con, batch("llama_emissions"), batch(UNLOCKS))
    assert [counts(one) for one in done] == [(1, 1, 0, 0), (1, 1, 0, 0)]
    assert [one.dataset for one in done] == ["llama_emissions", UNLOCKS]
    assert_loads_add_up(con)


def test_a_load_without_rows_is_recorded(con: Con) -> None:
    empty = batch(FRED).rows.slice(0, 0)
    raw.load(con, raw.Load("run", "fred", 0, AT, AT, "no key"), [raw.Batch(RAW_TABLES[FRED], empty, ["b", "a"])])
    row = con.execute("select * exclude (load_id) from raw.loads").fetchone()
    assert row == ("run", "fred", FRED, 0, 0, 0, 0, 0, '["a", "b"]', AT, AT, "skipped", "no key")


def test_every_raw_table_exists_from_the_start_and_creating_again_keeps_its_rows(con: Con) -> None:
    load_row(con, FRED)
    before = everything(con)
    raw.create_tables(con)
    assert everything(con) == before
    for table in RAW_TABLES.values():
        found = [row[0] for row in con.execute(f'describe raw."{table.name}"').fetchall()]
        assert found == [*table.column_names, "_extra", "_extracted_at", "_response_sha256", "_run_id"]


# ------------------------------------------------------------------ order


def history(rng: random.Random) -> list[tuple[str, list[tuple[dict[str, str | None], Any, str]]]]:
    """Answers of a few days with revisions, copies, conflicts and bad rows, one entry per answer."""
    answers = []
    for day in range(6):
        fred = [
            {
                "series_id": series,
                "date": f"2025-10-{number + 1:02d}",
                "value": rng.choice(["1", "2", "3", ".", "abc", "1e400"]),
                "realtime_start": f"2025-11-{day + 1:02d}",
            }
            for series in ("WALCL", "RRPONTSYD", "DFF")
            for number in range(12)
            for _ in range(rng.choice([1, 1, 1, 2]))
        ]
        stable = [
            {
                "date": str(1761955200 + 86400 * number),
                "totalCirculatingUSD": rng.choice(["1", "1", "2", "-1"]),
                "totalMintedUSD": str(rng.random()),
            }
            for number in range(10)
            for _ in range(rng.choice([1, 1, 2]))
        ]
        for name, rows in ((FRED, fred), (STABLE, stable)):
            answers.append((name, [(GOOD[name] | row, hours(24 * day), f"{name} {day}") for row in rows]))
    return answers


def loaded(answers: list[tuple[str, pa.Table]], threads: int = 2) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(config={"threads": threads}) as con:
        con.execute("set TimeZone = 'UTC'")
        raw.create_tables(con)
        for name, rows in answers:
            load(con, raw.Batch(RAW_TABLES[name], rows))
        assert_loads_add_up(con)
        return everything(con)


@pytest.mark.parametrize("seed", range(2))
def test_content_depends_neither_on_the_order_of_rows_nor_on_how_they_are_cut_into_loads(seed: int) -> None:
    rng = random.Random(seed)
    answers = history(rng)
    day_by_day = loaded([(name, arrow(name, rows)) for name, rows in answers])
    for threads in (1, 4):
        shuffled = [(name, arrow(name, rng.sample(rows, len(rows)))) for name, rows in answers]
        assert loaded(shuffled, threads) == day_by_day
    at_once = []
    for name in (STABLE, FRED):
        rows = [row for other, found in answers if other == name for row in found]
        at_once.append((name, arrow(name, rng.sample(rows, len(rows)))))
    assert loaded(at_once) == day_by_day
    assert loaded(at_once * 2) == day_by_day
    assert len(day_by_day[FRED]) > 36
    assert day_by_day["quarantine"]
