"""Recorded answers of the real providers, where they are at hand: good ones parse, bad ones explain themselves.

Those of the crypto, equity and Korean sources are in test_every_recording.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestration.extract import fred, llama
from orchestration.extract.errors import PayloadError
from orchestration.extract.http import error_text
from orchestration.extract.run import MODULES, Basket
from tests.extract.helpers import NOW, RECORDINGS, exchange


def body_of(path: str) -> bytes:
    file = RECORDINGS / path
    if not file.is_file():
        pytest.skip(f"no recording {path}")
    return file.read_bytes()


OPERATIONS = {"table": "nyfed_reverse_repo_operations", "startDate": "2026-01-01", "endDate": "2026-12-31"}

GOOD = [
    ("fred", "fred/fredr_observations-f4ad59_200.json", {"series_id": "X"}, 10),
    ("fred", "fred/fredr_observations-31d1d6_200.json", {"series_id": "X"}, 20),
    ("fredgraph", "fred/gxsper_fredgraph_WALCL_2023-12-27_2024-01-10_200.csv", {"series_id": "WALCL"}, 3),
    ("fredgraph", "fred/gxsper_fredgraph_WTREGEN_2023-12-27_2024-01-10_200.csv", {"series_id": "WTREGEN"}, 3),
    ("fiscaldata", "treasury_fiscaldata/openbb_dts_operating_cash_balance_2025-07-07_11_200.json", {}, 20),
    (
        "fiscaldata",
        "treasury_fiscaldata/openbb_upcoming_auctions_200.json",
        {"table": "fiscaldata_upcoming_auctions"},
        90,
    ),
    (
        "nyfed",
        "nyfed/openbb_sofr_search_2024-06-01_06_200.json",
        {"table": "nyfed_reference_rates", "type": "SOFR"},
        4,
    ),
    ("nyfed", "nyfed/testdata_reverserepo_fixed_last_2026-07-10_trimmed_200.json", OPERATIONS, 1),
    ("cboe", "cboe/VIX_History_trimmed_post_restatement.csv", {}, None),
    ("llama", "defillama/reconstructed_emissions_sei_2026-09-06.json", {"slug": "sei"}, None),
]


@pytest.mark.parametrize(("provider", "path", "context", "expected"), GOOD, ids=[case[1] for case in GOOD])
def test_a_real_answer_parses(provider: str, path: str, context: dict[str, str], expected: int | None):
    given = exchange(provider, body_of(path), at=datetime(2026, 10, 10, tzinfo=UTC), **context)
    found, tables = Basket(provider).judge(given)
    assert found > 0
    assert expected in (None, found)
    assert sum(table.num_rows for table, _ in tables.values()) == found


def test_a_real_stablecoin_history_marks_only_its_running_day():
    path = "defillama/atlas_stablecoincharts_all_2026-08-18_TRIMMED_200.json"
    given = exchange("stablecoins", body_of(path), at=datetime(2026, 8, 18, 8, 4, 48, tzinfo=UTC))
    rows = MODULES["stablecoins"].parse(given)["stablecoins_charts"]
    assert {row["date"] for row in rows if row["is_provisional"]} == {"1787011200"}
    assert len({row["date"] for row in rows}) > 20


def test_a_real_empty_window_is_no_rows():
    path = "fred/fredr_observations-3a8dc9_200.json"
    assert fred.parse(exchange("fred", body_of(path), series_id="X")) == {"fred_observations": []}


def test_a_real_page_that_is_not_the_last_leads_on():
    given = exchange("fred", body_of("fred/fredr_observations-31d1d6_200.json"), series_id="X")
    following = fred.following(given)
    assert following is not None
    assert following.params["offset"] == "20"


def test_a_real_treasury_day_balances():
    path = "treasury_fiscaldata/openbb_dts_operating_cash_balance_2025-07-07_11_200.json"
    rows = MODULES["fiscaldata"].parse(exchange("fiscaldata", body_of(path), params={"page[number]": "1"}))
    day = [row for row in rows["fiscaldata_operating_cash_balance"] if row["record_date"] == "2025-07-11"]
    assert len(day) == 4
    assert {row["close_today_bal"] for row in day} == {"null"}


ERRORS = [
    (fred, 400, "fred/error_400_api_key_format.json", "32 character", "TIDEGAUGE_FRED_API_KEY", True),
    (fred, 400, "fred/error_400_api_key_not_registered.json", "not registered", "TIDEGAUGE_FRED_API_KEY", True),
    (fred, 400, "fred/error_400_api_key_not_set.json", "not set", "TIDEGAUGE_FRED_API_KEY", True),
    (fred, 400, "fred/error_400_vintage_cap_2000.json", "5103 vintage dates", None, False),
    (fred, 429, "fred/error_429_rate_limit.json", "Exceeded Rate Limit", None, False),
    (fred, 400, "fred/fredr_error_series-04673a_400.json", "series_id has not been set", None, False),
    (fred, 400, "fred/fredr_error_series_observations-5d35cf_400.json", "Series IDs should be 25", None, False),
    (llama, 402, "defillama/error_402_emissions.txt", "Upgrade to the paid API plan", "TIDEGAUGE_LLAMA_API_KEY", True),
]


@pytest.mark.parametrize(
    ("module", "status", "path", "said", "remedy", "whole"), ERRORS, ids=[case[2] for case in ERRORS]
)
def test_a_real_error_says_what_and_what_to_do(module, status, path, said, remedy, whole):
    text = error_text(body_of(path))
    assert said in text
    assert len(text) <= 200
    known = module.explain(status, text)
    if remedy is None:
        assert known is None
    else:
        assert remedy in known[0]
        assert known[1] is whole


def test_real_repo_operations_are_no_reverse_repo():
    path = "nyfed/testdata_repo_allotment_two_windows_2026-07-07_trimmed_200.json"
    with pytest.raises(PayloadError, match="no rows in the window"):
        Basket("nyfed").judge(exchange("nyfed", body_of(path), **OPERATIONS))


NOT_ROWS = [
    ("fred", "fred/error_429_rate_limit.json"),
    ("stablecoins", "defillama/atlas_stablecoins_includePrices_2026-08-22_TRIMMED_200.json"),
    ("llama", "defillama/openapi_schema_example_pro_api_emission_protocol.json"),
    ("cboe", "stooq/error_no_data.txt"),
    ("fredgraph", "stooq/error_daily_hits_limit.txt"),
    ("fiscaldata", "treasury_fiscaldata/openbb_TA_WS_securities_search_2023-09-01_11-16_TRIMMED_200.json"),
    ("nyfed", "nyfed/openbb_soma_agency_debts_asof_2019-01-02_200.json"),
]


@pytest.mark.parametrize(("provider", "path"), NOT_ROWS, ids=[case[1] for case in NOT_ROWS])
def test_a_real_answer_to_another_question_is_refused(provider: str, path: str):
    given = exchange(
        provider,
        body_of(path),
        at=NOW,
        params={"page[number]": "1"},
        series_id="X",
        slug="x",
        symbol="X",
        table="nyfed_soma_summary",
    )
    with pytest.raises(PayloadError):
        Basket(provider).judge(given)
