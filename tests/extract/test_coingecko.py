"""CoinGecko: snapshots dated by the fetch, errors with status 200, and columns nobody asked for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from orchestration.extract import coingecko
from orchestration.extract.errors import PayloadError
from tests.extract.helpers import MARKETS, SAMPLES, arrow, dumps, exchange, first_request, rows, settings

KEY = "CG-abcdefghijklmnop"


@pytest.mark.parametrize(
    "body",
    [
        {"status": {"error_code": 429, "error_message": "You've exceeded the Rate Limit."}},
        {"error": "coin not found"},
        {"error": {"status": {"error_code": 10012, "error_message": "exceeds the allowed time range"}}},
    ],
)
def test_an_error_object_with_status_200_is_refused(body: object):
    with pytest.raises(PayloadError, match="an error object came with status 200"):
        rows(exchange("coingecko", dumps(body)))


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
    ("base", "header"),
    [(None, "x-cg-demo-api-key"), ("https://pro-api.coingecko.com", "x-cg-pro-api-key")],
)
def test_a_key_travels_in_the_header_of_its_plan(base: str | None, header: str):
    request = first_request("coingecko", settings(coingecko_api_key=KEY, coingecko_base_url=base))
    assert request.secret_headers == {header: KEY}
    assert KEY not in repr(request)


def test_without_key_nothing_secret_is_sent():
    assert first_request("coingecko").secret_headers == {}


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_key_concerns_the_whole_provider(status: int):
    known = coingecko.explain(status, "")
    assert known is not None
    assert "TIDEGAUGE_COINGECKO_API_KEY" in known[0]
    assert known[1]
