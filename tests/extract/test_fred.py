"""FRED with a key: text stays text, pages follow each other, vintages come in windows that FRED accepts, units are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from orchestration.extract import fred
from orchestration.extract.base import Held, Request, Window
from orchestration.extract.errors import PayloadError
from tests.extract.helpers import (
    DESCRIPTION,
    FRED,
    SAMPLES,
    VINTAGES,
    arrow,
    catalog,
    dumps,
    exchange,
    first_request,
    parsed,
    plan,
    rows,
    settings,
)

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


# ------------------------------------------------------------------ vintages

M2 = catalog().find("fred.M2SL")
ALL_HELD = Held({"M2SL": (date(2013, 1, 1), date(2025, 10, 28))}, frozenset({"M2SL"}))


def asked(held: Held = ALL_HELD, start: date = date(2025, 5, 4), end: date = date(2025, 11, 12)) -> Request:
    """The first request of M2SL, with what the warehouse holds of it."""
    window = Window(start, end)
    (request,) = fred.requests(replace(plan("fred", window=window), series=(M2,), held=held))
    return request


def answered(request: Request, body: dict[str, Any]) -> Any:
    return replace(exchange("fred", dumps(body)), request=request)


def test_a_later_run_asks_for_all_periods_from_the_vintage_that_is_held():
    request = asked()
    assert request.path == "/fred/series/observations"
    assert request.params["observation_start"] == "2013-01-01"
    assert request.params["realtime_start"] == "2025-10-28"
    # FRED's today is not ours: a day after it would be refused.
    assert "realtime_end" not in request.params


@pytest.mark.parametrize(
    "held",
    [Held(), Held({"M2SL": (date(2013, 1, 1), None)}), Held({"M2SL": (date(2020, 1, 1), date(2025, 10, 28))})],
    ids=["a new home", "a home from before vintages", "an earlier start than held"],
)
def test_without_its_vintages_a_series_is_asked_for_from_its_first_day_on(held):
    request = asked(held, start=date(2013, 1, 1))
    assert request.path == "/fred/series/vintagedates"
    assert (request.params["realtime_start"], request.params["observation_start"]) == ("2013-01-01", "2013-01-01")
    assert request.may_be_empty


def test_a_home_from_before_vintages_gets_those_of_all_its_periods():
    request = asked(Held({"M2SL": (date(2013, 1, 1), None)}))
    assert (request.params["realtime_start"], request.params["observation_start"]) == ("2013-01-01", "2013-01-01")


def test_a_window_of_few_days_needs_no_count_of_its_vintages():
    assert asked(Held(), start=date(2020, 10, 1)).path == "/fred/series/observations"


def test_windows_share_the_day_between_them_and_the_last_is_open():
    """2,500 vintage dates: 2,000 of them, then from the last of these on."""
    dates = asked(Held(), start=date(2013, 1, 1))
    first = fred.following(answered(dates, {"count": 2500, "vintage_dates": ["2013-01-29", "2021-01-05"]}))
    assert first is not None
    assert (first.params["realtime_start"], first.params["realtime_end"]) == ("2013-01-01", "2021-01-05")
    assert first.may_be_empty
    again = fred.following(answered(first, VINTAGES))
    assert again is not None
    assert again.path == "/fred/series/vintagedates"
    assert again.params["realtime_start"] == "2021-01-05"
    last = fred.following(answered(again, {"count": 1, "vintage_dates": ["2021-01-05"]}))
    assert last is not None
    assert last.params["realtime_start"] == "2021-01-05"
    assert "realtime_end" not in last.params
    assert not last.may_be_empty
    assert {first.required, again.required, last.required} == {M2.required}


def test_pages_of_a_window_stay_in_it():
    first = asked()
    following = fred.following(answered(first, VINTAGES | {"count": 5}))
    assert following == replace(first, params={**first.params, "offset": "3"})


def test_what_is_in_force_is_the_current_value_and_every_row_a_vintage():
    found = parsed(answered(asked(), VINTAGES))
    assert [(row["date"], row["value"]) for row in found["fred_vintages"]] == [
        ("2025-08-01", "110"),
        ("2025-08-01", "111"),
        ("2025-09-01", "112"),
    ]
    assert [(row["date"], row["value"]) for row in found["fred_observations"]] == [
        ("2025-08-01", "111"),
        ("2025-09-01", "112"),
    ]


def test_a_window_of_the_past_says_nothing_about_today():
    dates = asked(Held(), start=date(2013, 1, 1))
    past = fred.following(answered(dates, {"count": 2500, "vintage_dates": ["2013-01-29", "2025-11-12"]}))
    assert past is not None
    assert set(parsed(answered(past, VINTAGES))) == {"fred_vintages"}


def test_a_window_that_ends_before_today_is_refused():
    with pytest.raises(PayloadError, match="no value is in force on 2025-11-13"):
        parsed(answered(asked(), VINTAGES | {"realtime_end": "2025-11-13"}))


def test_vintage_dates_out_of_order_are_refused():
    dates = asked(Held(), start=date(2013, 1, 1))
    with pytest.raises(PayloadError, match="not in order"):
        parsed(answered(dates, {"count": 2, "vintage_dates": ["2021-01-05", "2013-01-29"]}))


# ------------------------------------------------------------------ metadata


def described_on(day: int, held: Held) -> set[str]:
    now = plan("fred").now.replace(day=day)
    return {
        request.context["series_id"]
        for request in fred.requests(replace(plan("fred"), held=held, now=now))
        if "metadata" in request.context
    }


def test_the_unit_of_a_new_series_is_read_at_once_and_of_the_others_by_turns():
    every = {series.key for series in plan("fred").series}
    assert described_on(12, Held()) == every
    turns = [described_on(day, Held(described=frozenset(every))) for day in range(1, 9)]
    assert set().union(*turns) == every
    assert max(map(len, turns)) <= len(every) / 7
    assert "WALCL" in described_on(12, Held(described=frozenset(every - {"WALCL"})))


def test_the_metadata_comes_after_the_last_page_and_fails_no_run():
    first = replace(first_request("fred"), required=True)
    assert fred.following(answered(first, FRED | {"count": 5})).path == first.path
    request = fred.following(answered(first, FRED))
    assert (request.path, request.params["series_id"], request.required) == ("/fred/series", "WALCL", False)
    assert fred.following(answered(request, DESCRIPTION)) is None
    (row,) = rows(answered(request, DESCRIPTION))
    assert (row["id"], row["units"]) == ("WALCL", "Millions of U.S. Dollars")
    assert not arrow(answered(request, DESCRIPTION))[1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error_code": 400, "error_message": "Bad Request."}, "no seriess"),
        (DESCRIPTION | {"seriess": [DESCRIPTION["seriess"][0] | {"id": "WTREGEN"}]}, "not WALCL"),
    ],
)
def test_metadata_of_another_series_is_refused(body, message):
    request = fred.following(answered(first_request("fred"), FRED))
    with pytest.raises(PayloadError, match=message):
        parsed(answered(request, body))
