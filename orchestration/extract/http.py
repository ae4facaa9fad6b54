"""The one HTTP client: timeouts, retries, politeness, size limit, and keys that never show.

What a body means is the provider module's business; it is handed in as `judge` so that a bad body is asked for again.
"""

from __future__ import annotations

import email.utils
import json
import logging
import math
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NoReturn

import requests
import urllib3
from pyrate_limiter import Duration, Limiter, Rate
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from orchestration.catalog import Provider
from orchestration.extract.base import USER_AGENT, Exchange, Request
from orchestration.extract.errors import ExtractError, PayloadError, PermanentError, TransientError
from orchestration.settings import Settings, is_loopback

log = logging.getLogger(__name__)

# urllib3 writes whole URLs, query string and key included: at DEBUG always, as a warning after malformed headers.
logging.getLogger("urllib3").setLevel(logging.ERROR)

KEPT_HEADERS = ("Content-Type", "Date", "ETag", "Last-Modified", "Retry-After", "X-RateLimit-Remaining", "total")

RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

PAYLOAD_TRIES = 3
"""A body that is wrong three times running is not a hiccup."""

Judge = Callable[[Exchange], None]
Explain = Callable[[int, str], tuple[str, bool] | None]


class Client:
    """Talks to one provider: one session, one rate limit, one thread at a time.

    Args:
        settings: limits, keys and base URLs.
        provider: its catalog entry (host, rate, terms).
        explain: turns (status, error text) into (remedy, concerns the whole provider), or None when it knows nothing.
        sleep: replaced in tests.
        on_response: sees every answer that had a body, good or bad: the archive.
    """

    def __init__(
        self,
        settings: Settings,
        provider: Provider,
        *,
        explain: Explain = lambda status, text: None,
        sleep: Callable[[float], None] = time.sleep,
        on_response: Callable[[Exchange, str | None], None] = lambda exchange, error: None,
    ) -> None:
        self._settings, self._provider, self._explain, self._sleep = settings, provider, explain, sleep
        self._on_response = on_response
        plan = provider.plans.get(settings.plan(provider.provider))
        self._base = settings.base_url(provider.provider, (plan.base_url if plan else provider.base_url) or "")
        self._session = requests.Session()
        self._session.headers["User-Agent"] = USER_AGENT
        # A mirror on this machine needs no politeness; a host of somebody else's always gets it.
        limit = None if is_loopback(self._base) else plan.rate_limit if plan else provider.rate_limit
        rate = (limit.requests, limit.per_seconds) if limit else None
        if rate and (per_minute := settings.requests_per_minute(provider.provider)):
            rate = (per_minute, 60.0)
        self._limiter = Limiter(Rate(rate[0], int(rate[1] * Duration.SECOND))) if rate else None
        self.tries = 0

    def get(self, request: Request, judge: Judge) -> Exchange:
        """Ask until the answer is good, the tries are used up, or another try cannot help.

        Raises:
            TransientError, PermanentError, PayloadError: naming provider, request and remedy.
        """
        payload_errors = 0

        def worth_another_try(error: BaseException) -> bool:
            nonlocal payload_errors
            payload_errors += isinstance(error, PayloadError)
            return isinstance(error, TransientError) or (
                isinstance(error, PayloadError) and payload_errors < PAYLOAD_TRIES
            )

        retrying = Retrying(
            stop=stop_after_attempt(self._settings.http_attempts),
            wait=self._pause,
            retry=retry_if_exception(worth_another_try),
            sleep=self._sleep,
            before_sleep=self._tell,
            reraise=True,
        )
        return retrying(self._once, request, judge)

    def close(self) -> None:
        """Return the connections."""
        self._session.close()

    def _pause(self, state: RetryCallState) -> float:
        longest = self._settings.http_backoff_max_seconds
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None)
        if asked is not None:
            return float(min(max(asked, 0.0), longest))
        return float(wait_random_exponential(multiplier=self._settings.http_backoff_seconds, max=longest)(state))

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0.0
        log.warning("%s; try %d follows in %.1f s", error, state.attempt_number + 1, pause)

    def _once(self, request: Request, judge: Judge) -> Exchange:
        if self._limiter:
            self._limiter.try_acquire(request.provider)
        self.tries += 1
        exchange = self._exchange(request)
        try:
            if exchange.status != 200:
                self._refuse(exchange)
            judge(exchange)
        except ExtractError as error:
            self._on_response(exchange, error.problem)
            raise
        self._on_response(exchange, None)
        return exchange

    def _url(self, request: Request) -> str:
        other = self._provider.hosts[request.host] if request.host else None
        base: str = self._settings.base_url(request.provider, other) if other else self._base
        return base + request.filled_path

    def _exchange(self, request: Request) -> Exchange:
        timeout = (self._settings.http_connect_timeout_seconds, self._settings.http_read_timeout_seconds)
        try:
            with self._session.get(
                self._url(request),
                params={**request.params, **request.secret_params},
                headers={**request.headers, **request.secret_headers},
                timeout=timeout,
                stream=True,
                # A redirect could carry a key to another host.
                allow_redirects=False,
            ) as answer:
                body = _without_keys(request, self._read(request, answer))
                keys = request.secrets
                headers = {name: redact(answer.headers[name], keys) for name in KEPT_HEADERS if name in answer.headers}
                return Exchange(request, answer.status_code, body, self._settings.fetch_instant(), headers)
        except requests.exceptions.SSLError as error:
            failure: ExtractError = PermanentError(
                request.provider,
                request.label,
                f"the TLS certificate was refused ({type(error).__name__})",
                "check the machine's clock and certificates; Tidegauge never turns verification off",
                whole_provider=True,
            )
        except ValueError as error:
            name = request.provider.upper()
            failure = PermanentError(
                request.provider,
                request.label,
                f"the request cannot be sent ({type(error).__name__})",
                f"check TIDEGAUGE_{name}_API_KEY and TIDEGAUGE_{name}_BASE_URL for signs that do not belong there",
                whole_provider=True,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # requests puts the whole URL, key included, into its messages: name the kind of trouble only.
            failure = TransientError(
                request.provider,
                request.label,
                f"no complete answer ({type(error).__name__})",
                "check the network and the provider's status page",
            )
        # Raised out here: inside the handler, what was caught would hang on it as its context, URL included.
        raise failure

    def _read(self, request: Request, answer: requests.Response) -> bytes:
        limit, chunks, size = self._settings.http_max_bytes, [], 0
        deadline = time.monotonic() + 10 * self._settings.http_read_timeout_seconds
        # read1 returns what has arrived; iter_content would wait for a full chunk, however slowly it trickles in.
        while chunk := answer.raw.read1(65536, decode_content=True):
            size += len(chunk)
            if size > limit:
                raise PermanentError(
                    request.provider,
                    request.label,
                    f"the body is larger than {limit:,} bytes",
                    "raise TIDEGAUGE_HTTP_MAX_BYTES if that is real data",
                )
            if time.monotonic() > deadline:
                raise TransientError(
                    request.provider, request.label, "the body trickles in too slowly", "try again later"
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def _refuse(self, exchange: Exchange) -> NoReturn:
        request, status = exchange.request, exchange.status
        said = redact(error_text(exchange.body, status), self._settings.secrets())
        problem = f'HTTP {status} "{said}"' if said else f"HTTP {status}"
        if 300 <= status < 400:
            raise PermanentError(
                request.provider,
                request.label,
                f"HTTP {status}: the provider redirects elsewhere",
                f"redirects are not followed: set TIDEGAUGE_{request.provider.upper()}_BASE_URL to the new address",
            )
        known = self._explain(status, said)
        if status in RETRIED_STATUS:
            remedy, whole = known or ("the provider is busy: try again later", False)
            error = TransientError(request.provider, request.label, problem, remedy, whole_provider=whole)
            error.retry_after, error.status = _retry_after(exchange), status
            raise error
        remedy, whole = known or (f"see {self._provider.homepage}", False)
        refused = PermanentError(request.provider, request.label, problem, remedy, whole_provider=whole)
        refused.status = status
        raise refused


def _retry_after(exchange: Exchange) -> float | None:
    """Seconds to wait, from seconds or an HTTP date; None when the header is absent or unreadable."""
    value = exchange.headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return (email.utils.parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None


def error_text(body: bytes, status: int = 0) -> str:
    """What an error body says, in one line of at most 200 characters; nothing for a web page.

    The provider's own error code goes before its message where it says more than `status` does.
    """
    raw = body[:20_000].decode("utf-8", "replace").strip()
    if raw.startswith("<"):
        return "a web page"
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return " ".join(raw.split())[:200]
    for path in (
        ("error_message",),
        ("error", "status", "error_message"),
        ("error", "message"),
        ("status", "error_message"),
        ("chart", "error", "description"),
        ("message",),
        ("errorMessage",),
        ("error",),
    ):
        found, code = value, None
        for key in path:
            code = found.get("error_code") if isinstance(found, dict) else None
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str):
            known = f"{code}: " if code is not None and str(code) != str(status) else ""
            return (known + " ".join(found.split()))[:200]
    return " ".join(raw.split())[:200]


def _without_keys(request: Request, body: bytes) -> bytes:
    """The body with the keys of its own request blanked: some servers repeat the question in their answer."""
    for secret in request.secrets:
        # Anything shorter is no key of a provider, and may well be part of a number.
        if len(secret) >= 8:
            body = body.replace(secret.encode(), b"***")
    return body


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every configured key blanked."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
