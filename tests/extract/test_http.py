"""The HTTP client: what is asked again, how often and after what pause, and what is refused at once."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from orchestration.extract import http
from orchestration.extract.archive import Archive
from orchestration.extract.base import Exchange, Request, read_json
from orchestration.extract.errors import ExtractError, PayloadError, PermanentError, TransientError
from orchestration.extract.http import Client, error_text
from orchestration.extract.run import MODULES
from tests.extract.helpers import PAGE_OF_HTML, catalog, first_request, settings
from tests.stub import Reply, Step, Stub, raw, reset

GOOD = Reply(b'{"fine": 1}')
ASK = Request("cboe", "the thing", "/file", {"day": "1"})


class Caller:
    """A client of the stub that remembers its pauses and everything that went to the archive."""

    def __init__(self, url: str, provider: str = "cboe", **overrides: Any) -> None:
        self.pauses: list[float] = []
        self.archived: list[tuple[Exchange, str | None]] = []
        given = settings(**{f"{provider}_base_url": url, "http_attempts": 4, **overrides})
        explain = getattr(MODULES[provider], "explain", lambda status, text: None)
        self.client = Client(
            given,
            catalog().provider(provider),
            explain=explain,
            sleep=self.pauses.append,
            on_response=lambda exchange, error: self.archived.append((exchange, error)),
        )

    def get(self, request: Request = ASK, judge: http.Judge = lambda exchange: None) -> Exchange:
        return self.client.get(request, judge)

    def fail(self, request: Request = ASK, judge: http.Judge = lambda exchange: None) -> ExtractError:
        with pytest.raises(ExtractError) as caught:
            self.get(request, judge)
        return caught.value


def answered(stub: Stub, *steps: Step, **overrides: Any) -> Caller:
    stub.script(*steps)
    return Caller(stub.url, **overrides)


TRANSIENT: dict[str, Step] = {
    "408": Reply(status=408),
    "425": Reply(status=425),
    "429": Reply(b"Too Many Requests", 429),
    "500": Reply(PAGE_OF_HTML, 500),
    "502": Reply(status=502),
    "503": Reply(status=503),
    "504": Reply(status=504),
    "reset": reset,
    "no answer": raw(b""),
    "short body": Reply(b'{"fi', announced=100),
    "cut chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}"),
    "missing last chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "broken gzip": Reply(b"this is no gzip", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("step", TRANSIENT.values(), ids=TRANSIENT)
def test_trouble_that_passes_is_asked_again(stub: Stub, step: Step):
    caller = answered(stub, step, step, GOOD)
    assert caller.get().body == GOOD.body
    assert len(stub.received) == 3
    assert caller.client.tries == 3
    assert len({(received.path, str(received.query)) for received in stub.received}) == 1


@pytest.mark.parametrize("step", TRANSIENT.values(), ids=TRANSIENT)
def test_trouble_that_stays_ends_after_the_attempts(stub: Stub, step: Step):
    caller = answered(stub, step, http_attempts=3)
    error = caller.fail()
    assert isinstance(error, TransientError)
    assert len(stub.received) == 3
    assert str(error).startswith("cboe: the thing: ")
    assert error.remedy


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 422, 451, 204, 501])
def test_other_statuses_are_not_asked_again(stub: Stub, status: int):
    body = b"" if status == 204 else b'{"message": "not this way"}'
    error = answered(stub, Reply(body, status)).fail()
    assert isinstance(error, PermanentError)
    assert len(stub.received) == 1
    assert f"HTTP {status}" in str(error)
    assert (status == 204) or "not this way" in str(error)
    assert error.remedy


def test_a_dead_host_is_a_passing_trouble_with_a_remedy():
    caller = Caller("http://127.0.0.1:9", http_attempts=2)
    error = caller.fail()
    assert isinstance(error, TransientError)
    assert "check the network" in str(error)
    assert caller.client.tries == 2


RETRY_AFTER = {
    "seconds": ("7", 7.0),
    "fraction": ("0.5", 0.5),
    "zero": ("0", 0.0),
    "huge": ("86400", 30.0),
    "absurd": ("1e300", 30.0),
    "negative": ("-5", 0.0),
    "past date": ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    "far date": ("Fri, 31 Dec 9999 23:59:59 GMT", 30.0),
}


@pytest.mark.parametrize(("header", "pause"), RETRY_AFTER.values(), ids=RETRY_AFTER)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_within_bounds(stub: Stub, header: str, pause: float, status: int):
    caller = answered(stub, Reply(status=status, headers={"Retry-After": header}), GOOD, http_backoff_max_seconds=30)
    caller.get()
    assert caller.pauses == [pause]


def test_retry_after_as_a_date_waits_until_then(stub: Stub):
    header = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    caller = answered(stub, Reply(status=429, headers={"Retry-After": header}), GOOD)
    caller.get()
    assert 10 < caller.pauses[0] <= 20


@pytest.mark.parametrize("header", [None, "", "soon", "nan", "inf", "-inf", "2026-03-09 03:28:00 +0000", "0x10"])
def test_without_a_readable_retry_after_the_own_backoff_holds(stub: Stub, header: str | None):
    headers = {} if header is None else {"Retry-After": header}
    caller = answered(
        stub, Reply(status=429, headers=headers), http_backoff_seconds=2, http_backoff_max_seconds=5, http_attempts=4
    )
    caller.fail()
    assert len(caller.pauses) == 3
    assert all(0 <= pause <= 5 for pause in caller.pauses)


def test_pauses_vary(stub: Stub):
    caller = answered(stub, Reply(status=500), http_backoff_seconds=1, http_attempts=10)
    caller.fail()
    assert len(set(caller.pauses)) > 5
    assert max(caller.pauses) <= 30


def test_a_page_of_html_with_status_200_is_asked_for_three_times(stub: Stub):
    caller = answered(stub, Reply(PAGE_OF_HTML, headers={"Content-Type": "text/html"}), http_attempts=10)
    error = caller.fail(judge=lambda exchange: read_json(exchange))
    assert isinstance(error, PayloadError)
    assert len(stub.received) == 3
    assert "a web page came instead of data" in str(error)


def test_a_bad_body_then_a_good_one_is_a_success(stub: Stub):
    caller = answered(stub, Reply(PAGE_OF_HTML), Reply(b""), GOOD)
    assert caller.get(judge=lambda exchange: read_json(exchange)).body == GOOD.body
    assert [error is None for _, error in caller.archived] == [False, False, True]


def test_a_mix_of_troubles_stays_within_the_attempts(stub: Stub):
    caller = answered(stub, Reply(PAGE_OF_HTML), reset, Reply(status=500), Reply(PAGE_OF_HTML), GOOD, http_attempts=4)
    caller.fail(judge=lambda exchange: read_json(exchange))
    assert len(stub.received) == 4


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["/elsewhere", "http://169.254.169.254/latest", "file:///etc/passwd"])
def test_redirects_are_refused_and_not_followed(stub: Stub, status: int, target: str):
    error = answered(stub, Reply(status=status, headers={"Location": target}), GOOD).fail()
    assert isinstance(error, PermanentError)
    assert [received.path for received in stub.received] == ["/file"]
    assert "redirects elsewhere" in str(error)
    assert "TIDEGAUGE_CBOE_BASE_URL" in error.remedy
    assert target not in str(error)


def test_a_body_over_the_limit_is_refused_and_not_asked_again(stub: Stub):
    error = answered(stub, Reply(b"x" * 1001), http_max_bytes=1000).fail()
    assert isinstance(error, PermanentError)
    assert "larger than 1,000 bytes" in str(error)
    assert len(stub.received) == 1
    assert len(answered(stub, Reply(b"x" * 1000), http_max_bytes=1000).get().body) == 1000


def test_an_endless_body_ends_at_the_limit(stub: Stub):
    sent = []

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stub.ending.is_set():
            handler.wfile.write(b"x" * 65536)
            sent.append(65536)

    error = answered(stub, endless, http_max_bytes=200_000).fail()
    assert "larger than 200,000 bytes" in str(error)
    assert sum(sent) < 50_000_000


def test_the_limit_holds_for_the_decompressed_body(stub: Stub):
    bomb = gzip.compress(b"0" * 20_000_000)
    assert len(bomb) < 30_000
    caller = answered(stub, Reply(bomb, headers={"Content-Encoding": "gzip"}), http_max_bytes=1_000_000)
    assert "larger than 1,000,000 bytes" in str(caller.fail())
    assert len(stub.received) == 1


def test_a_compressed_body_arrives_whole(stub: Stub):
    body = b"".join(b"%d," % number for number in range(200_000))
    caller = answered(stub, Reply(gzip.compress(body), headers={"Content-Encoding": "gzip"}))
    assert caller.get().body == body


def test_a_chunked_body_arrives_whole(stub: Stub):
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (b"a" * 70_000, b"b", b"c" * 10))
    caller = answered(stub, raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"))
    assert caller.get().body == b"a" * 70_000 + b"b" + b"c" * 10


def test_a_body_that_trickles_is_given_up_at_the_deadline(stub: Stub):
    """A byte now and then keeps every single read alive; the whole body has a deadline of ten read timeouts."""

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stub.ending.wait(0.01):
            handler.wfile.write(b"x")

    caller = answered(stub, trickle, http_read_timeout_seconds=0.05, http_attempts=1)
    ended: list[ExtractError] = []
    worker = threading.Thread(target=lambda: ended.append(caller.fail()), daemon=True)
    worker.start()
    worker.join(5)
    assert ended, "the client still reads"
    assert isinstance(ended[0], TransientError)
    assert "too slowly" in str(ended[0])


def test_silence_after_the_headers_is_a_timeout(stub: Stub):
    def silent(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        stub.ending.wait(10)

    error = answered(stub, silent, http_read_timeout_seconds=0.1, http_attempts=1).fail()
    assert isinstance(error, TransientError)


def test_connections_are_reused(stub: Stub):
    ports = []

    def note(handler: BaseHTTPRequestHandler) -> None:
        ports.append(handler.client_address[1])
        GOOD(handler)

    caller = answered(stub, note)
    for _ in range(3):
        caller.get()
    assert len(set(ports)) == 1


def test_the_user_agent_says_who_we_are(stub: Stub):
    answered(stub, GOOD).get()
    agent = stub.received[0].headers["user-agent"]
    assert agent.startswith("tidegauge/")
    assert "Mozilla" not in agent


def test_only_yahoo_sees_a_browser_like_user_agent_and_it_still_names_us(stub: Stub):
    caller = answered(stub, GOOD, provider="yahoo")
    caller.get(first_request("yahoo"))
    assert stub.received[0].headers["user-agent"].startswith("Mozilla/5.0 (compatible; tidegauge/")
    others = [name for name in MODULES if name not in ("yahoo", "tradingview", "calendar")]
    assert all("User-Agent" not in first_request(name).headers for name in others)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error_code": 400, "error_message": "Bad  Request."}', "400: Bad Request."),
        (b'{"error": {"status": {"error_code": 10012, "error_message": "too long ago"}}}', "10012: too long ago"),
        (b'{"error": {"type": "forbidden", "message": "not yours"}}', "not yours"),
        (b'{"status": {"error_code": 10005, "error_message": "PRO only"}}', "10005: PRO only"),
        (b'{"chart": {"result": null, "error": {"code": "x", "description": "delisted"}}}', "delisted"),
        (b'{"error": "Invalid Query Param", "message": "no such field"}', "no such field"),
        (b'{"errorMessage": "x-api-key not found"}', "x-api-key not found"),
        (b'{"error": "coin not found"}', "coin not found"),
        (b"plain\nwords", "plain words"),
        (PAGE_OF_HTML, "a web page"),
        (b"", ""),
        (b"[1, 2]", "[1, 2]"),
        (b"x" * 1000, "x" * 200),
        (b"[" * 100_000, "[" * 200),
        (b'{"message": {"nested": ["x"]}}', '{"message": {"nested": ["x"]}}'),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
    ],
)
def test_error_bodies_are_told_in_one_short_line(body: bytes, said: str):
    assert error_text(body) == said


def test_an_error_code_that_repeats_the_status_is_not_said_twice():
    assert error_text(b'{"error_code": 400, "error_message": "Bad  Request."}', 400) == "Bad Request."


def test_an_error_body_nested_too_deep_is_still_an_error_of_its_source(stub: Stub):
    assert "HTTP 400" in str(answered(stub, Reply(b"[" * 100_000, 400)).fail())


def test_terminal_escapes_of_a_server_do_not_reach_the_message(stub: Stub):
    error = answered(stub, Reply(b'{"message": "\\u001b[2J\\u202egone\\nsecond line"}', 400)).fail()
    assert "\x1b" not in str(error)
    assert "\u202e" not in str(error)
    assert "\n" not in str(error)
    assert "gone second line" in str(error)


def test_a_remedy_of_the_provider_stops_the_whole_provider(stub: Stub):
    error = answered(stub, Reply(b"Upgrade", 402), provider="llama").fail()
    assert error.whole_provider
    assert "--only" in error.remedy


def test_yahoo_that_blocks_this_address_is_not_asked_for_other_symbols(stub: Stub):
    error = answered(stub, Reply(b"Too Many Requests", 429), provider="yahoo", http_attempts=2).fail()
    assert isinstance(error, TransientError)
    assert error.whole_provider
    assert "run again later" in error.remedy


def test_a_key_that_fits_in_no_header_is_named_and_not_sent(stub: Stub):
    for key in ("CG-line\nbreak", "CG-\N{CYRILLIC SMALL LETTER ZHE}"):
        request = Request("coingecko", "the thing", "/file", secret_headers={"x-cg-demo-api-key": key})
        error = answered(stub, GOOD, provider="coingecko", coingecko_api_key=key).fail(request)
        assert isinstance(error, PermanentError)
        assert "TIDEGAUGE_COINGECKO_API_KEY" in error.remedy
    assert stub.received == []


class FakeLimiter:
    """Stands in for the rate limiter and counts."""

    made: ClassVar[list[Any]] = []

    def __init__(self, rate: Any) -> None:
        self.rate, self.asked = rate, 0
        FakeLimiter.made.append(self)

    def try_acquire(self, name: str) -> None:
        self.asked += 1


@pytest.fixture
def limiters(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    FakeLimiter.made = []
    monkeypatch.setattr(http, "Limiter", FakeLimiter)
    return FakeLimiter.made


@pytest.mark.parametrize("name", [name for name in MODULES if name != "tradingview"])
def test_every_foreign_host_has_its_rate_limit(limiters: list[Any], name: str):
    entry = catalog().provider(name)
    Client(settings(), entry)
    assert entry.rate_limit is not None
    (limiter,) = limiters
    assert limiter.rate.limit == entry.rate_limit.requests
    assert limiter.rate.interval == pytest.approx(entry.rate_limit.per_seconds * 1000, abs=1)


def test_a_key_earns_the_faster_limit(limiters: list[Any]):
    Client(settings(coingecko_api_key="CG-abcdefghijklmnop"), catalog().provider("coingecko"))
    assert limiters[0].rate.limit == 30


def test_every_try_at_a_foreign_host_waits_its_turn(limiters: list[Any], monkeypatch: pytest.MonkeyPatch):
    client = Client(settings(http_attempts=3), catalog().provider("cboe"), sleep=lambda seconds: None)

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(client._session, "get", offline)
    with pytest.raises(TransientError):
        client.get(ASK, lambda exchange: None)
    assert limiters[0].asked == 3


def test_a_pace_of_ones_own_goes_before_the_catalogs(limiters: list[Any]):
    Client(settings(coingecko_requests_per_minute=7), catalog().provider("coingecko"))
    assert (limiters[0].rate.limit, limiters[0].rate.interval) == (7, 60_000)


def test_each_plan_has_its_host_and_each_other_host_its_name(limiters: list[Any]):
    coingecko, key = catalog().provider("coingecko"), "CG-abcdefghijklmnop"
    for plan, host in (("demo", "https://api.coingecko.com"), ("pro", "https://pro-api.coingecko.com")):
        client = Client(settings(coingecko_api_key=key, coingecko_plan=plan), coingecko)
        assert client._url(Request("coingecko", "the thing", "/api/v3/ping")) == f"{host}/api/v3/ping"
    client = Client(settings(), catalog().provider("coinmarketcap"))
    assert client._url(Request("coinmarketcap", "x", "/a")) == "https://pro-api.coinmarketcap.com/a"
    assert client._url(Request("coinmarketcap", "x", "/a", host="website")) == "https://api.coinmarketcap.com/a"
    client = Client(settings(mirror="http://127.0.0.1:1"), catalog().provider("coinmarketcap"))
    assert client._url(Request("coinmarketcap", "x", "/a", host="website")) == "http://127.0.0.1:1/coinmarketcap/a"


def test_this_machine_needs_no_rate_limit(stub: Stub, limiters: list[Any]):
    answered(stub, GOOD).get()
    assert limiters == []


def test_the_real_limiter_holds_the_second_request_back():
    limiter = http.Limiter(http.Rate(1, 50))
    limiter.try_acquire("x")
    started = time.monotonic()
    limiter.try_acquire("x")
    assert time.monotonic() - started > 0.01


PATH_KEY = Request("cboe", "the thing", "/api/{key}/json/{key}", secret_path={"key": "canary/0123456789"})


def test_a_key_in_the_path_is_sent_and_shown_nowhere(stub: Stub, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    echo = b'{"at": "/api/canary%2F0123456789", "key": "canary/0123456789"}'
    caller = answered(stub, Reply(echo, 500), Reply(echo, headers={"ETag": "canary/0123456789"}))
    answer = caller.get(PATH_KEY)
    assert {received.path for received in stub.received} == {"/api/canary%2F0123456789/json/canary%2F0123456789"}
    assert answer.body == b'{"at": "/api/***", "key": "***"}'
    assert answer.request.path == "/api/{key}/json/{key}"
    sidecar = Archive(tmp_path / "archive").write(answer).read_text()
    assert json.loads(sidecar)["request"]["path"] == "/api/{key}/json/{key}"
    assert all("canary" not in text for text in (sidecar, caplog.text, repr(answer), repr(PATH_KEY)))


def test_a_refused_key_in_the_path_is_not_repeated(stub: Stub):
    caller = answered(stub, Reply(b'{"message": "no such key: canary/0123456789"}', 403))
    assert "canary" not in str(caller.fail(PATH_KEY))
    assert 'HTTP 403 "no such key: ***"' in str(caller.fail(PATH_KEY))
