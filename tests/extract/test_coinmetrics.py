"""Coin Metrics: long decimals, absent metrics, and pages by token."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from orchestration.extract import coinmetrics
from orchestration.extract.base import Window
from orchestration.extract.errors import PayloadError
from tests.extract.helpers import COINS, COVERAGE, WINDOW, arrow, dumps, exchange, first_request, plan, rows

LONG = "1572928699609.488653720638358412"


def answer(data: list[dict[str, object]], **more: object):
    return exchange("coinmetrics", dumps({"data": data, **more}), params={"assets": "btc,eth"})


def test_thirty_digits_survive_as_text():
    table, _ = arrow(answer([{**COINS[0], "CapMrktCurUSD": LONG}]))
    assert table["CapMrktCurUSD"].to_pylist() == [LONG]


def test_thirty_digits_survive_when_served_as_a_number():
    body = dumps({"data": [COINS[0]]}).replace(b'"2010"', LONG.encode())
    table, _ = arrow(exchange("coinmetrics", body))
    assert table["CapMrktCurUSD"].to_pylist() == [LONG]


def test_a_metric_absent_for_one_asset_is_null_for_it():
    eth = {name: value for name, value in COINS[1].items() if name != "SplyCur"}
    table, unknown = arrow(answer([COINS[0], eth]))
    assert table["SplyCur"].to_pylist() == ["20", None]
    assert not unknown


def test_a_metric_absent_everywhere_is_a_changed_format():
    bare = [{name: value for name, value in row.items() if name != "SplyCur"} for row in COINS]
    with pytest.raises(PayloadError, match="has no SplyCur"):
        arrow(answer(bare))


def test_null_is_null():
    table, _ = arrow(answer([{**COINS[0], "PriceUSD": None}]))
    assert table["PriceUSD"].to_pylist() == [None]


def test_the_token_leads_on_and_the_served_url_does_not():
    given = answer(COINS, next_page_token="0.Mg", next_page_url="https://elsewhere.example/v4?token=0.Mg")
    following = coinmetrics.following(given)
    assert following is not None
    assert following.params == {"assets": "btc,eth", "next_page_token": "0.Mg"}
    assert following.path == given.request.path


def test_without_token_the_answer_is_complete():
    assert coinmetrics.following(answer(COINS)) is None


def test_pages_are_asked_from_the_start_and_full():
    params = first_request("coinmetrics").params
    assert (params["paging_from"], params["page_size"], params["frequency"]) == ("start", "10000", "1d")
    assert params["start_time"] == "2025-10-01"


def test_assets_of_one_window_share_a_request():
    early = Window(WINDOW.start.replace(year=2020), WINDOW.end)
    given = plan("coinmetrics", assets=("btc", "eth", "sol"))
    given = replace(given, window_of=lambda asset: early if asset == "eth" else WINDOW)
    asked = list(coinmetrics.requests(given))
    assert [(r.params["assets"], r.params["start_time"]) for r in asked] == [
        ("btc,sol", "2025-10-01"),
        ("eth", "2020-10-01"),
    ]


def test_only_a_batch_without_required_assets_may_be_empty():
    (request,) = coinmetrics.requests(plan("coinmetrics", assets=("1inch",)))
    assert (request.required, request.may_be_empty) == (False, True)
    assert not first_request("coinmetrics").may_be_empty


@pytest.mark.parametrize("status", [401, 403])
def test_a_forbidden_asset_points_to_the_catalog(status: int):
    known = coinmetrics.explain(status, "")
    assert known is not None
    assert "catalog/coinmetrics.yml" in known[0]


def test_what_covers_an_asset_is_a_daily_metric_of_the_community_tier():
    coverage = copy.deepcopy(COVERAGE)
    inch, btc, _ = coverage["data"]
    inch["metrics"][0]["frequencies"][0]["frequency"] = "1h"
    btc["metrics"][2]["frequencies"][0]["community"] = False
    answer = exchange("coinmetrics", dumps(coverage), path=coinmetrics.CATALOG)
    narrowed, gaps = coinmetrics.narrow(plan("coinmetrics", assets=("btc", "eth", "1inch", "sol")), [answer])
    assert narrowed.provider.assets == ("btc", "eth", "1inch")
    found = {error.request: (error.problem, required) for error, required in gaps}
    assert found == {
        "asset btc": ("the community tier has no daily SplyCur of it", True),
        "asset 1inch": ("the community tier has no daily CapMrktCurUSD of it", False),
        "asset sol": ("the community tier has no daily PriceUSD, CapMrktCurUSD, SplyCur of it", False),
    }


def test_the_whole_catalog_is_one_question():
    given = plan("coinmetrics")
    assert coinmetrics.probe(given).params["assets"].split(",") == list(given.provider.assets)


def test_an_error_object_is_refused():
    with pytest.raises(PayloadError, match="has no data"):
        rows(exchange("coinmetrics", dumps({"error": {"type": "forbidden", "message": "no"}})))
