"""Tokenomist's unlock events: paging that cannot lose or repeat a page, and what of an answer is the schedule."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from orchestration.catalog.tables import RAW_TABLES
from orchestration.extract import tokenomist
from orchestration.extract.archive import Archive
from orchestration.extract.base import Exchange, Request
from orchestration.extract.errors import PayloadError
from orchestration.extract.progress import Progress
from orchestration.extract.run import active_providers, harvest_archive, harvest_live
from orchestration.settings import ConfigurationError
from tests.conftest import Mirror
from tests.extract.helpers import EVENTS, NOW, WINDOW, catalog, dumps, plan, rows, settings
from tests.stub import Reply, Stub

KEY = "tokenomist-canary-0123456789"


def answer(body: Any, page: int = 1, before: str = "") -> Exchange:
    request = Request(
        "tokenomist", "the thing", "/path", {"page": str(page)}, context={"token_id": "token", "pages_before": before}
    )
    return Exchange(request, 200, dumps(body), NOW)


def paged(page: int, of: int, *days: int, total: int | None = None) -> dict[str, Any]:
    """A page of two events (the last may have fewer), one event a day of January 2026."""
    events = []
    for day in days:
        event = copy.deepcopy(EVENTS["data"][0])
        event["unlockDate"] = f"2026-01-{day:02d}T13:00:00Z"
        for allocation in event["cliffUnlocks"]["allocationBreakdown"]:
            allocation["unlockDate"] = event["unlockDate"]
        events.append(event)
    numbers = {"page": page, "pageSize": 2, "totalPages": of, "total": 3 if total is None else total}
    return {"metadata": {"queryDate": "2025-11-12T21:59:00Z", **numbers}, "status": True, "data": events}


def test_a_row_per_allocation_with_its_reference_price_and_the_query_time():
    first, second, third = rows(answer(EVENTS))
    assert (first["token_id"], first["unlockDate"]) == ("token", "2024-09-16T13:00:00Z")
    assert (first["allocationName"], first["ordinal"], first["cliffAmount"]) == ("Investors", "0", "36520833.29999995")
    assert (second["allocationName"], second["ordinal"]) == ("Investors", "1")
    assert (third["allocationName"], third["ordinal"]) == ("Team", "0")
    assert (first["cliffValue"], first["referencePrice"]) == ("19682209.211202275", "0.538931")
    assert (first["queryDate"], first["unlockPrecision"]) == ("2026-01-08T10:13:58Z", "month")
    assert (first["listedMethod"], first["dataSource"]) == ("INTERNAL", "Whitepaper")
    assert (first["eventCliffAmount"], first["valueToMarketCap"]) == ("92645833.29999995", "2.7744266354166256")


def test_what_moves_with_the_price_or_the_clock_makes_no_version():
    free = {column.name for column in RAW_TABLES["tokenomist_unlock_events"].columns if not column.versioned}
    assert {"cliffValue", "referencePrice", "referencePriceUpdatedTime", "valueToMarketCap", "queryDate"} <= free
    assert not {"cliffAmount", "unlockPrecision", "listedMethod", "dataSource"} & free


def test_pages_are_followed_until_the_last():
    first = tokenomist.following(answer(paged(1, 2, 1, 2)))
    assert first is not None
    assert first.params["page"] == "2"
    assert tokenomist.following(answer(paged(2, 2, 3), page=2)) is None


@pytest.mark.parametrize(
    ("body", "page", "says"),
    [
        (paged(1, 2, 1, 2), 2, "page 1 came instead of page 2"),
        (paged(1, 2, 1), 1, "page 1 holds 1 of 3 events at 2 a page"),
        (paged(2, 2, 3, 4), 2, "page 2 holds 2 of 3 events"),
        (paged(1, 2), 1, "page 1 holds 0 of 3"),
    ],
)
def test_a_page_that_is_not_the_one_it_should_be_is_refused(body: Any, page: int, says: str):
    with pytest.raises(PayloadError, match=says):
        rows(answer(body, page))


def test_a_page_that_repeats_an_earlier_one_under_a_new_number_is_refused():
    """Its metadata differ, so its digest as a body does too."""
    following = tokenomist.following(answer(paged(1, 2, 1, 2, total=4)))
    assert following is not None
    with pytest.raises(PayloadError, match="page 2 repeats an earlier page"):
        rows(answer(paged(2, 2, 1, 2, total=4), 2, following.context["pages_before"]))


@pytest.mark.parametrize("name", ["unlockDate", "cliffUnlocks"])
def test_an_event_without_its_parts_is_refused(name: str):
    body = copy.deepcopy(EVENTS)
    body["data"][0].pop(name)
    with pytest.raises(PayloadError, match=f"an event has no {name}"):
        rows(answer(body))


@pytest.mark.parametrize("name", ["allocationName", "cliffAmount"])
def test_an_allocation_without_its_number_is_refused(name: str):
    body = copy.deepcopy(EVENTS)
    body["data"][0]["cliffUnlocks"]["allocationBreakdown"][1].pop(name)
    with pytest.raises(PayloadError, match=f"an allocation has no {name}"):
        rows(answer(body))


def test_an_event_without_allocations_is_refused():
    body = copy.deepcopy(EVENTS)
    body["data"][0]["cliffUnlocks"]["allocationBreakdown"] = []
    with pytest.raises(PayloadError, match="no allocations"):
        rows(answer(body))


def test_without_a_key_it_is_left_out_with_the_variable_that_is_missing():
    assert "TIDEGAUGE_TOKENOMIST_API_KEY is not set" in str(active_providers(settings())["tokenomist"])
    assert active_providers(settings(tokenomist_api_key=KEY))["tokenomist"] is None
    with pytest.raises(ConfigurationError, match="set TIDEGAUGE_TOKENOMIST_API_KEY"):
        active_providers(settings(), ("tokenomist",))


@pytest.mark.parametrize(
    ("status", "word", "whole"), [(401, "TIDEGAUGE_TOKENOMIST_API_KEY", True), (404, "catalog/tokenomist.yml", False)]
)
def test_its_own_answers_have_a_remedy(status: int, word: str, whole: bool):
    known = tokenomist.explain(status, "")
    assert known is not None
    assert word in known[0]
    assert known[1] is whole


def test_the_key_travels_in_a_secret_header():
    request = next(tokenomist.requests(plan("tokenomist", settings(tokenomist_api_key=KEY))))
    assert request.secret_headers == {"x-api-key": KEY}
    assert KEY not in repr(request)


# ------------------------------------------------------------------ when the listing is whole


def harvested(url: str, *token_ids: str):
    given = settings(mirror=None, tokenomist_api_key=KEY, tokenomist_base_url=url, http_attempts=1).at(NOW)
    entry = catalog().provider("tokenomist").model_copy(update={"slugs": token_ids})
    few = catalog().model_copy(update={"providers": {"tokenomist": entry}})
    (found,) = harvest_live(few, given, lambda p, k: WINDOW, {"tokenomist": None}, Progress())
    replayed = {each.provider: each for each in harvest_archive(Archive(given.archive_dir), Progress())}["tokenomist"]
    return found, replayed


def scopes(harvest: Any) -> list[str]:
    return [each.scope for each in harvest.listings.get("tokenomist_unlock_events", [])]


def test_all_pages_make_a_whole_listing_and_so_they_do_in_a_replay(stub: Stub):
    stub.script(Reply(dumps(paged(1, 2, 1, 2))), Reply(dumps(paged(2, 2, 3))))
    found, replayed = harvested(stub.url, "arbitrum")
    assert found.failures == []
    assert scopes(found) == scopes(replayed) == ["arbitrum"]
    (listing,) = found.listings["tokenomist_unlock_events"]
    assert set(found.tables["tokenomist_unlock_events"]["_extracted_at"].to_pylist()) == {listing.at}


@pytest.mark.parametrize(
    "second",
    [Reply(status=500), Reply(dumps(paged(2, 2))), Reply(dumps(paged(1, 2, 1, 2))), Reply(dumps(paged(2, 2, 3))[:-9])],
    ids=["error", "short", "page one again", "cut"],
)
def test_a_listing_with_a_page_missing_is_not_whole(stub: Stub, second: Reply):
    stub.script(Reply(dumps(paged(1, 2, 1, 2))), second)
    found, replayed = harvested(stub.url, "arbitrum")
    assert len(found.failures) == 1
    assert scopes(found) == scopes(replayed) == []


def test_a_listing_that_grew_while_it_was_read_is_not_whole(stub: Stub):
    stub.script(Reply(dumps(paged(1, 2, 1, 2))), Reply(dumps(paged(2, 2, 3, 4, total=4))))
    found, replayed = harvested(stub.url, "arbitrum")
    assert found.failures == []
    assert scopes(found) == scopes(replayed) == []


def test_the_mirror_brings_long_and_short_listings_whole(mirror: Mirror):
    found, replayed = harvested(f"{mirror.url}/tokenomist", "hyperliquid", "sui")
    assert found.failures == []
    assert sorted(scopes(found)) == sorted(scopes(replayed)) == ["hyperliquid", "sui"]
    assert found.responses == 4
    table = found.tables["tokenomist_unlock_events"].to_pylist()
    core = [row for row in table if row["token_id"] == "hyperliquid" and row["allocationName"] == "Core Contributors"]
    assert len(core) == 24
    assert sum(float(row["cliffAmount"]) for row in core) == pytest.approx(238_000_000, abs=10)
