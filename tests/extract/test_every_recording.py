"""Every recorded answer of the real providers, where they are at hand: its facts, or its named error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from orchestration.extract import coinmarketcap, coinmetrics, fiscaldata, fred, stablecoins
from orchestration.extract.base import Exchange, Request
from orchestration.extract.errors import ExtractError, PayloadError, PermanentError, TransientError
from orchestration.extract.http import Client
from orchestration.extract.run import MODULES, Basket
from tests.extract.helpers import RECORDINGS, catalog, exchange, settings
from tests.stub import Reply, Stub

FOLDERS = (
    *("cboe", "coingecko", "coinmarketcap", "coinmetrics", "defillama", "ecos", "fred", "nyfed", "stooq"),
    *("tokenomist", "treasury_fiscaldata", "yahoo"),
)
NOW = datetime(2026, 10, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """What is made of a recording: rows with the facts of the first of `table`, or an error that says and advises."""

    provider: str
    rows: int = 0
    facts: Mapping[str, str | None] = field(default_factory=dict)
    table: str | None = None
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

DL, TR = "defillama/", "treasury_fiscaldata/"
FRED_KEY = "TIDEGAUGE_FRED_API_KEY"
OPERATIONS = {"table": "nyfed_reverse_repo_operations", "startDate": "2026-01-01", "endDate": "2026-12-31"}
ARB = {"token_id": "arbitrum", "pages_before": ""}

ANSWERS = {
    "cboe/VIX_History_trimmed_post_restatement.csv": Answer("cboe", 26, {"DATE": "01/02/1990", "CLOSE": "17.240000"}),
    DL + "atlas_stablecoinchains_2026-08-22_TRIMMED_200.json": refused("stablecoins", "a day has no date"),
    DL + "atlas_stablecoincharts_all_2026-08-18_TRIMMED_200.json": Answer(
        "stablecoins", 707, {"date": "1511913600", "peg": "peggedUSD", "totalCirculatingUSD": "110105"}
    ),
    DL + "atlas_stablecoins_includePrices_2026-08-22_TRIMMED_200.json": refused(
        "stablecoins", "a list of days was expected"
    ),
    DL + "error_402_emissions.txt": failed("llama", 402, "Upgrade to the paid API plan", "TIDEGAUGE_LLAMA_API_KEY"),
    # The documented example of the paid API: sections and no events.
    DL + "openapi_schema_example_pro_api_emission_protocol.json": Answer(
        "llama",
        2,
        {"label": "Hyper Foundation Budget", "timestamp": "1732838400", "unlocked": "60000000"},
        table="llama_emissions",
        context={"slug": "hyperliquid", "api": "pro"},
    ),
    DL + "openapi_schema_example_pro_api_emissions.json": refused(
        "llama", "the answer has no body", context={"slug": "hyperliquid", "api": "pro"}
    ),
    DL + "reconstructed_emissions_sei_2026-09-06.json": Answer(
        "llama",
        7,
        {"timestamp": "1691971200", "allocation_kind": "cliff", "amount": "25000000"},
        table="llama_unlock_events",
        context={"slug": "sei"},
    ),
    "fred/error_400_api_key_format.json": failed("fred", 400, "Bad Request. The value for", FRED_KEY),
    "fred/error_400_api_key_not_registered.json": failed("fred", 400, "Bad Request. The value for", FRED_KEY),
    "fred/error_400_api_key_not_set.json": failed("fred", 400, "Bad Request. Variable api_key is not set.", FRED_KEY),
    "fred/error_400_vintage_cap_2000.json": failed("fred", 400, "Bad Request. There are 5103", ""),
    "fred/error_429_rate_limit.json": failed("fred", 429, "Too Many Requests.", "try again later", TransientError),
    "fred/fredr_error_series-04673a_400.json": failed("fred", 400, "Bad Request. Variable series_id has not been", ""),
    "fred/fredr_error_series_observations-5d35cf_400.json": failed("fred", 400, "Bad Request. Invalid value", ""),
    "fred/fredr_observations-31d1d6_200.json": Answer(
        "fred",
        20,
        {"date": "1929-01-01", "value": "1120.076", "realtime_start": "2020-05-19"},
        context={"series_id": "X"},
    ),
    "fred/fredr_observations-3a8dc9_200.json": Answer("fred", context={"series_id": "X"}),
    "fred/fredr_observations-f4ad59_200.json": Answer("fred", 10, {"value": "1120.076"}, context={"series_id": "X"}),
    "fred/gxsper_fredgraph_WALCL_2023-12-27_2024-01-10_200.csv": Answer(
        "fredgraph", 3, {"observation_date": "2023-12-27", "value": "7712781"}, context={"series_id": "WALCL"}
    ),
    "fred/gxsper_fredgraph_WTREGEN_2023-12-27_2024-01-10_200.csv": Answer(
        "fredgraph", 3, {"observation_date": "2023-12-27", "value": "731405"}, context={"series_id": "WTREGEN"}
    ),
    "nyfed/openbb_sofr_search_2024-06-01_06_200.json": Answer(
        "nyfed",
        4,
        {"effectiveDate": "2024-06-06", "percentRate": "5.33", "revisionIndicator": ""},
        context={"table": "nyfed_reference_rates", "type": "SOFR"},
    ),
    "nyfed/openbb_soma_agency_debts_asof_2019-01-02_200.json": refused(
        "nyfed", "soma has no summary", context={"table": "nyfed_soma_summary"}
    ),
    # Repo operations are no reverse repo operations.
    "nyfed/testdata_repo_allotment_two_windows_2026-07-07_trimmed_200.json": Answer("nyfed", context=OPERATIONS),
    "nyfed/testdata_reverserepo_fixed_last_2026-07-10_trimmed_200.json": Answer(
        "nyfed", 1, {"operationId": "RP 071026 26", "termCalenderDays": "3"}, context=OPERATIONS
    ),
    "tokenomist/docs_example_v1_unlock_events_200.json": refused("tokenomist", "metadata has no page", context=ARB),
    "tokenomist/docs_example_v5_unlock_events_tokenId_200.json": refused(
        "tokenomist", "page 1 holds 1 of 487 events", context=ARB
    ),
    TR + "openbb_TA_WS_securities_search_2023-09-01_11-16_TRIMMED_200.json": refused(
        "fiscaldata", "the answer has no data, meta"
    ),
    TR + "openbb_dts_operating_cash_balance_2025-07-07_11_200.json": Answer(
        "fiscaldata", 20, {"record_date": "2025-07-07", "close_today_bal": "null", "open_today_bal": "313162"}
    ),
    TR + "openbb_upcoming_auctions_200.json": Answer(
        "fiscaldata",
        90,
        {"cusip": "912797JW8", "offering_amt": "90000000000", "issue_date": "2024-03-19"},
        context={"table": "fiscaldata_upcoming_auctions"},
    ),
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
    assert not any(unknown for _, unknown in tables.values())
    assert sum(table.num_rows for table, _ in tables.values()) == count
    table = tables[answer.table][0] if answer.table else next(iter(tables.values()))[0]
    assert {name: table[name].to_pylist()[0] for name in answer.facts} == answer.facts


def recorded(provider: str, path: str, at: datetime = NOW, **context: str) -> Exchange:
    file = RECORDINGS / path
    if not file.is_file():
        pytest.skip(f"no recording {path}")
    return exchange(provider, file.read_bytes(), at=at, **context)


def test_a_real_stablecoin_history_marks_only_its_running_day():
    path = DL + "atlas_stablecoincharts_all_2026-08-18_TRIMMED_200.json"
    given = recorded("stablecoins", path, datetime(2026, 8, 18, 8, 4, 48, tzinfo=UTC))
    rows = stablecoins.parse(given)["stablecoins_charts"]
    assert {row["date"] for row in rows if row["is_provisional"]} == {"1787011200"}


def test_a_real_page_that_is_not_the_last_leads_on():
    following = fred.following(recorded("fred", "fred/fredr_observations-31d1d6_200.json", series_id="X"))
    assert following is not None
    assert following.params["offset"] == "20"


def test_a_real_treasury_day_has_four_rows_and_its_close_in_the_opening_column():
    given = recorded("fiscaldata", TR + "openbb_dts_operating_cash_balance_2025-07-07_11_200.json")
    rows = fiscaldata.parse(given)["fiscaldata_operating_cash_balance"]
    day = [row for row in rows if row["record_date"] == "2025-07-11"]
    assert len(day) == 4
    assert {row["close_today_bal"] for row in day} == {"null"}
