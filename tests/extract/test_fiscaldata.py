"""Treasury Fiscal Data: the text "null", pages, and counts that must agree."""

from __future__ import annotations

import pytest

from orchestration.extract import fiscaldata
from orchestration.extract.errors import PayloadError
from tests.extract.helpers import (
    AUCTIONS,
    BALANCES,
    NOW,
    SAMPLES,
    SAMPLES_OF_TABLES,
    catalog,
    dumps,
    exchange,
    first_request,
    plan,
    rows,
    settings,
    treasury,
)
from tests.extract.test_run import harvest_of
from tests.stub import Reply, Stub


def page(number: int = 1, pages: int = 1, **meta: object):
    body = {"data": BALANCES, "meta": {"count": 2, "total-pages": pages} | meta}
    return exchange("fiscaldata", dumps(body), params={"page[number]": str(number), "page[size]": "2"})


def test_the_text_null_stays_the_text_null():
    found = rows(SAMPLES["fiscaldata"].exchange)
    assert [row["close_today_bal"] for row in found] == ["null", "null"]
    assert [row["open_today_bal"] for row in found] == ["900000", "901000"]


def test_all_account_types_are_kept():
    assert [row["account_type"][-15:] for row in rows(page())] == ["Opening Balance", "Closing Balance"]


@pytest.mark.parametrize("count", [1, 3, 0])
def test_a_count_that_disagrees_with_the_rows_is_refused(count: int):
    with pytest.raises(PayloadError, match=f"announces {count} rows and holds 2"):
        rows(page(count=count))


def test_pages_follow_until_the_last():
    second = fiscaldata.following(page(1, 3))
    assert second is not None
    assert second.params == {"page[number]": "2", "page[size]": "2"}
    assert fiscaldata.following(page(3, 3)) is None


def test_the_window_is_in_the_filter_and_pages_are_whole():
    params = first_request("fiscaldata").params
    assert params["filter"] == "record_date:gte:2025-10-01,record_date:lte:2025-11-12"
    assert params["page[size]"] == "10000"


def test_a_refused_field_names_the_documentation():
    known = fiscaldata.explain(400, "Invalid Query Param")
    assert known is not None
    assert "fiscaldata.treasury.gov" in known[0]


def test_auctions_reach_back_to_the_bills_that_mature_in_the_window_and_ahead_to_the_announced():
    balances, auctions, upcoming = fiscaldata.requests(plan("fiscaldata"))
    # 371 days before 2025-10-01, 14 days after 2025-11-12.
    assert auctions.params["filter"] == "auction_date:gte:2024-09-25,auction_date:lte:2025-11-26"
    assert set(AUCTIONS[0]) <= set(auctions.params["fields"].split(","))
    assert upcoming.path.endswith("/v1/accounting/od/upcoming_auctions")
    assert [request.required for request in (balances, auctions, upcoming)] == [True, False, False]


def test_auctions_are_paged_to_the_end_and_land_in_their_own_tables(stub: Stub):
    later = {**AUCTIONS[0], "cusip": "912797RH2", "total_accepted": "null", "soma_accepted": "null"}
    stub.script(
        Reply(SAMPLES["fiscaldata"].body),
        Reply(treasury(AUCTIONS, pages=2)),
        Reply(treasury([later], pages=2)),
        Reply(SAMPLES_OF_TABLES["fiscaldata upcoming"].body),
    )
    found = harvest_of("fiscaldata", settings(fiscaldata_base_url=stub.url).at(NOW), entries=catalog())
    assert found.failures == []
    assert [received.query["page[number]"] for received in stub.received] == ["1", "1", "2", "1"]
    assert {name: table.num_rows for name, table in found.tables.items()} == {
        "fiscaldata_operating_cash_balance": 2,
        "fiscaldata_auctions": 2,
        "fiscaldata_upcoming_auctions": 1,
    }
    assert found.tables["fiscaldata_auctions"]["total_accepted"].to_pylist() == ["114000000000", "null"]


def test_a_host_without_auctions_costs_a_warning_each_and_nothing_else(stub: Stub):
    stub.script(Reply(SAMPLES["fiscaldata"].body), Reply(status=404))
    found = harvest_of("fiscaldata", settings(fiscaldata_base_url=stub.url).at(NOW), entries=catalog())
    assert [error.request.split(" 20")[0] for error, _ in found.failures] == ["auctions", "upcoming auctions"]
    assert found.required_failures == []
    assert found.tables["fiscaldata_operating_cash_balance"].num_rows == 2
