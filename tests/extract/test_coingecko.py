"""CoinGecko: snapshots dated by the fetch, errors with status 200, and columns nobody asked for."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from orchestration.extract import coingecko
from orchestration.extract.base import Request, Window
from orchestration.extract.errors import PayloadError, PermanentError, TransientError
from orchestration.extract.http import Client
from orchestration.extract.progress import Progress
from orchestration.extract.run import Harvest, harvest_live
from orchestration.settings import ConfigurationError
from tests.extract.helpers import (
    MARKETS,
    NOW,
    POINTS,
    SAMPLES,
    SAMPLES_OF_TABLES,
    WINDOW,
    arrow,
    catalog,
    dumps,
    exchange,
    first_request,
    plan,
    rows,
    settings,
)
from tests.stub import Reply, Stub

KEY = "CG-abcdefghijklmnop"


@pytest.mark.parametrize(
    ("body", "kind", "remedy"),
    [
        ({"status": {"error_code": 429, "error_message": "You've exceeded the Rate Limit."}}, TransientError, "busy"),
        ({"error": "coin not found"}, PayloadError, "try again later"),
        ({"status": {"error_code": 10002, "error_message": "API Key Missing"}}, PermanentError, "COINGECKO_API_KEY"),
        (
            {"status": {"error_code": 10005, "error_message": "PRO only"}},
            PermanentError,
            "does not include the endpoint",
        ),
        ({"status": {"error_code": 10010, "error_message": "wrong"}}, PermanentError, "COINGECKO_PLAN=pro"),
        ({"status": {"error_code": 10011, "error_message": "wrong"}}, PermanentError, "COINGECKO_PLAN=demo"),
        (
            {"error": {"status": {"error_code": 10012, "error_message": "exceeds"}}},
            PermanentError,
            "last 365 days only",
        ),
    ],
)
@pytest.mark.parametrize("context", [{}, {"id": "solana"}], ids=["universe", "history"])
def test_an_error_object_with_status_200_has_its_own_remedy(body: object, kind: type, remedy: str, context: dict):
    with pytest.raises(kind, match="an error object came with status 200") as caught:
        rows(exchange("coingecko", dumps(body), **context))
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("code", "whole"), [(10002, True), (10005, False), (10010, True), (10011, True), (10012, False)]
)
def test_each_code_has_its_own_remedy_whatever_the_status(stub: Stub, code: int, whole: bool):
    stub.script(Reply(dumps({"status": {"error_code": code, "error_message": "no"}}), 401))
    client = Client(settings(coingecko_base_url=stub.url), catalog().provider("coingecko"), explain=coingecko.explain)
    with pytest.raises(PermanentError, match=f'HTTP 401 "{code}: no"') as caught:
        client.get(first_request("coingecko"), lambda given: None)
    assert (caught.value.remedy, caught.value.whole_provider) == coingecko.KNOWN[str(code)]
    assert caught.value.whole_provider is whole


def test_an_empty_429_is_asked_again(stub: Stub):
    stub.script(Reply(b"", 429), Reply(SAMPLES["coingecko"].body))
    client = Client(settings(coingecko_base_url=stub.url), catalog().provider("coingecko"), explain=coingecko.explain)
    assert client.get(first_request("coingecko"), lambda given: None).body == SAMPLES["coingecko"].body


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2025, 11, 12, 23, 59, tzinfo=UTC), "2025-11-12"),
        (datetime(2025, 11, 13, 0, 0, tzinfo=UTC), "2025-11-13"),
        (datetime(2025, 11, 13, 5, 0, tzinfo=timezone(timedelta(hours=9))), "2025-11-12"),
    ],
)
def test_a_snapshot_is_dated_by_the_utc_day_of_its_fetch(instant: datetime, day: str):
    found = rows(exchange("coingecko", dumps(MARKETS), at=instant))
    assert {row["snapshot_date"] for row in found} == {day}


def test_a_served_snapshot_date_does_not_replace_ours():
    (row,) = rows(exchange("coingecko", dumps([{**MARKETS[0], "snapshot_date": "1999-01-01"}])))
    assert row["snapshot_date"] == "2025-11-12"


def test_a_new_column_is_kept_aside_and_reported():
    table, unknown = arrow(exchange("coingecko", dumps([{**MARKETS[0], "market_cap_rank_with_rehypothecated": 1}])))
    assert unknown == {"market_cap_rank_with_rehypothecated"}
    assert json.loads(table["_extra"].to_pylist()[0]) == {"market_cap_rank_with_rehypothecated": "1"}


def test_without_new_columns_nothing_is_kept_aside():
    table, unknown = arrow(SAMPLES["coingecko"].exchange)
    assert table["_extra"].to_pylist() == [None, None]
    assert unknown == set()


def test_nested_and_null_values_become_text_and_null():
    table, _ = arrow(SAMPLES["coingecko"].exchange)
    assert json.loads(table["roi"].to_pylist()[0])["currency"] == "btc"
    assert table["roi"].to_pylist()[1] is None
    assert table["max_supply"].to_pylist() == [None, None]


@pytest.mark.parametrize(
    ("plan_name", "header"), [(None, "x-cg-demo-api-key"), ("demo", "x-cg-demo-api-key"), ("pro", "x-cg-pro-api-key")]
)
def test_a_key_travels_in_the_header_of_its_plan(plan_name: str | None, header: str):
    request = first_request("coingecko", settings(coingecko_api_key=KEY, coingecko_plan=plan_name))
    assert request.secret_headers == {header: KEY}
    assert KEY not in repr(request)


def test_without_key_nothing_secret_is_sent():
    assert first_request("coingecko").secret_headers == {}
    keyless = settings(coingecko_api_key=KEY, coingecko_plan="keyless")
    assert all(request.secret_headers == {} for request in coingecko.requests(plan("coingecko", keyless)))


def test_a_plan_without_its_key_is_named():
    with pytest.raises(ConfigurationError, match="COINGECKO_PLAN: pro needs TIDEGAUGE_COINGECKO_API_KEY"):
        settings(coingecko_plan="pro")


@pytest.mark.parametrize("status", [400, 401])
def test_a_refused_key_concerns_the_whole_provider(status: int):
    known = coingecko.explain(status, "")
    assert known is not None
    assert "TIDEGAUGE_COINGECKO_API_KEY" in known[0]
    assert known[1]


# Universe: pages


def coins(first: int, count: int, **more: object) -> Reply:
    return Reply(dumps([{**MARKETS[0], "id": f"coin{n}", **more} for n in range(first, first + count)]))


def harvest(stub: Stub, **changes: object) -> Harvest:
    given = settings(coingecko_base_url=stub.url, **changes).at(NOW)
    (found,) = harvest_live(catalog(), given, lambda p, k: WINDOW, {"coingecko": None}, Progress())
    return found


def test_one_page_holds_the_default_universe(stub: Stub):
    stub.script(coins(0, 250))
    assert harvest(stub).tables["coingecko_markets"].num_rows == 250
    assert [(got.query["per_page"], got.query["page"]) for got in stub.received] == [("250", "1")]


def test_a_larger_universe_is_read_in_full_pages_and_cut_at_its_size(stub: Stub):
    stub.script(coins(0, 250), coins(250, 250), coins(500, 250))
    found = harvest(stub, coingecko_universe=600).tables["coingecko_markets"]
    assert [(got.query["per_page"], got.query["page"]) for got in stub.received] == [("250", str(n)) for n in (1, 2, 3)]
    assert found["id"].to_pylist() == [f"coin{n}" for n in range(600)]


def test_a_short_page_is_the_last(stub: Stub):
    stub.script(coins(0, 250), coins(250, 3))
    assert harvest(stub, coingecko_universe=1000).tables["coingecko_markets"].num_rows == 253
    assert len(stub.received) == 2


# History of single coins


def histories(**changes: object) -> list[Request]:
    given = plan("coingecko", settings(**changes))
    return [request for request in coingecko.requests(given) if "id" in request.context]


def test_history_is_asked_for_where_the_plan_can_bear_it():
    listed = catalog().provider("coingecko").assets
    assert histories() == []
    assert [request.context["id"] for request in histories(coingecko_api_key=KEY)] == list(listed)
    assert len(histories(coingecko_api_key=KEY, coingecko_history_coins=2)) == 2
    assert len(histories(coingecko_history_coins=1)) == 1
    assert histories(coingecko_api_key=KEY, coingecko_history_coins=0) == []


def test_no_coin_of_coin_metrics_is_asked_for_twice():
    covered = {i for asset in catalog().assets if "coinmetrics" in asset.ids for i in asset.ids.get("coingecko", ())}
    assert not covered & set(catalog().provider("coingecko").assets)


@pytest.mark.parametrize(("first", "days"), [((2013, 1, 1), "365"), ((2025, 10, 1), "43"), ((2025, 11, 12), "1")])
def test_never_more_than_the_last_365_days_are_asked_for(first: tuple[int, int, int], days: str):
    window = Window(date(*first), WINDOW.end)
    given = plan("coingecko", settings(coingecko_history_coins=1), window=window)
    _, history = coingecko.requests(given)
    assert history.params == {"vs_currency": "usd", "days": days, "interval": "daily"}
    assert not history.required


def test_a_window_before_the_last_365_days_is_not_asked_for():
    given = plan("coingecko", settings(coingecko_history_coins=1), window=Window(date(2020, 1, 1), date(2020, 2, 1)))
    assert len(list(coingecko.requests(given))) == 1


def test_points_of_one_stamp_share_a_row():
    found = rows(SAMPLES_OF_TABLES["coingecko history"].exchange)
    assert found[1] == {
        "id": "solana",
        "timestamp": "1762905600000",
        "price": "158.5",
        "market_cap": "87000.25",
        "total_volume": None,
    }


def test_points_that_are_not_daily_are_refused():
    hourly = {name: [[1762819200000 + n * 3_600_253, 1.0] for n in range(5)] for name in POINTS}
    with pytest.raises(PayloadError, match="the points are not daily"):
        rows(exchange("coingecko", dumps(hourly), id="solana"))


def test_a_coin_without_points_has_no_rows():
    assert rows(exchange("coingecko", dumps({name: [] for name in POINTS}), id="solana")) == []
