"""Yahoo charts: empty windows, live bars, zones, and arrays that must be parallel."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration.extract import yahoo
from orchestration.extract.errors import PayloadError
from tests.extract.helpers import CHART, NOW, SAMPLES, arrow, dumps, exchange, plan, rows

# The Seoul session of 2025-11-12: 00:00 to 06:30 UTC.
SEOUL_OPEN, SEOUL_CLOSE = 1762905600, 1762929000


def chart(**changes: Any) -> dict[str, Any]:
    """The good chart; `meta` is merged, other names replace parts of the result."""
    body = copy.deepcopy(CHART)
    result = body["chart"]["result"][0]
    result["meta"] |= changes.pop("meta", {})
    result |= changes
    return body


def answer(body: dict[str, Any], symbol: str = "^GSPC", at: datetime = NOW):
    return exchange("yahoo", dumps(body), at=at, symbol=symbol)


def test_parallel_arrays_become_rows():
    table, unknown = arrow(SAMPLES["yahoo"].exchange)
    assert table["timestamp"].to_pylist() == ["1762785000", "1762871400"]
    assert table["close"].to_pylist() == ["11.5", "12.5"]
    assert table["volume"].to_pylist() == ["1000", None]
    assert table["exchange_timezone"].to_pylist() == ["America/New_York"] * 2
    assert not unknown


def test_an_empty_window_is_no_rows():
    body = chart(meta={"currency": None})
    result = body["chart"]["result"][0]
    del result["timestamp"]
    result["indicators"] = {"quote": [{}], "adjclose": [{}]}
    assert rows(answer(body)) == []


@pytest.mark.parametrize(
    ("clock", "live"),
    [
        (datetime(2025, 11, 12, 3, 0, tzinfo=UTC), "true"),
        (datetime(2025, 11, 12, 6, 44, tzinfo=UTC), "true"),
        (datetime(2025, 11, 12, 6, 45, tzinfo=UTC), None),
        (datetime(2025, 11, 12, 22, 0, tzinfo=UTC), None),
    ],
)
def test_a_bar_is_live_until_its_own_exchange_has_closed(clock: datetime, live: str | None):
    """Seoul's day 11-12 starts on 11-11 in New York: the exchange's zone decides, not gmtoffset and not UTC."""
    period = {"regular": {"start": SEOUL_OPEN, "end": SEOUL_CLOSE}}
    meta = {"symbol": "^KS11", "exchangeTimezoneName": "Asia/Seoul", "currentTradingPeriod": period, "currency": "KRW"}
    body = chart(meta=meta, timestamp=[SEOUL_OPEN - 86400, SEOUL_OPEN])
    table, _ = arrow(answer(body, "^KS11", clock))
    assert table["is_live"].to_pylist() == [None, live]
    assert table["exchange_timezone"].to_pylist() == ["Asia/Seoul"] * 2


def test_yesterdays_bar_is_final_while_todays_session_runs():
    during = datetime(2025, 11, 12, 16, 0, tzinfo=UTC)
    table, _ = arrow(answer(chart(timestamp=[1762871400, 1762957800]), at=during))
    assert table["is_live"].to_pylist() == [None, "true"]


def test_before_the_opening_bell_no_bar_is_live():
    table, _ = arrow(answer(chart(), at=datetime(2025, 11, 12, 12, 0, tzinfo=UTC)))
    assert table["is_live"].to_pylist() == [None, None]


def test_before_seoul_opens_its_last_bar_is_final_though_utc_still_has_that_day():
    period = {"regular": {"start": SEOUL_OPEN, "end": SEOUL_CLOSE}}
    meta = {"symbol": "^KS11", "exchangeTimezoneName": "Asia/Seoul", "currentTradingPeriod": period}
    body = chart(meta=meta, timestamp=[SEOUL_OPEN - 2 * 86400, SEOUL_OPEN - 86400])
    table, _ = arrow(answer(body, "^KS11", datetime(2025, 11, 11, 23, 30, tzinfo=UTC)))
    assert table["is_live"].to_pylist() == [None, None]


def test_the_answer_for_another_symbol_is_refused():
    with pytest.raises(PayloadError, match=r"about \^IXIC, not \^GSPC"):
        rows(answer(chart(meta={"symbol": "^IXIC"})))


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_uneven_arrays_are_refused(name: str):
    body = chart()
    body["chart"]["result"][0]["indicators"]["quote"][0][name].pop()
    with pytest.raises(PayloadError, match=f"{name} and timestamp differ in length"):
        rows(answer(body))


def test_uneven_adjusted_closes_are_refused():
    body = chart()
    body["chart"]["result"][0]["indicators"]["adjclose"][0]["adjclose"].pop()
    with pytest.raises(PayloadError, match="adjclose and timestamp differ in length"):
        rows(answer(body))


def test_a_renamed_price_is_refused():
    body = chart()
    quote = body["chart"]["result"][0]["indicators"]["quote"][0]
    quote["close_new"] = quote.pop("close")
    with pytest.raises(PayloadError, match=r"indicators\.quote has no close"):
        rows(answer(body))


def test_null_prices_of_one_day_stay_null():
    body = chart()
    body["chart"]["result"][0]["indicators"]["quote"][0]["close"][1] = None
    assert arrow(answer(body))[0]["close"].to_pylist() == ["11.5", None]


@pytest.mark.parametrize(
    "body",
    [
        {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data found"}}},
        {"chart": {"result": [], "error": None}},
        {},
        [],
    ],
)
def test_an_answer_without_result_is_refused(body: object):
    with pytest.raises(PayloadError, match="without a result"):
        rows(exchange("yahoo", dumps(body), symbol="^GSPC"))


def test_instants_not_ranges_are_asked_for_and_none_after_the_clock():
    asked = {request.label: request for request in yahoo.requests(plan("yahoo"))}
    kospi = asked["symbol ^KS11"]
    assert kospi.path == "/v8/finance/chart/%5EKS11"
    assert kospi.params["period1"] == "1759276800"
    assert kospi.params["period2"] == str(int(NOW.timestamp()))
    assert "range" not in kospi.params
    assert asked["symbol KRW=X"].path == "/v8/finance/chart/KRW%3DX"


@pytest.mark.parametrize(("status", "word", "whole"), [(404, "catalog/yahoo.yml", False), (429, "some minutes", True)])
def test_its_own_answers_have_a_remedy(status: int, word: str, whole: bool):
    known = yahoo.explain(status, "")
    assert known is not None
    assert word in known[0]
    assert known[1] is whole
