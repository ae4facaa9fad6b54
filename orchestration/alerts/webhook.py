"""Handing a message to the webhook: what it carries, how long it may take, and what an answer means.

The URL is a secret (Slack, Discord and ntfy put the token into its path): nothing here ever repeats it, nor the texts of
`requests`, which do.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_random_exponential

from orchestration.alerts.models import Alert, Severity
from orchestration.extract.base import USER_AGENT
from orchestration.extract.http import RETRIED_STATUS
from orchestration.settings import Settings

TRIES = 3
LONGEST_PAUSE_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 10.0
"""For a connection, and again for an answer: a run must not end late because a chat is slow."""

LONGEST_TEXT = 1900
"""Discord takes 2,000 characters."""

SHOWN = 10
"""Alerts of one message that are spelled out; `tidegauge alerts` shows the rest."""


@dataclass(frozen=True)
class Delivery:
    """What became of a message.

    Attributes:
        state: `taken`: a 2xx answer; `refused`: definitely not taken (no connection, or any other status), so it may be
            sent again; `in_doubt`: it went out and no answer came, so sending it again could tell it twice.
        reason: in words, without the URL.
        is_passing: worth another try within seconds.
    """

    state: Literal["taken", "refused", "in_doubt"]
    reason: str = ""
    is_passing: bool = False


def post(settings: Settings, message: Sequence[Alert]) -> Delivery:
    """Send these alerts as one message; never raises for what the other side does."""
    url = settings.alert_webhook_url.get_secret_value() if settings.alert_webhook_url else ""
    body = payload(message)
    longest = min(LONGEST_PAUSE_SECONDS, settings.http_backoff_max_seconds)
    retrying = Retrying(
        stop=stop_after_attempt(min(TRIES, settings.http_attempts)),
        wait=wait_random_exponential(multiplier=settings.http_backoff_seconds, max=longest),
        retry=retry_if_result(lambda delivery: delivery.is_passing),
        retry_error_callback=_last,
    )
    timeout = (
        min(LONGEST_WAIT_SECONDS, settings.http_connect_timeout_seconds),
        min(LONGEST_WAIT_SECONDS, settings.http_read_timeout_seconds),
    )
    delivery: Delivery = retrying(_within, url, body, timeout)
    return delivery


def payload(message: Sequence[Alert]) -> dict[str, Any]:
    """The JSON that is posted: `text` for Slack and its kin, `content` for Discord, the alerts themselves for programs."""
    title, text = (_harmless(part) for part in words(message))
    return {
        "text": text,
        "content": text,
        # Texts may quote what a source said: Discord would call everyone for an @everyone in it.
        "allowed_mentions": {"parse": []},
        "title": title,
        "kind": message[0].kind,
        "severity": severity(message),
        "at": message[0].at.isoformat(),
        "alerts": [{**asdict(alert), "at": alert.at.isoformat()} for alert in message],
    }


def words(message: Sequence[Alert]) -> tuple[str, str]:
    """Title and whole text of a message."""
    title = message[0].title + (f" and {len(message) - 1} more" if len(message) > 1 else "")
    lines = [title, *(alert.text for alert in message[:SHOWN])]
    if len(message) > SHOWN:
        lines.append(f"and {len(message) - SHOWN} more: `tidegauge alerts`")
    lines += dict.fromkeys(alert.remedy for alert in message)
    return title, "\n".join(lines)


def severity(message: Sequence[Alert]) -> Severity:
    """The worst of a message."""
    return "error" if any(alert.severity == "error" for alert in message) else "warning"


def _harmless(text: str) -> str:
    """One that cannot ping a channel of Slack (`<!channel>`), nor bring control characters; cut to what Discord takes."""
    plain = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)
    plain = plain.replace("<", "‹").replace(">", "›")
    return plain if len(plain) <= LONGEST_TEXT else plain[: LONGEST_TEXT - 2] + " …"


def _last(state: RetryCallState) -> Delivery:
    delivery: Delivery = state.outcome.result() if state.outcome else Delivery("refused", "never tried")
    return delivery


def _within(url: str, body: dict[str, Any], timeout: tuple[float, float]) -> Delivery:
    """One try that ends in time: `requests` starts its clock anew with every byte, so a trickle would never end."""
    found: list[Delivery] = []
    # A daemon: it ends with the process even when the other side never does.
    asking = threading.Thread(target=lambda: found.append(_ask(url, body, timeout)), daemon=True)
    asking.start()
    asking.join(sum(timeout) + 1)
    return found[0] if found else Delivery("in_doubt", f"no whole answer within {sum(timeout) + 1:g} s")


def _ask(url: str, body: dict[str, Any], timeout: tuple[float, float]) -> Delivery:
    try:
        with requests.post(
            url,
            json=body,
            headers={"User-Agent": USER_AGENT},
            timeout=timeout,
            # A redirect could carry the message, and the token in a path, to another host. The body is never read.
            allow_redirects=False,
            stream=True,
        ) as answer:
            status = answer.status_code
    except (requests.exceptions.SSLError, requests.exceptions.ConnectTimeout) as error:
        return Delivery("refused", f"no connection ({type(error).__name__})")
    except ValueError as error:
        return Delivery(
            "refused", f"the request cannot be sent ({type(error).__name__}): check TIDEGAUGE_ALERT_WEBHOOK_URL"
        )
    except requests.ConnectionError as error:
        if _never_connected(error):
            return Delivery("refused", "no connection: is the webhook's host up?", is_passing=True)
        return Delivery("in_doubt", f"the connection broke ({type(error).__name__})")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        return Delivery("in_doubt", f"no answer ({type(error).__name__})")
    if 200 <= status < 300:
        return Delivery("taken")
    if 300 <= status < 400:
        return Delivery(
            "refused", f"HTTP {status}: redirects are not followed: set TIDEGAUGE_ALERT_WEBHOOK_URL to the new address"
        )
    return Delivery("refused", f"HTTP {status}", is_passing=status in RETRIED_STATUS)


def _never_connected(error: requests.ConnectionError) -> bool:
    """True when nothing was sent: `requests` has one class for a refused connection and for one that broke later."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    return isinstance(
        reason,
        urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.ProxyError,
    )
