"""New York Fed: operations by window, numbers as text, blanks, and what answers when the search is refused."""

from __future__ import annotations

from datetime import date

import pytest

from orchestration.catalog.tables import RAW_TABLES
from orchestration.extract import nyfed
from orchestration.extract.archive import Archive
from orchestration.extract.base import Request, Window, to_arrow
from orchestration.extract.errors import PayloadError
from orchestration.extract.run import Basket
from tests.extract.helpers import (
    NOW,
    OPERATIONS,
    RATES,
    SAMPLES,
    SAMPLES_OF_TABLES,
    WINDOW,
    catalog,
    dumps,
    exchange,
    plan,
    rows,
    settings,
)
from tests.extract.test_run import harvest_of, replayed
from tests.stub import Reply, Stub

OPERATIONS_OF = SAMPLES["nyfed"].context


def asked(window: Window = WINDOW) -> list[Request]:
    return list(nyfed.requests(plan("nyfed", window=window)))


def operations(body: bytes, **context: str) -> list[dict[str, object]]:
    return rows(exchange("nyfed", body, **{**OPERATIONS_OF, **context}))


def test_both_operations_of_a_day_are_kept_with_their_parts():
    table, unknown = to_arrow(
        RAW_TABLES["nyfed_reverse_repo_operations"], rows(SAMPLES["nyfed"].exchange), SAMPLES["nyfed"].exchange
    )
    assert table["totalAmtAccepted"].to_pylist() == ["114000000", "12700000000"]
    assert table["acceptedCpty"].to_pylist() == ["20", "12"]
    assert table["details"].to_pylist()[0] == (
        '[{"securityType":"Treasury","amtAccepted":"114000000","percentAwardRate":"3.75"}]'
    )
    assert "Small Value" in table["note"].to_pylist()[0]
    assert not unknown


def test_the_revision_mark_and_the_digits_of_a_rate_are_kept():
    newest, older = rows(SAMPLES_OF_TABLES["nyfed rates"].exchange)
    assert (newest["percentRate"], newest["volumeInBillions"], newest["revisionIndicator"]) == ("3.95", "3150", "r")
    assert older["revisionIndicator"] == ""


def test_a_blank_holding_stays_a_blank():
    newest, older = rows(SAMPLES_OF_TABLES["nyfed holdings"].exchange)
    assert (newest["mbs"], newest["total"]) == ("2518385276066.40", "7977583538387.20")
    assert older["frn"] == ""


def test_an_index_beside_the_rate_is_no_rate():
    """SOFRAI rows have an index and no percentRate."""
    body = dumps({"refRates": [*RATES, {"effectiveDate": "2025-11-10", "type": "SOFRAI", "index": 1.22}]})
    assert len(rows(exchange("nyfed", body, table="nyfed_reference_rates", type="SOFR"))) == 2
    with pytest.raises(PayloadError, match="no rows in the window"):
        Basket("nyfed").judge(exchange("nyfed", body, table="nyfed_reference_rates", type="EFFR"))


def test_the_newest_operations_are_cut_to_the_window():
    body = dumps(
        {"repo": {"operations": [{**OPERATIONS[0], "operationDate": day} for day in ("2025-11-06", "2025-11-05")]}}
    )
    assert [row["operationDate"] for row in operations(body, endDate="2025-11-05")] == ["2025-11-05"]


def test_the_windows_are_asked_for_and_nothing_is_required():
    found = {request.label.split(" 20")[0]: request for request in asked()}
    assert list(found) == ["reverse repo operations", "SOFR", "EFFR", "SOMA summary"]
    days = {"startDate": "2025-10-01", "endDate": "2025-11-12"}
    search = found["reverse repo operations"]
    assert search.params == {**days, "operationTypes": "Reverse Repo"}
    assert search.otherwise is not None
    assert search.otherwise.path == "/api/rp/reverserepo/all/results/last/43.json"
    assert found["SOFR"].params == found["EFFR"].params == days
    assert found["SOMA summary"].params == {}
    assert not any(request.required for request in (*found.values(), search.otherwise))


@pytest.mark.parametrize(
    ("first", "last", "empty"),
    [
        # Veterans Day alone, Thanksgiving to Sunday, the four days of a long weekend; a week always has a business day.
        (date(2025, 11, 11), date(2025, 11, 11), {"SOFR", "EFFR", "reverse repo operations"}),
        (date(2025, 12, 25), date(2025, 12, 28), {"SOFR", "EFFR", "reverse repo operations"}),
        (date(2025, 11, 6), date(2025, 11, 12), set()),
        (date(2017, 1, 1), date(2018, 4, 1), {"SOFR"}),
        (date(2017, 1, 1), date(2018, 4, 2), set()),
    ],
)
def test_only_a_window_of_closed_days_may_be_empty(first: date, last: date, empty: set[str]):
    found = {request.label.split(" 20")[0] for request in asked(Window(first, last)) if request.may_be_empty}
    assert found == empty


def test_a_refused_search_is_replaced_by_the_newest_operations_live_and_replayed(stub: Stub):
    effr = dumps({"refRates": [{**row, "type": "EFFR"} for row in RATES]})
    stub.script(
        Reply(b"Bad Request", 400),
        *(Reply(body) for body in (SAMPLES["nyfed"].body, SAMPLES_OF_TABLES["nyfed rates"].body, effr)),
        Reply(SAMPLES_OF_TABLES["nyfed holdings"].body),
    )
    given = settings(nyfed_base_url=stub.url).at(NOW)
    live = harvest_of("nyfed", given, entries=catalog())
    assert [received.path.rsplit("/api", 1)[1] for received in stub.received] == [
        "/rp/results/search.json",
        "/rp/reverserepo/all/results/last/43.json",
        "/rates/secured/sofr/search.json",
        "/rates/unsecured/effr/search.json",
        "/soma/summary.json",
    ]
    assert stub.received[0].query["operationTypes"] == "Reverse Repo"
    again = replayed(given)["nyfed"]
    for found in (live, again):
        assert found.failures == []
        assert {name: table.num_rows for name, table in found.tables.items()} == {
            "nyfed_reverse_repo_operations": 2,
            "nyfed_reference_rates": 4,
            "nyfed_soma_summary": 2,
        }
    assert not any("otherwise" in sidecar["request"] for sidecar in Archive(given.archive_dir).sidecars())


def test_when_both_ways_are_refused_one_warning_is_left_and_the_rest_is_asked(stub: Stub):
    stub.script(Reply(status=400), Reply(status=404), Reply(SAMPLES_OF_TABLES["nyfed rates"].body), Reply(status=404))
    found = harvest_of("nyfed", settings(nyfed_base_url=stub.url).at(NOW), entries=catalog())
    assert [(error.request.split(" 20")[0], required) for error, required in found.failures] == [
        ("reverse repo operations", False),
        ("EFFR", False),
        ("SOMA summary", False),
    ]
    assert found.tables["nyfed_reference_rates"].num_rows == 2
    assert all("markets.newyorkfed.org/static/docs" in error.remedy for error, _ in found.failures)


def test_a_busy_host_is_asked_again_and_not_replaced(stub: Stub):
    stub.script(Reply(status=503), Reply(SAMPLES["nyfed"].body), Reply(status=404))
    found = harvest_of("nyfed", settings(nyfed_base_url=stub.url).at(NOW), entries=catalog())
    assert [received.path for received in stub.received[:2]] == ["/api/rp/results/search.json"] * 2
    assert found.tables["nyfed_reverse_repo_operations"].num_rows == 2
