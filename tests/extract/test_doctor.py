"""One small question per source: what each kind of trouble is called, and that nothing is stored or shown that should not be."""

from __future__ import annotations

import socket
from datetime import date
from pathlib import Path

import pytest

from orchestration.extract.doctor import Diagnosis, diagnose
from orchestration.extract.run import active_providers
from orchestration.settings import Settings
from tests.extract.helpers import NOW, PAGE_OF_HTML, SAMPLES, catalog, settings
from tests.stub import Reply, Stub, reset

KEY = "abcdefghijklmnopqrstuvwxyz012345"


def diagnosis(given: Settings, provider: str) -> Diagnosis:
    (found,) = diagnose(catalog(), given.at(NOW), {provider: active_providers(given)[provider]})
    return found


def asked(stub: Stub, provider: str, **overrides: object) -> Diagnosis:
    return diagnosis(settings(**{f"{provider}_base_url": stub.url, **overrides}), provider)


def test_a_well_source_tells_its_newest_day_and_nothing_is_stored(stub: Stub):
    stub.script(Reply(SAMPLES["cboe"].body))
    found = asked(stub, "cboe")
    assert (found.state, found.key, found.is_ill) == ("ok", "not needed", False)
    assert found.newest == date(2025, 11, 11)
    assert len(stub.received) == 1
    assert not (Path.cwd() / "home").exists()


def test_a_refused_key_is_told_from_a_refused_request(stub: Stub):
    stub.script(Reply(b'{"error_code":400,"error_message":"The value for variable api_key is not registered."}', 400))
    found = asked(stub, "fred", fred_api_key=KEY)
    assert (found.state, found.key, found.is_ill) == ("key refused", "refused", True)
    assert "TIDEGAUGE_FRED_API_KEY" in found.detail
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("ecos", b'{"RESULT":{"CODE":"INFO-100","MESSAGE":"no such key"}}'),
        ("coinmarketcap", b'{"status":{"error_code":1001,"error_message":"This API Key is invalid."}}'),
    ],
)
def test_a_key_refused_with_status_200_is_refused(stub: Stub, provider: str, body: bytes):
    stub.script(Reply(body))
    found = asked(stub, provider, **{f"{provider}_api_key": KEY})
    assert (found.state, found.key) == ("key refused", "refused")


def test_a_missing_key_costs_no_request(stub: Stub):
    found = asked(stub, "fred")
    assert (found.state, found.key, found.is_ill) == ("not asked", "not set", False)
    assert "TIDEGAUGE_FRED_API_KEY is not set" in found.detail
    assert stub.received == []


@pytest.mark.parametrize(
    ("reply", "state", "requests"),
    [
        (Reply(b"Too Many Requests", 429), "rate limited", 2),
        (Reply(b"oops", 503), "unreachable", 2),
        (reset, "unreachable", 2),
        (Reply(PAGE_OF_HTML), "shape changed", 2),
        (Reply(b"gone", 404), "refused", 1),
    ],
    ids=["429", "503", "reset", "html", "404"],
)
def test_each_kind_of_trouble_has_its_name(stub: Stub, reply: Reply, state: str, requests: int):
    stub.script(reply)
    found = asked(stub, "cboe")
    assert (found.state, found.newest, found.is_ill) == (state, None, True)
    assert found.detail.startswith("cboe: ")
    assert len(stub.received) == requests


def test_a_host_that_is_down_costs_the_others_nothing(stub: Stub):
    stub.script(Reply(SAMPLES["cboe"].body))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        given = settings(cboe_base_url=stub.url, yahoo_base_url=f"http://127.0.0.1:{closed.getsockname()[1]}").at(NOW)
        found = {each.provider: each.state for each in diagnose(catalog(), given, {"yahoo": None, "cboe": None})}
    assert found == {"yahoo": "unreachable", "cboe": "ok"}


def test_the_newest_file_of_the_inbox_is_read(tmp_path: Path):
    (tmp_path / "CRYPTOCAP_TOTAL, 1D.csv").write_text("time,close\n2025-11-10,3.5e12\n2025-11-11,3.4e12\n")
    found = diagnosis(settings(inbox=tmp_path), "tradingview")
    assert (found.state, found.newest) == ("ok", date(2025, 11, 11))
    (tmp_path / "CRYPTOCAP_TOTAL, 1D.csv").write_text("time,price\n2025-11-10,3.5e12\n")
    assert "has no close" in diagnosis(settings(inbox=tmp_path), "tradingview").detail


def test_the_key_of_a_source_with_files_is_tried_too(stub: Stub, tmp_path: Path):
    (tmp_path / "calendar").mkdir()
    (tmp_path / "calendar" / "mine.csv").write_text("title,start\nx,2025-11-15\n")
    stub.script(Reply(b'{"message":"Forbidden"}', 403))
    found = asked(stub, "calendar", inbox=tmp_path, calendar_api_key=KEY)
    assert (found.state, found.key) == ("key refused", "refused")
    assert KEY not in repr(found)
