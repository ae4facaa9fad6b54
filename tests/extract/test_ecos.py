"""ECOS: pages by row number, codes with status 200, and numbers as Korea writes them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from orchestration.extract import ecos
from orchestration.extract.errors import PayloadError, PermanentError, TransientError
from orchestration.extract.progress import Progress
from orchestration.extract.run import Harvest, active_providers, harvest_live
from orchestration.settings import ConfigurationError
from tests.extract.helpers import KOSPI, NOW, SAMPLES, WINDOW, catalog, dumps, exchange, first_request, rows, settings
from tests.stub import Reply, Stub

KEY = "CANARYKEY0123456789"


def answer(body: object, first: str = "1"):
    return exchange("ecos", dumps(body), series_id="KOSPI", first=first, rows="802Y001/D/20251001/20251112/0001000")


def result(code: str) -> dict[str, Any]:
    return {"RESULT": {"CODE": code, "MESSAGE": "said the server"}}


def harvest(stub: Stub) -> Harvest:
    given = settings(ecos_base_url=stub.url, ecos_api_key=KEY, http_attempts=2).at(NOW)
    (found,) = harvest_live(catalog(), given, lambda p, k: WINDOW, {"ecos": None}, Progress())
    return found


def page(total: int, first: int, count: int) -> Reply:
    row = KOSPI["StatisticSearch"]["row"][0]
    days = [{**row, "TIME": f"{19900101 + first + n}"} for n in range(count)]
    return Reply(dumps({"StatisticSearch": {"list_total_count": total, "row": days}}))


def test_thousands_commas_are_taken_out():
    assert [row["DATA_VALUE"] for row in rows(answer(KOSPI))] == ["4073.24", "4106.39"]


@pytest.mark.parametrize("value", ["", "-"])
def test_no_value_stays_no_value(value: str):
    body = copy.deepcopy(KOSPI)
    body["StatisticSearch"]["row"][0]["DATA_VALUE"] = value
    assert rows(answer(body))[0]["DATA_VALUE"] == value


def test_rows_are_asked_for_until_the_total_is_reached(stub: Stub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ecos, "PAGE", 2)
    stub.script(page(5, 1, 2), page(5, 3, 2), page(5, 5, 1))
    found = harvest(stub)
    assert found.failures == []
    assert found.tables["ecos_statistics"].num_rows == 5
    asked = [received.path for received in stub.received]
    window = "802Y001/D/20251001/20251112/0001000"
    assert asked == [f"/api/StatisticSearch/{KEY}/json/kr/{rows}/{window}" for rows in ("1/2", "3/4", "5/6")]


def test_a_page_cut_short_is_refused():
    body = copy.deepcopy(KOSPI)
    body["StatisticSearch"]["row"].pop()
    with pytest.raises(PayloadError, match="1 rows came where 2 are due"):
        rows(answer(body))


def test_rows_of_another_item_are_refused():
    body = copy.deepcopy(KOSPI)
    body["StatisticSearch"]["row"][1]["ITEM_CODE1"] = "0089000"
    with pytest.raises(PayloadError, match="a row is about 802Y001/0089000, not 802Y001/0001000"):
        rows(answer(body))


def test_no_data_is_no_rows(stub: Stub):
    assert rows(answer(result("INFO-200"))) == []
    stub.script(Reply(dumps(result("INFO-200"))))
    assert harvest(stub).failures == []
    assert len(stub.received) == 1


def test_a_refused_key_is_named_at_once_and_not_shown(stub: Stub):
    stub.script(Reply(dumps({"RESULT": {"CODE": "INFO-100", "MESSAGE": f"key {KEY} is not valid"}})))
    ((error, required),) = harvest(stub).failures
    assert isinstance(error, PermanentError)
    assert "TIDEGAUGE_ECOS_API_KEY" in str(error)
    assert KEY not in str(error)
    assert error.whole_provider
    assert not required
    assert len(stub.received) == 1


@pytest.mark.parametrize("code", ["ERROR-400", "ERROR-500", "ERROR-600", "ERROR-601", "ERROR-602"])
def test_a_busy_server_is_asked_again(stub: Stub, code: str):
    with pytest.raises(TransientError, match=code):
        rows(answer(result(code)))
    stub.script(Reply(dumps(result(code))), Reply(SAMPLES["ecos"].body))
    found = harvest(stub)
    assert found.failures == []
    assert found.tables["ecos_statistics"].num_rows == 2


@pytest.mark.parametrize("code", ["ERROR-100", "ERROR-101", "ERROR-301", "INFO-999"])
def test_any_other_code_is_a_request_it_does_not_understand(code: str):
    with pytest.raises(PermanentError, match=f'{code} came with status 200: "said the server": the request is not'):
        rows(answer(result(code)))


def test_the_key_is_a_placeholder_wherever_the_path_is_shown():
    request = first_request("ecos", settings(ecos_api_key=KEY))
    assert request.path == "/api/StatisticSearch/{key}/json/kr/1/1000/802Y001/D/20251001/20251112/0001000"
    assert request.secret_path == {"key": KEY}
    assert KEY not in repr(request)


def test_without_a_key_it_is_left_out_and_says_where_to_get_one():
    assert "TIDEGAUGE_ECOS_API_KEY is not set" in str(active_providers(settings())["ecos"])
    assert active_providers(settings(ecos_api_key=KEY))["ecos"] is None
    with pytest.raises(ConfigurationError, match="ecos needs a key: set TIDEGAUGE_ECOS_API_KEY"):
        active_providers(settings(), ("ecos",))
