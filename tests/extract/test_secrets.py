"""A key travels to its provider and shows nowhere else: not in logs, exceptions, archive files or reprs."""

from __future__ import annotations

import gzip
import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from orchestration.extract.archive import Archive
from orchestration.extract.progress import Progress
from orchestration.extract.run import Harvest, harvest_live
from orchestration.settings import Settings
from tests.extract.helpers import (
    NOW,
    PAGE_OF_HTML,
    SAMPLES,
    WINDOW,
    catalog,
    first_request,
    plan,
    settings,
)
from tests.stub import Reply, Step, Stub, raw, reset

CANARY = {
    "fred": "canary0123456789abcdefghijklmnop",
    "coingecko": "CG-canary-0123456789abcdef",
    "calendar": "cal-canary-0123456789abcdef",
    "coinmarketcap": "canary00-0123-4567-89ab-cdef01234567",
    # In the path.
    "ecos": "CANARYKEY/0123456789AB",
}

ECHO = {
    "fred": b'{"error_code":400,"error_message":"The value %s for variable api_key is not registered."}',
    "coingecko": b'{"status":{"error_code":10002,"error_message":"API key %s is not known."}}',
    "calendar": b'{"message":"API key %s is not known."}',
    "coinmarketcap": b'{"status":{"error_code":1001,"error_message":"API key %s is not known."}}',
    "ecos": b'{"RESULT":{"CODE":"INFO-100","MESSAGE":"API key %s is not known."}}',
}


def steps(provider: str) -> dict[str, Step]:
    key = CANARY[provider].encode()
    echo = ECHO[provider] % key
    return {
        "good": Reply(SAMPLES[provider].body),
        "refused key, echoed": Reply(echo, 400),
        "refused key, echoed across the cut": Reply(b'{"message":"' + b"x" * 185 + key + b'"}', 401),
        "busy, echoed": Reply(echo, 429),
        "error page, echoed": Reply(PAGE_OF_HTML + key, 500),
        "error with status 200, echoed": Reply(echo),
        "redirect": Reply(status=302, headers={"Location": f"http://127.0.0.1:9/?api_key={CANARY[provider]}"}),
        "reset": reset,
        "short body": Reply(b"{", announced=99),
        "broken compression": Reply(b"no gzip", headers={"Content-Encoding": "gzip"}),
        "not http": raw(b"\x00\x01\x02\r\n\r\n"),
        "malformed headers": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno colon here\r\nX: y\r\n\r\n{}"),
        "too large": Reply(b" " * 5001),
        "web page": Reply(PAGE_OF_HTML),
        "kept headers, echoed": Reply(SAMPLES[provider].body, headers={"ETag": CANARY[provider]}),
    }


CASES = [(provider, name) for provider in CANARY for name in steps(provider)]


def keyed(provider: str, url: str) -> Settings:
    changes: dict[str, Any] = {f"{provider}_api_key": CANARY[provider], f"{provider}_base_url": url}
    return settings(http_attempts=2, http_max_bytes=5000, **changes).at(NOW)


def run(provider: str, url: str) -> Harvest:
    given = keyed(provider, url)
    entry = catalog().provider(provider).model_copy(update={"series": catalog().series_of(provider)[:3]})
    few = catalog().model_copy(update={"providers": {provider: entry}})
    (harvest,) = harvest_live(few, given, lambda p, k: WINDOW, {provider: None}, Progress())
    return harvest


def texts_of(error: BaseException) -> Iterator[str]:
    """Everything an exception can show, its hidden context included."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.append(one)
        yield from (str(one), repr(one), repr(one.args), repr(vars(one)))
        yield "".join(traceback.format_exception(one))
        waiting += [linked for linked in (one.__cause__, one.__context__) if linked is not None]


def files_below(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path).encode()
            yield path.read_bytes()
            if path.suffix == ".gz":
                yield gzip.decompress(path.read_bytes())


@pytest.mark.parametrize(("provider", "name"), CASES)
def test_the_key_reaches_the_provider_and_nothing_else(
    stub: Stub, caplog: pytest.LogCaptureFixture, tmp_path: Path, provider: str, name: str
):
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(logging.Formatter("%(message)s"))
    stub.script(steps(provider)[name])
    harvest = run(provider, stub.url)
    canary = CANARY[provider]
    arrived = [
        canary in (*received.query.values(), *received.headers.values(), *map(unquote, received.path.split("/")))
        for received in stub.received
    ]
    assert arrived
    assert all(arrived)

    partly = canary[:12]
    shown = caplog.text + "".join(f"{record.args!r}{record.exc_info!r}" for record in caplog.records)
    assert partly not in shown
    for error, _ in harvest.failures:
        assert all(partly not in text for text in texts_of(error))
    assert all(partly.encode() not in content for content in files_below(tmp_path))
    assert all(partly not in str(table.to_pydict()) for table in harvest.tables.values())


@pytest.mark.parametrize("provider", CANARY)
def test_a_dead_host_shows_no_key(caplog: pytest.LogCaptureFixture, provider: str):
    caplog.set_level(logging.DEBUG)
    harvest = run(provider, "http://127.0.0.1:9")
    assert harvest.failures
    assert CANARY[provider] not in caplog.text
    for error, _ in harvest.failures:
        assert all(CANARY[provider] not in text for text in texts_of(error))


@pytest.mark.parametrize("provider", CANARY)
def test_reprs_show_no_key(provider: str):
    given = keyed(provider, "http://127.0.0.1:9")
    request = first_request(provider, given)
    assert CANARY[provider] in request.secrets
    for shown in (repr(request), str(request), repr(plan(provider, given)), repr(given)):
        assert CANARY[provider] not in shown


@pytest.mark.parametrize("provider", CANARY)
def test_a_request_read_back_from_the_archive_has_no_key_and_parses(stub: Stub, tmp_path: Path, provider: str):
    stub.script(Reply(SAMPLES[provider].body))
    run(provider, stub.url)
    exchanges = list(Archive(tmp_path / "home" / "archive").read())
    assert exchanges
    assert all(not one.request.secrets for one in exchanges)
    sidecars = Archive(tmp_path / "home" / "archive").sidecars()
    assert all("secret" not in json.dumps(sidecar) for sidecar in sidecars)
