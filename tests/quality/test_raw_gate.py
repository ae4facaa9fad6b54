"""Every rule of the raw gate has a payload that trips it; the clean warehouse trips none."""

from __future__ import annotations

from typing import Any

import pytest
from small_warehouse import LATER, NOW, loaded

from orchestration.quality import RAW_CHECKS, GateError
from orchestration.quality.checks import CheckResult
from orchestration.quality.gate import evaluate_raw_gate


def failed(results: list[CheckResult]) -> dict[str, CheckResult]:
    return {f"{each.asset.removeprefix('raw/')}.{each.name}": each for each in results if not each.passed}


def revise(con: Any, table: str, where: str, change: str) -> None:
    """A provider's silent revision: a newer version of one row."""
    con.execute(
        f"insert into raw.{table} by name select * replace ({change}, {LATER} as _extracted_at) from raw.{table} where {where}"
    )
    loaded(con, table, load_id="second")


def test_clean_warehouse_passes_every_check(con: Any) -> None:
    results = evaluate_raw_gate(con, NOW)

    assert [(each.asset, each.name) for each in results] == [(spec.asset, spec.name) for spec in RAW_CHECKS]
    assert failed(results) == {}


def test_absent_optional_source_passes_with_a_note(con: Any) -> None:
    [bars] = [
        each for each in evaluate_raw_gate(con, NOW) if (each.asset, each.name) == ("raw/tradingview_bars", "range")
    ]

    assert bars.passed
    assert bars.severity == "warn"
    assert bars.note == "not applicable: no data in this table yet"


TRIPS: dict[str, tuple[str, set[str]]] = {
    "a duplicate key": (
        "insert into raw.yahoo_chart select * from raw.yahoo_chart limit 1",
        {"yahoo_chart.keys"},
    ),
    "half of a load unusable": (
        "update raw.loads set rows_quarantined = 500 where dataset = 'coingecko_markets'",
        {"coingecko_markets.quarantine"},
    ),
    "a whole load unusable": (
        "update raw.loads set rows_quarantined = 1000 where dataset = 'yahoo_chart'",
        {"yahoo_chart.quarantine"},
    ),
    "a required series missing": (
        "delete from raw.stablecoins_charts",
        {"stablecoins_charts.presence"},
    ),
    "a required series stale": (
        "delete from raw.coinmetrics_asset_metrics where time > '2025-11-05'",
        {"coinmetrics_asset_metrics.freshness"},
    ),
    "a weekly series stale": (
        "delete from raw.fredgraph_observations where observation_date > '2025-10-25' and series_id = 'WTREGEN'",
        {"fred_observations.freshness"},
    ),
    "a series whose release rule is not in the calendar": (
        "update catalog.series set release_rule = 'unheard of' where series_id = 'cboe.VIX'",
        {"cboe_vix_history.freshness"},
    ),
    "a price below the plausible range": (
        """update raw.coinmetrics_asset_metrics set "PriceUSD" = '0.001' where time like '2025-10-01%'""",
        {"coinmetrics_asset_metrics.range", "coinmetrics_asset_metrics.jump", "coinmetrics_asset_metrics.slip"},
    ),
    "an index that doubles in a day": (
        """update raw.stablecoins_charts set "totalCirculatingUSD" = '6e11' where peg = 'peggedUSD'
           and date = epoch(timestamp '2025-10-01')::bigint::varchar""",
        {"stablecoins_charts.jump"},
    ),
    "FRED's VIX and Cboe's apart": (
        """update raw.cboe_vix_history set "CLOSE" = '17.60' where "DATE" = '11/06/2025'""",
        {"cboe_vix_history.vix_matches_cboe"},
    ),
    "FRED's S&P and Yahoo's apart": (
        """update raw.yahoo_chart set close = (close::double * 1.005)::varchar
           where timestamp = (select max(timestamp) from raw.yahoo_chart where symbol = '^GSPC')""",
        {"yahoo_chart.sp500_matches_yahoo"},
    ),
    "the Bank of Korea's KOSPI and Yahoo's apart": (
        """update raw.ecos_statistics set "DATA_VALUE" = (1.002 * "DATA_VALUE"::double)::varchar where "TIME" = '20251106'""",
        {"ecos_statistics.kospi_matches_yahoo"},
    ),
    "bitcoin at half price in the snapshot": (
        "update raw.coingecko_markets set current_price = '50000', market_cap = '1e12' where id = 'bitcoin'",
        {"coingecko_markets.btc_matches_coinmetrics"},
    ),
    "caps of another day": (
        "update raw.coingecko_markets set market_cap = (market_cap::double * 1.5)::varchar",
        {"coingecko_markets.cap_is_price_times_supply"},
    ),
    "a linear rate read as an amount": (
        "update raw.llama_unlock_events set amount = '150' where allocation_kind = 'cliff'",
        {"llama_unlock_events.schedule_within_total"},
    ),
    "a Wednesday level that is not the day's close": (
        "update raw.fredgraph_observations set value = '940000' where series_id = 'WDTGAL' and observation_date = '2025-10-29'",
        {"fred_observations.wdtgal_matches_dts"},
    ),
    "a week average that is not the week's mean": (
        "update raw.fredgraph_observations set value = '940000' where series_id = 'WTREGEN' and observation_date = '2025-10-29'",
        {"fred_observations.wtregen_matches_dts"},
    ),
}


@pytest.mark.parametrize(("damage", "expected"), TRIPS.values(), ids=TRIPS.keys())
def test_damage_trips_its_check(con: Any, damage: str, expected: set[str]) -> None:
    con.execute(damage)

    found = failed(evaluate_raw_gate(con, NOW))

    assert set(found) == expected
    for name, each in found.items():
        assert each.severity == ("warn" if name.startswith(("llama", "ecos")) else "error")
        assert each.failing_rows or name.endswith("quarantine")
        assert each.failing_count >= 1


def test_one_unusable_row_in_a_thousand_passes(con: Any) -> None:
    con.execute("update raw.loads set rows_quarantined = 1 where dataset = 'coingecko_markets'")

    assert failed(evaluate_raw_gate(con, NOW)) == {}


def test_limit_of_the_catalog_replaces_the_default_share(con: Any) -> None:
    con.execute("update raw.loads set rows_quarantined = 30 where dataset = 'coingecko_markets'")
    con.execute("insert into catalog.datasets values ('coingecko', 'coingecko_markets', true, 5.0)")

    assert failed(evaluate_raw_gate(con, NOW)) == {}


def test_a_lost_column_fails_the_table_and_hides_nothing(con: Any) -> None:
    con.execute('alter table raw.cboe_vix_history rename column "CLOSE" to "Close Price"')

    found = failed(evaluate_raw_gate(con, NOW))

    assert found["cboe_vix_history.columns"].failing_rows == [{"missing_column": "CLOSE"}]
    assert {name for name in found if name.startswith("cboe")} == {
        f"cboe_vix_history.{spec.name}" for spec in RAW_CHECKS if spec.asset == "raw/cboe_vix_history"
    }
    assert found["cboe_vix_history.jump"].note == "not evaluated: columns are missing"


@pytest.mark.parametrize("factor", [0.1, 10.0])
@pytest.mark.parametrize(
    ("table", "where", "column", "series_id", "day"),
    [
        (
            "fredgraph_observations",
            "series_id = 'WTREGEN' and observation_date = '2025-10-29'",
            "value",
            "fred.WTREGEN",
            "2025-10-29",
        ),
        (
            "fredgraph_observations",
            "series_id = 'WTREGEN' and observation_date = '2025-11-05'",
            "value",
            "fred.WTREGEN",
            "2025-11-05",
        ),
        ("coinmetrics_asset_metrics", "time like '2025-10-15%'", '"PriceUSD"', "coinmetrics.btc.price", "2025-10-15"),
        ("coinmetrics_asset_metrics", "time like '2025-11-11%'", '"PriceUSD"', "coinmetrics.btc.price", "2025-11-11"),
    ],
    ids=["WTREGEN inside", "WTREGEN newest", "bitcoin inside", "bitcoin newest"],
)
def test_ten_fold_slip_is_shown_with_its_neighbour(
    con: Any, factor: float, table: str, where: str, column: str, series_id: str, day: str
) -> None:
    revise(con, table, where, f"({column}::double * {factor})::varchar as {column}")

    found = failed(evaluate_raw_gate(con, NOW))

    jump, slip = found[f"{table}.jump"], found[f"{table}.slip"]
    for each in (jump, slip):
        assert each.severity == "error"
        # The row after the slip differs from it as well; only the wrong one is listed.
        assert [(row["series_id"], row["period_date"]) for row in each.failing_rows] == [(series_id, day)]
    [row] = jump.failing_rows
    assert row["value"] / row["previous"] == pytest.approx(factor, rel=0.1)
    assert row["jump"] > row["jump_limit"]


def test_corrected_revision_opens_the_gate_again(con: Any) -> None:
    where = "series_id = 'WTREGEN' and observation_date = '2025-10-29' and _extracted_at < timestamptz '2025-11-12 21:10:00+00'"
    revise(con, "fredgraph_observations", where, "'95799' as value")
    assert failed(evaluate_raw_gate(con, NOW))

    con.execute(
        "insert into raw.fredgraph_observations by name select * replace "
        f"({LATER} + interval 1 minute as _extracted_at) from raw.fredgraph_observations where {where}"
    )

    assert failed(evaluate_raw_gate(con, NOW)) == {}


def test_fall_below_a_fifth_trips_a_limit_above_one(con: Any) -> None:
    con.execute("update catalog.series set jump_limit = 3 where series_id = 'coinmetrics.btc.price'")
    revise(con, "coinmetrics_asset_metrics", "time like '2025-11-11%'", """'10500' as "PriceUSD" """)

    assert "coinmetrics_asset_metrics.jump" in failed(evaluate_raw_gate(con, NOW))


def test_small_moves_near_zero_are_no_slip(con: Any) -> None:
    """Reverse repo stood at 0.001 and 0.054 billion on neighbouring days of August 2020, beside hundreds before."""
    con.execute(
        "update raw.fredgraph_observations set value = '300000' where series_id = 'WDTGAL' and observation_date < '2025-09-01'"
    )
    con.execute(
        "update raw.fredgraph_observations set value = '1' where series_id = 'WDTGAL' and observation_date >= '2025-09-01'"
    )
    con.execute(
        "update raw.fredgraph_observations set value = '54' where series_id = 'WDTGAL' and observation_date = '2025-10-01'"
    )

    assert "fredgraph_observations.slip" not in failed(evaluate_raw_gate(con, NOW))


def test_stale_optional_series_only_warns(con: Any) -> None:
    con.execute("delete from raw.fredgraph_observations where series_id = 'VIXCLS' and observation_date > '2025-09-01'")

    found = failed(evaluate_raw_gate(con, NOW))

    assert {name: each.severity for name, each in found.items()} == {"fred_observations.freshness": "warn"}


def test_missing_optional_series_only_warns(con: Any) -> None:
    con.execute("delete from raw.fredgraph_observations where series_id = 'VIXCLS'")

    found = failed(evaluate_raw_gate(con, NOW))

    assert {name: each.severity for name, each in found.items()} == {"fred_observations.presence": "warn"}


def test_grace_is_granted_to_the_day(con: Any) -> None:
    """Stablecoins end on 11 November; the 12th is due on the 13th 21:00 and four days later it is late."""
    late = NOW.replace(day=17, hour=21, minute=0)
    names = {"stablecoins_charts.freshness"}

    assert not names & set(failed(evaluate_raw_gate(con, late)))
    assert names <= set(failed(evaluate_raw_gate(con, late.replace(minute=1))))


def test_old_difference_between_sources_only_warns(con: Any) -> None:
    for table, columns in (("cboe_vix_history", "'06/02/2020' as \"DATE\", '30' as \"CLOSE\""),):
        con.execute(f"insert into raw.{table} by name select {columns}, {LATER} as _extracted_at")
    con.execute(
        "insert into raw.fredgraph_observations by name select 'VIXCLS' as series_id, '2020-06-02' as observation_date, "
        f"'31' as value, {LATER} as _extracted_at"
    )

    found = failed(evaluate_raw_gate(con, NOW))

    assert {name: each.severity for name, each in found.items()} == {"cboe_vix_history.vix_matches_cboe": "warn"}


def test_a_gate_that_cannot_be_evaluated_raises(con: Any) -> None:
    con.execute("drop table catalog.series")

    with pytest.raises(GateError, match="raw gate could not be evaluated: CatalogException"):
        evaluate_raw_gate(con, NOW)
