"""CoinMarketCap: the official snapshot, the website only on request, and error codes whatever the status."""

from __future__ import annotations

import copy
import itertools
import json
from datetime import date

import pytest

from orchestration.extract import coinmarketcap
from orchestration.extract.base import Exchange, Request, Window
from orchestration.extract.errors import ExtractError, PayloadError, PermanentError, TransientError
from orchestration.extract.progress import Progress
from orchestration.extract.run import Harvest, harvest_live
from tests.extract.helpers import (
    CMC_HISTORY,
    CMC_LATEST,
    NOW,
    SAMPLES,
    WINDOW,
    catalog,
    dumps,
    exchange,
    plan,
    rows,
    settings,
)
from tests.stub import Reply, Stub

KEY = "canary00-cana-ry00-cana-ry0canary000"


def asked(window: Window = WINDOW, **changes: object) -> list[Request]:
    return list(coinmarketcap.requests(plan("coinmarketcap", settings(**changes), window=window)))


def website(body: object) -> Exchange:
    return exchange("coinmarketcap", dumps(body), path=coinmarketcap.WEBSITE)


def harvest(stub: Stub, **changes: object) -> Harvest:
    given = settings(coinmarketcap_base_url=stub.url, http_attempts=2, **changes).at(NOW)
    (found,) = harvest_live(catalog(), given, lambda p, k: WINDOW, {"coinmarketcap": None}, Progress())
    return found


def test_without_a_key_the_public_endpoint_is_asked(stub: Stub):
    stub.script(Reply(SAMPLES["coinmarketcap"].body))
    assert harvest(stub).failures == []
    (received,) = stub.received
    assert received.path == "/public-api/v1/global-metrics/quotes/latest"
    assert "x-cmc_pro_api_key" not in received.headers


def test_a_key_travels_in_its_header(stub: Stub):
    stub.script(Reply(SAMPLES["coinmarketcap"].body))
    assert harvest(stub, coinmarketcap_api_key=KEY).failures == []
    (received,) = stub.received
    assert received.path == "/v1/global-metrics/quotes/latest"
    assert received.headers["x-cmc_pro_api_key"] == KEY


def test_the_website_is_never_asked_without_being_told_to():
    assert [request.host for request in asked()] == [""]
    assert [request.host for request in asked(coinmarketcap_website=True)] == ["", "website"]
    assert all(
        not request.secret_headers for request in asked(coinmarketcap_website=True, coinmarketcap_api_key=KEY)[1:]
    )


def test_its_terms_are_told_once_a_run(caplog: pytest.LogCaptureFixture):
    asked(Window(date(2013, 1, 1), WINDOW.end))
    assert caplog.text == ""
    asked(Window(date(2013, 1, 1), WINDOW.end), coinmarketcap_website=True)
    (record,) = caplog.records
    for word in ("undocumented", "may breach the terms of use", "redistribution forbidden", "coinmarketcap.com/terms"):
        assert word in record.getMessage()


def test_a_long_history_is_asked_for_in_windows_without_gap_or_overlap():
    _, *windows = asked(Window(date(2005, 1, 1), WINDOW.end), coinmarketcap_website=True)
    spans = [(int(request.params["timeStart"]), int(request.params["timeEnd"])) for request in windows]
    assert len(spans) == 3
    assert spans[0][0] == 1367193600  # 2013-04-29
    assert spans[-1][1] == int(NOW.timestamp())
    assert all(after[0] == before[1] + 1 for before, after in itertools.pairwise(spans))
    assert all(end - start < 2000 * 86400 for start, end in spans)
    assert {request.params["interval"] for request in windows} == {"1d"}


def test_the_snapshot_is_dated_by_its_fetch_and_keeps_its_own_stamp():
    (row,) = rows(SAMPLES["coinmarketcap"].exchange)
    assert (row["snapshot_date"], row["last_updated"]) == ("2025-11-12", "2025-11-12T21:59:59.999Z")
    assert (row["total_market_cap"], row["btc_dominance"]) == ("3450.5", "58.5")


def test_a_point_of_the_history_has_its_amounts_and_shares():
    row = rows(website(CMC_HISTORY))[1]
    assert row["timestamp"] == "2025-11-12T00:00:00.000Z"
    assert (row["totalMarketCap"], row["ethDominance"]) == ("3512.0", "12.5")


def test_ether_s_share_may_be_missing():
    body = copy.deepcopy(CMC_HISTORY)
    for quote in body["data"]["quotes"]:
        del quote["ethDominance"]
    assert all("ethDominance" not in row for row in rows(website(body)))


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        (1001, PermanentError, "TIDEGAUGE_COINMARKETCAP_API_KEY"),
        ("1005", PermanentError, "wants a key"),
        (1006, PermanentError, "plan does not include"),
        (1008, TransientError, "busy"),
        (1010, PermanentError, "month's credits"),
        (429, TransientError, "busy"),
        ("500", TransientError, "busy"),
        ("400", PayloadError, "try again later"),
    ],
)
@pytest.mark.parametrize("path", ["/path", coinmarketcap.WEBSITE])
def test_an_error_code_with_status_200_is_refused(path: str, code: object, kind: type[ExtractError], remedy: str):
    body = {"status": {"error_code": code, "error_message": "said the server"}, "data": CMC_LATEST["data"]}
    with pytest.raises(kind, match=f'with status 200: "{code}: said the server"') as caught:
        rows(exchange("coinmarketcap", dumps(body), path=path))
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("code", [0, "0"])
def test_a_code_of_zero_is_success(code: object):
    body = json.loads(SAMPLES["coinmarketcap"].body)
    body["status"]["error_code"] = code
    assert len(rows(exchange("coinmarketcap", dumps(body)))) == 1


def test_a_spent_month_stops_at_once(stub: Stub):
    stub.script(Reply(dumps({"status": {"error_code": 1010, "error_message": "monthly"}}), 429))
    ((error, required),) = harvest(stub, coinmarketcap_website=True).failures[:1]
    assert "the month's credits are spent" in str(error)
    assert not required
