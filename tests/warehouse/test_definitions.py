"""The catalog schema and the analytics tables: replaced as a whole, or not at all."""

from __future__ import annotations

from datetime import UTC, date, datetime

import duckdb
import pandas as pd
import pytest

from orchestration.analytics.correlation import rolling_correlations, with_bootstrap_band, with_conclusions
from orchestration.catalog import load_catalog
from orchestration.catalog.events import load_events
from orchestration.warehouse import definitions
from orchestration.warehouse.analyses import CORRELATIONS, of_other_builds, replace_table

Con = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def good() -> dict[str, pd.DataFrame]:
    """The real catalog, with one release instant and one session."""
    moment = pd.Timestamp("2025-11-06 21:30", tz="UTC")
    return definitions.frames(load_catalog(), load_events(), date(2025, 11, 1), date(2025, 11, 30)) | {
        "release_calendar": pd.DataFrame(
            {"release_rule": ["fred.h41"], "period_date": [date(2025, 11, 5)], "known_at": [moment]}
        ),
        "sessions": pd.DataFrame(
            {"calendar": ["XNYS"], "session_date": [date(2025, 11, 5)], "open_at": [moment], "close_at": [moment]}
        ),
    }


def held(con: Con) -> dict[str, list[tuple[object, ...]]]:
    return {name: con.execute(f"from catalog.{name} order by all").fetchall() for name in definitions.TABLES}


def test_every_frame_becomes_its_table(con: Con, good: dict[str, pd.DataFrame]) -> None:
    assert not definitions.is_current(con, "a")
    counts = definitions.replace(con, good, "a")
    assert counts == {name: len(good[name]) for name in definitions.TABLES}
    assert {name: len(rows) for name, rows in held(con).items()} == counts
    assert con.execute("from catalog.release_calendar").fetchall() == [
        ("fred.h41", date(2025, 11, 5), datetime(2025, 11, 6, 21, 30, tzinfo=UTC))
    ]
    walcl = con.execute("select unit, scale, look_back_days from catalog.series where series_id = 'fred.WALCL'")
    assert walcl.fetchone() == ("usd", 1e6, 45)
    ahead = "select target_lower_pct, note from catalog.fomc_meetings where end_date = '2027-12-08'"
    assert con.execute(ahead).fetchone() == (None, None)
    assert con.execute("select end_date from catalog.dated_facts where fact_id like 'runoff%'").fetchone() == (None,)


def test_the_digest_tells_whether_the_catalog_changed(con: Con, good: dict[str, pd.DataFrame]) -> None:
    definitions.replace(con, good, "a")
    assert definitions.is_current(con, "a")
    assert not definitions.is_current(con, "b")
    definitions.replace(con, good, "b")
    assert definitions.is_current(con, "b")
    assert not definitions.is_current(con, "a")


def test_replacing_drops_what_is_no_longer_in_the_catalog(con: Con, good: dict[str, pd.DataFrame]) -> None:
    definitions.replace(con, good, "a")
    fewer = good | {"sources": good["sources"].iloc[1:], "release_calendar": good["release_calendar"].iloc[:0]}
    definitions.replace(con, fewer, "b")
    assert len(held(con)["sources"]) == len(good["sources"]) - 1
    assert held(con)["release_calendar"] == []


@pytest.mark.parametrize("broken", ["missing frame", "unknown column", "wrong type"])
def test_a_failed_replacement_leaves_all_tables_and_the_digest(
    con: Con, good: dict[str, pd.DataFrame], broken: str
) -> None:
    definitions.replace(con, good, "a")
    before = held(con)
    bad = dict(good) | {"series": good["series"].iloc[:1]}
    if broken == "missing frame":
        del bad["sources"]
    elif broken == "unknown column":
        bad["sources"] = good["sources"].assign(surprise=1)
    else:
        bad["sessions"] = good["sessions"].assign(session_date="soon")
    with pytest.raises((KeyError, duckdb.Error)):
        definitions.replace(con, bad, "b")
    assert held(con) == before
    assert definitions.is_current(con, "a")
    definitions.replace(con, good, "b")
    assert held(con) == before


# ------------------------------------------------------------------ analytics tables


def correlations(rows: int = 30) -> pd.DataFrame:
    days = pd.bdate_range("2025-01-01", periods=rows)
    pairs = pd.DataFrame(
        {
            "asset": "BTC",
            "benchmark": "SPX",
            "bar": "utc_day",
            "session_date": days.date,
            "asset_log_return": [0.01 * (n % 5) for n in range(rows)],
            "benchmark_log_return": [0.01 * (n % 3) for n in range(rows)],
            "known_at": days.tz_localize("UTC") + pd.Timedelta(hours=21),
        }
    )
    banded = with_bootstrap_band(rolling_correlations(pairs, [20]), pairs)
    return with_conclusions(banded, pairs, windows=[20], methods=["pearson"])


def test_an_analysis_is_stored_with_its_types_and_a_comment_on_every_column(con: Con) -> None:
    frame = correlations()
    assert replace_table(con, "correlations", CORRELATIONS, frame, build_id="b1") == len(frame) == 11
    stored = con.execute("select * from analytics.correlations order by session_date").fetchall()
    assert [row[CORRELATIONS_AT["session_date"]] for row in stored] == list(frame["session_date"])
    assert [row[CORRELATIONS_AT["r"]] for row in stored] == list(frame["r"])
    assert stored[-1][CORRELATIONS_AT["known_at"]] == frame["known_at"].iloc[-1].to_pydatetime()
    described = con.execute(
        "select column_name, data_type, comment from duckdb_columns() where table_name = 'correlations' order by column_index"
    ).fetchall()
    wanted = {"varchar": "VARCHAR", "date": "DATE", "integer": "INTEGER", "double": "DOUBLE"}
    assert described == [
        (name, wanted.get(kind, "TIMESTAMP WITH TIME ZONE"), meaning) for name, (kind, meaning) in CORRELATIONS.items()
    ]


CORRELATIONS_AT = {name: position for position, name in enumerate(CORRELATIONS)}


def test_columns_are_matched_by_name_and_not_by_place(con: Con) -> None:
    frame = correlations()
    replace_table(con, "correlations", CORRELATIONS, frame[frame.columns[::-1]].assign(unused=1), build_id="b1")
    assert con.execute("select distinct asset, benchmark, n from analytics.correlations").fetchall() == [
        ("BTC", "SPX", 20)
    ]


def test_an_analysis_without_results_is_an_empty_table(con: Con) -> None:
    replace_table(con, "correlations", CORRELATIONS, correlations(), build_id="b1")
    assert replace_table(con, "correlations", CORRELATIONS, correlations(rows=0), build_id="b1") == 0
    assert con.execute("select count(*) from analytics.correlations").fetchone() == (0,)


def test_a_comment_with_a_quote_is_stored_as_it_is(con: Con) -> None:
    replace_table(con, "it", {"n": ("integer", "the reader's '%' of n")}, pd.DataFrame({"n": [1]}), build_id="b1")
    found = con.execute("select comment from duckdb_columns() where table_name = 'it'").fetchall()
    assert found == [("the reader's '%' of n",)]


@pytest.mark.parametrize("change", [{"columns": "r"}, {"value": "n"}])
def test_a_failed_replacement_leaves_the_table_as_it_was(con: Con, change: dict[str, str]) -> None:
    replace_table(con, "correlations", CORRELATIONS, correlations(), build_id="b1")
    before = con.execute("from analytics.correlations order by all").fetchall()
    frame = correlations(40)
    bad = frame.drop(columns=change["columns"]) if "columns" in change else frame.assign(n="many")
    with pytest.raises(duckdb.Error):
        replace_table(con, "correlations", CORRELATIONS, bad, build_id="b1")
    assert con.execute("from analytics.correlations order by all").fetchall() == before
    assert replace_table(con, "correlations", CORRELATIONS, frame, build_id="b1") == 21


def test_an_analysis_of_another_build_is_named(con: duckdb.DuckDBPyConnection) -> None:
    replace_table(con, "correlations", CORRELATIONS, correlations(), build_id="b1")
    assert of_other_builds(con, "b1") == []
    assert of_other_builds(con, "b2") == ["correlations"]
