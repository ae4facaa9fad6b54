"""Every recorded answer of the crypto, equity and Korean sources, where they are at hand: its facts, or its named error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from orchestration.extract import coinmarketcap, coinmetrics
from orchestration.extract.base import Request
from orchestration.extract.errors import ExtractError, PayloadError, PermanentError, TransientError
from orchestration.extract.http import Client
from orchestration.extract.run import MODULES, Basket
from tests.extract.helpers import RECORDINGS, catalog, settings
from tests.stub import Reply, Stub

FOLDERS = ("coingecko", "coinmarketcap", "coinmetrics", "ecos", "stooq", "yahoo")
NOW = datetime(2026, 10, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """What is made of a recording: rows with the facts of the first of them, or an error that says and advises."""

    provider: str
    rows: int = 0
    facts: Mapping[str, str | None] = field(default_factory=dict)
    error: type[ExtractError] | None = None
    says: str = ""
    remedy: str = ""
    status: int = 200
    path: str = "/path"
    context: Mapping[str, str] = field(default_factory=dict)


def refused(provider: str, says: str, remedy: str = "", **more: object) -> Answer:
    return Answer(provider, error=PayloadError, says=says, remedy=remedy, **more)  # type: ignore[arg-type]


def failed(provider: str, status: int, says: str, remedy: str, error: type[ExtractError] = PermanentError) -> Answer:
    return Answer(provider, error=error, says=f'HTTP {status} "{says}', remedy=remedy, status=status)


KOSPI = {"series_id": "KOSPI", "first": "1", "rows": "802Y001/D/20251001/20251112/0001000"}
CG, CM, YF = "coingecko/cgruby_test_that_it_gets_", "coinmetrics/openapi_example_", "yahoo/yf2_chart_"

ANSWERS = {
    CG + "market_data_for_a_coin_0_200.json": Answer(
        "coingecko", 1, {"id": "bitcoin", "current_price": "49053", "total_supply": "21000000.0", "roi": None}
    ),
    CG + "market_data_for_multiple_coins_in_eth_0_200.json": Answer(
        "coingecko", 2, {"id": "bitcoin", "current_price": "12.666344"}
    ),
    CG + "daily_historical_prices_for_one_coin_0_200.json": Answer(
        "coingecko", 91, {"timestamp": "1613347200000", "price": "48607.8745224845"}, context={"id": "bitcoin"}
    ),
    CG + "daily_historical_prices_for_one_coin_1_422.json": failed(
        "coingecko", 422, "Missing parameter vs_currency", "coingecko.com"
    ),
    CG + "market_data_for_a_coin_1_422.json": failed(
        "coingecko", 422, "Missing parameter vs_currency", "coingecko.com"
    ),
    CG + "historical_price_for_one_coin_at_a_previous_date_2_422.json": failed(
        "coingecko", 422, "Missing parameter date", "coingecko.com"
    ),
    CG + "ohlc_data_for_one_coin_in_the_last_7_days_1_500.json": failed(
        "coingecko", 500, "Internal Server Error", "try again later", TransientError
    ),
    CG + "global_crypto_data_0_200.json": refused("coingecko", "an error object came with status 200"),
    CG + "historical_price_for_one_coin_at_a_previous_date_0_200.json": refused(
        "coingecko", "the answer has no prices, market_caps, total_volumes", context={"id": "bitcoin"}
    ),
    CG + "ohlc_data_for_one_coin_in_the_last_7_days_0_200.json": refused(
        "coingecko", "not built as documented", "the format has changed"
    ),
    "coingecko/error_401_10005_pro_only.json": failed(
        "coingecko", 401, "10005: This request is limited to PRO", "does not include the endpoint"
    ),
    "coingecko/error_429.json": failed("coingecko", 429, "You've exceeded the Rate Limit.", "busy", TransientError),
    "coinmarketcap/SHAPE_ONLY_dataapi_v3_global-metrics_quotes_historical.json": Answer(
        "coinmarketcap",
        1,
        {"timestamp": "2024-01-01T00:00:00.000Z", "totalMarketCap": "1700000000000.0", "ethDominance": None},
        path=coinmarketcap.WEBSITE,
    ),
    "coinmarketcap/dataapi_v3_altcoin-season_chart_2025-07-14_TRIMMED_200.json": refused(
        "coinmarketcap", "the answer has no status", "the format has changed", path=coinmarketcap.WEBSITE
    ),
    "coinmarketcap/webapi_v1.1_total_market_2019-12-20_200.json": refused(
        "coinmarketcap", "not built as documented (KeyError: 'quotes')", path=coinmarketcap.WEBSITE
    ),
    "coinmarketcap/webapi_v1.1_error_400_out_of_range.json": failed(
        "coinmarketcap", 400, "Search query is out of range.", "coinmarketcap.com"
    ),
    "coinmetrics/gxsper_catalog-v2_asset-metrics_btc_2026-08-24_200.json": Answer(
        "coinmetrics",
        47,
        {"asset": "btc", "metric": "AdrActCnt", "frequency": "1d", "community": "true"},
        path=coinmetrics.CATALOG,
    ),
    CM + "AssetMetrics_daily_metrics.json": refused("coinmetrics", "has no CapMrktCurUSD, SplyCur"),
    CM + "AssetMetrics_block_by_block_metrics.json": refused("coinmetrics", "has no CapMrktCurUSD, SplyCur"),
    CM + "AssetMetrics_by_second_frequency_metrics.json": refused(
        "coinmetrics", "has no PriceUSD, CapMrktCurUSD, SplyCur"
    ),
    CM + "AssetNotFound.json": failed(
        "coinmetrics", 400, "Bad parameter 'assets'. Value 'sdvwbtc'", "does not know this asset"
    ),
    CM + "Forbidden.json": failed("coinmetrics", 403, "Requested metric 'SplyBMXNtv'", "retire the asset"),
    CM + "Unauthorized_unauthorized.json": failed("coinmetrics", 401, "Requested resource", "retire the asset"),
    CM + "Unauthorized_wrong_credentials.json": failed("coinmetrics", 401, "Supplied credentials", "retire the asset"),
    "coinmetrics/error_400_bad_parameter_start_time.json": failed(
        "coinmetrics", 400, "Bad parameter 'start_time'.", "YYYY-MM-DD"
    ),
    "ecos/error_INFO-100_200.json": Answer(
        "ecos", error=PermanentError, says="INFO-100 came with status 200", remedy="ECOS_API_KEY", context=KOSPI
    ),
    "ecos/error_INFO-200_200.json": Answer("ecos", context=KOSPI),
    "ecos/sample_722Y001_200.json": refused(
        "ecos", "a row is about 722Y001/0101000, not 802Y001/0001000", context=KOSPI
    ),
    "stooq/error_daily_hits_limit.txt": refused("cboe", "the file stops in the middle of a line"),
    "stooq/error_no_data.txt": refused("cboe", "the file stops in the middle of a line"),
    "yahoo/error_429.txt": failed("yahoo", 429, "Too Many Requests", "for some minutes", TransientError),
    YF + "WSU.DE_2023-08-04_09_200.json": Answer(
        "yahoo",
        3,
        {
            "timestamp": "1691132400",
            "close": "34.45000076293945",
            "currency": "EUR",
            "exchange_timezone": "Europe/Berlin",
        },
        context={"symbol": "WSU.DE"},
    ),
    YF + "GC=F_2020-01-01_03_200.json": Answer(
        "yahoo", 1, {"timestamp": "1577941200", "exchange_timezone": "America/New_York"}, context={"symbol": "GC=F"}
    ),
    YF + "BZ=F_2020-01-01_03_200.json": Answer(
        "yahoo", 1, {"close": "66.25", "is_live": None}, context={"symbol": "BZ=F"}
    ),
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_recording_has_its_answer_here(folder: str):
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recordings at {RECORDINGS}")
    found = {f"{folder}/{path.name}" for path in (RECORDINGS / folder).iterdir() if path.name != "SOURCES.md"}
    assert found == {path for path in ANSWERS if path.startswith(f"{folder}/")}


@pytest.mark.parametrize("recording", ANSWERS)
def test_a_recording_is_its_facts_or_its_named_error(stub: Stub, recording: str):
    file, answer = RECORDINGS / recording, ANSWERS[recording]
    if not file.is_file():
        pytest.skip(f"no recording {recording}")
    stub.script(Reply(file.read_bytes(), answer.status))
    given = settings(**{f"{answer.provider}_base_url": stub.url, "http_attempts": 1}).at(NOW)
    explain = getattr(MODULES[answer.provider], "explain", lambda status, text: None)
    client = Client(given, catalog().provider(answer.provider), explain=explain)
    request = Request(answer.provider, "the thing", answer.path, context=answer.context, may_be_empty=not answer.rows)
    judged = []

    def ask() -> None:
        client.get(request, lambda exchange: judged.append(Basket(answer.provider).judge(exchange)))

    if answer.error:
        with pytest.raises(answer.error) as caught:
            ask()
        assert answer.says in caught.value.problem
        assert answer.remedy in caught.value.remedy
        return
    ask()
    ((count, tables),) = judged
    assert count == answer.rows
    ((table, unknown),) = tables.values()
    assert not unknown
    assert table.num_rows == count
    assert {name: table[name].to_pylist()[0] for name in answer.facts} == answer.facts
