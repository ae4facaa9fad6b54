"""FRED with a key: text stays text, and pages follow each other by count and offset."""

from __future__ import annotations

import pytest

from orchestration.extract import fred
from orchestration.extract.errors import PayloadError
from tests.extract.helpers import FRED, SAMPLES, arrow, dumps, exchange, first_request, plan, rows, settings

KEY = "abcdefghijklmnopqrstuvwxyz012345"


def page(params: dict[str, str] | None = None, **changes: object):
    return exchange("fred", dumps(FRED | changes), params=params or {"offset": "0"}, series_id="WALCL")


def test_a_point_stays_a_point_and_numbers_stay_text():
    assert [(row["date"], row["value"]) for row in rows(SAMPLES["fred"].exchange)] == [
        ("2025-11-05", "100.5"),
        ("2025-11-06", "."),
        ("2025-11-07", "101"),
    ]


def test_rows_carry_the_series_that_was_asked_for():
    served = [{"series_id": "OTHER", "date": "2025-11-05", "value": "1"}]
    (row,) = rows(page(observations=served, count=1))
    assert row["series_id"] == "WALCL"


def test_requests_ask_for_json_and_hide_the_key():
    request = first_request("fred", settings(fred_api_key=KEY))
    assert request.params["file_type"] == "json"
    assert request.secret_params == {"api_key": KEY}
    assert KEY not in repr(request)


def test_every_series_has_one_request_of_its_window():
    asked = list(fred.requests(plan("fred", settings(fred_api_key=KEY))))
    assert [request.params["series_id"] for request in asked] == [series.key for series in plan("fred").series]
    assert {request.params["observation_start"] for request in asked} == {"2025-10-01"}
    assert {request.params["observation_end"] for request in asked} == {"2025-11-12"}


def test_the_next_page_starts_where_this_one_ends():
    following = fred.following(page(count=5))
    assert following is not None
    assert following.params["offset"] == "3"
    assert fred.following(page(count=5, offset=3, observations=FRED["observations"][:2])) is None


def test_the_last_page_has_no_successor():
    assert fred.following(page()) is None


def test_an_empty_page_before_the_count_is_reached_is_refused():
    with pytest.raises(PayloadError, match="came back empty"):
        rows(page(observations=[]))


def test_an_empty_window_is_no_rows():
    assert rows(page(observations=[], count=0)) == []


def test_an_error_object_with_status_200_is_refused():
    with pytest.raises(PayloadError, match="no observations, count, offset"):
        rows(exchange("fred", dumps({"error_code": 400, "error_message": "Bad Request."}), series_id="WALCL"))


def test_a_renamed_value_is_refused():
    renamed = [{"date": "2025-11-05", "value_new": "1"}]
    with pytest.raises(PayloadError, match=r"has no value .*compare orchestration/extract/fred\.py"):
        arrow(page(observations=renamed, count=1))


@pytest.mark.parametrize(
    ("text", "remedy", "whole"),
    [
        ("Bad Request. The value for variable api_key is not registered.", "TIDEGAUGE_FRED_API_KEY", True),
        ("Bad Request.  Variable api_key is not set.", "TIDEGAUGE_FRED_API_KEY", True),
        ("Bad Request.  The series does not exist.", "catalog/fred.yml", False),
    ],
)
def test_its_own_messages_have_a_remedy(text: str, remedy: str, whole: bool):
    known = fred.explain(400, text)
    assert known is not None
    assert remedy in known[0]
    assert known[1] is whole
