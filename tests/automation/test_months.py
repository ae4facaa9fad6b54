"""Months as partitions: which can be chosen, which days they ask for, and where an interrupted backfill goes on."""

from __future__ import annotations

from datetime import UTC, date, datetime

import dagster as dg
import pytest

from orchestration.assets.months import Asked, asked, month_range, months
from orchestration.assets.sources import _loaded_before, build_extract_assets, raw_key
from orchestration.catalog.tables import RAW_TABLES
from orchestration.settings import ConfigurationError, load_settings
from orchestration.warehouse.ledger import Ledger

TODAY = date(2025, 11, 12)
NOW = datetime(2025, 11, 12, 22, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return load_settings(home=tmp_path, now_override=NOW)


def keys(first: str, last: str) -> dg.PartitionKeyRange:
    return dg.PartitionKeyRange(first, last)


def test_the_present_month_alone_means_what_is_new():
    assert asked(keys("2025-11", "2025-11"), TODAY) == Asked()


def test_a_range_up_to_the_present_month_has_no_last_day():
    assert asked(keys("2025-09", "2025-11"), TODAY) == Asked(date(2025, 9, 1), None, "2025-09..2025-11")


def test_a_range_of_the_past_is_asked_to_its_last_day():
    assert asked(keys("2023-12", "2024-02"), TODAY) == Asked(date(2023, 12, 1), date(2024, 2, 29), "2023-12..2024-02")


@pytest.mark.parametrize("today", [date(2025, 11, 1), date(2025, 11, 30)])
def test_first_and_last_day_of_a_month_belong_to_it(today):
    assert asked(keys("2025-11", "2025-11"), today) == Asked()
    assert asked(keys("2025-10", "2025-10"), today).end == date(2025, 10, 31)


def test_a_month_that_has_not_begun_is_refused():
    with pytest.raises(ConfigurationError, match="2025-12 lies in the future: the newest is 2025-11"):
        asked(keys("2025-10", "2025-12"), TODAY)


@pytest.mark.parametrize(
    ("first", "last", "problem"),
    [
        (date(2025, 9, 1), date(2025, 8, 31), "swap"),
        (date(2025, 9, 1), date(2025, 12, 1), "lies in the future"),
        (date(2027, 1, 1), date(2025, 11, 12), "2027-01-01 lies in the future"),
        (date(2012, 12, 31), date(2025, 9, 1), "TIDEGAUGE_FIRST_DAY"),
    ],
)
def test_an_impossible_range_is_refused_with_the_months_there_are(settings, first, last, problem):
    with pytest.raises(ConfigurationError, match=problem) as refused:
        month_range(settings, first, last)
    assert "choose from 2013-01 to 2025-11" in str(refused.value)


def test_days_stand_for_their_months(settings):
    assert month_range(settings, date(2015, 1, 31), date(2025, 11, 30)) == keys("2015-01", "2025-11")


def test_the_months_end_where_the_clock_stands(settings):
    there = months(settings).get_partition_keys()
    assert (there[0], there[-1]) == ("2013-01", "2025-11")


def test_the_months_go_on_with_the_machines_clock(tmp_path):
    there = months(load_settings(home=tmp_path)).get_partition_keys(
        current_time=datetime(2031, 2, 1, 0, 0, 1, tzinfo=UTC)
    )
    assert there[-1] == "2031-02"


def test_what_a_source_serves_by_windows_is_partitioned_and_nothing_else(settings):
    assets = build_extract_assets(settings)
    partitioned = {spec.key for spec in assets.specs if spec.partitions_def}
    assert partitioned == {raw_key(table) for table in RAW_TABLES.values() if table.is_windowed}
    assert {"fredgraph_observations", "yahoo_chart"} < {key.path[-1] for key in partitioned}
    # Of these a month cannot be asked for: the whole history, the present, or a file.
    assert not {"cboe_vix_history", "coingecko_markets", "tradingview_bars"} & {key.path[-1] for key in partitioned}


class TestInterruptedBackfill:
    DAYS = Asked(date(2015, 1, 1), date(2025, 10, 31), "2015-01..2025-10")

    @pytest.fixture
    def ledger(self, tmp_path) -> Ledger:
        return Ledger(tmp_path / "ledger.jsonl")

    def test_goes_on_after_what_was_loaded(self, ledger):
        ledger.append("load", provider="yahoo", months=self.DAYS.months, loads={})
        ledger.append("load", provider="fredgraph", loads={})
        assert _loaded_before(ledger, self.DAYS) == {"yahoo"}

    def test_starts_anew_when_it_had_come_to_its_end(self, ledger):
        ledger.append("load", provider="yahoo", months=self.DAYS.months, loads={})
        ledger.append("backfilled", months=self.DAYS.months, providers=["yahoo"])
        assert _loaded_before(ledger, self.DAYS) == set()

    def test_is_not_taken_for_one_of_other_months_or_sources(self, ledger):
        ledger.append("load", provider="yahoo", months="2015-01..2025-09", loads={})
        ledger.append("load", provider="nyfed", months=self.DAYS.months, loads={})
        ledger.append("backfilled", months=self.DAYS.months, providers=["fiscaldata"])
        assert _loaded_before(ledger, self.DAYS) == {"nyfed"}

    def test_means_nothing_to_a_run_without_months(self, ledger):
        ledger.append("load", provider="yahoo", loads={})
        assert _loaded_before(ledger, Asked()) == set()
