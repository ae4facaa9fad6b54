"""The review after a run: judge what stands, remember it, log what is news, and hand it to the webhook.

It reads state, not events: what one review could not see, because another run holds the home, the next one does. Nothing
here ever fails a run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from orchestration.alerts import conditions
from orchestration.alerts.memory import Memory
from orchestration.alerts.models import Alert, RunEnded
from orchestration.alerts.webhook import Delivery, post, severity, words
from orchestration.extract.http import redact
from orchestration.settings import ConfigurationError, Settings
from orchestration.warehouse import WarehouseBusyError, connect, release
from orchestration.warehouse.lock import hold

log = logging.getLogger(__name__)

LONGEST_DELIVERY_SECONDS = 30.0
"""Dagster gives a sensor a minute, and nobody waits for a chat at the end of a run."""


@dataclass
class Review:
    """What a review did.

    Attributes:
        news: alerts that were not told before.
        sent: messages the webhook took.
        undelivered: why it did not take the rest, empty when it took all or none is set.
        unseen: why the warehouse was not looked at, empty when it was.
    """

    news: list[Alert] = field(default_factory=list)
    sent: int = 0
    undelivered: str = ""
    unseen: str = ""

    def __str__(self) -> str:
        parts = [f"{len(self.news)} new alerts" + "".join(f"; {alert.title}" for alert in self.news)]
        parts += [f"{self.sent} messages sent"] * bool(self.sent)
        parts += [f"webhook: {self.undelivered}"] * bool(self.undelivered)
        parts += [f"the warehouse was not looked at ({self.unseen})"] * bool(self.unseen)
        return "; ".join(parts)


Judged = dict[str, list[Alert]]


def review(settings: Settings, run: RunEnded | None = None) -> Review:
    """Judge every condition and tell what is news, each cause at most once.

    A run that failed is told whatever state the home is in. Gates and freshness are read from the warehouse, which must
    not be in use; unlocks and the Treasury's balance from the current release, whose figures are gated and which is
    never locked.

    Args:
        settings: home, clock, thresholds, webhook.
        run: the run that has just ended; None looks at the home alone.
    """
    done = Review()
    try:
        now = settings.now()
        memory = Memory(settings.home)
        # Judged inside: else a slow review could open again what a later one has closed.
        with memory.held():
            _remember(settings, memory, _judge(settings, now, done), run, now, done)
        _deliver(settings, memory, now, done)
    except Exception as problem:  # noqa: BLE001  a defect in the alerts must not change how a run ends
        _failed("what stands", settings, problem)
    return done


def send_test(settings: Settings) -> Delivery:
    """Send a test alert to log and webhook; nothing is remembered.

    Raises:
        ConfigurationError: no webhook is set.
    """
    now = settings.now()
    alert = Alert(
        kind="test",
        cause="test",
        severity="warning",
        title="Tidegauge test alert",
        text=f"Alerts of {settings.home} arrive here.",
        remedy="Nothing is wrong.",
        subject="test",
        at=now,
    )
    _log([alert])
    if settings.alert_webhook_url is None:
        raise ConfigurationError("no webhook is set, so alerts go to the log only: set TIDEGAUGE_ALERT_WEBHOOK_URL")
    return post(settings, [alert])


def _judge(settings: Settings, now: datetime, done: Review) -> Judged:
    """The causes that stand now, per kind; a kind that could not be judged is left out, and its alerts as they are."""
    judged: Judged = {}

    def judge(kind: str, condition: Callable[[], list[Alert]]) -> None:
        try:
            judged[kind] = condition()
        except Exception as problem:  # noqa: BLE001  one broken condition must not silence the others
            _failed(kind, settings, problem)

    def judge_warehouse() -> None:
        # Held, so that no run starts between: a reader of the file would make its first write fail.
        with hold(settings.home, 0), connect(settings.warehouse_path, read_only=True, wait_seconds=1) as con:
            judge("gate_closed", lambda: conditions.gate_closed(con, now))
            judge("source_stale", lambda: conditions.source_stale(con, now))

    if settings.warehouse_path.exists():
        try:
            judge_warehouse()
        except WarehouseBusyError as busy:
            done.unseen = str(busy)
        except Exception as problem:  # noqa: BLE001  a damaged warehouse is a failed run, which must still be told
            _failed("gate_closed and source_stale", settings, problem)
    days, share, size = settings.alert_unlock_days, settings.alert_unlock_share_pct, settings.alert_tga_change_usd
    judge("unlock_ahead", lambda: _on_release(settings, conditions.unlock_ahead, now, days=days, share_pct=share))
    judge("tga_change", lambda: _on_release(settings, conditions.tga_change, now, change_usd=size))
    return judged


def _on_release(
    settings: Settings, condition: Callable[..., list[Alert]], now: datetime, **limits: float
) -> list[Alert]:
    """A condition of the current release; one built as of the past says nothing about what is ahead now."""
    try:
        folder = release.current(settings.releases_dir)
    except release.ReleaseError:
        return []
    if release.read_manifest(folder).get("as_of") is not None:
        return []
    with release.open_release(folder) as con:
        return condition(con, now, **limits)


def _remember(
    settings: Settings, memory: Memory, judged: Judged, run: RunEnded | None, now: datetime, done: Review
) -> None:
    if run and run.is_success:
        # Two sensors may see two runs in either order: only a success that ended later is a recovery.
        over = [
            entry
            for entry in memory.standing("run_failed")
            if entry.alert.facts["job"] == run.job
            and datetime.fromisoformat(entry.alert.facts["ended_at"]) <= run.ended_at
        ]
        memory.close(over, now)
    failures = []
    if run and not run.is_success:
        # An error may quote anybody; rows of the warehouse hold no key.
        safe = [replace(each, message=redact(each.message, settings.secrets())) for each in run.failures]
        failures = conditions.run_failed(replace(run, failures=tuple(safe)), now)
    for kind, alerts in judged.items():
        standing = {alert.key for alert in alerts}
        memory.close([entry for entry in memory.standing(kind) if entry.alert.key not in standing], now)
    done.news = memory.news([*failures, *(alert for alerts in judged.values() for alert in alerts)])
    # Logged before it is noted: told twice does less harm in a log than never.
    messages: dict[tuple[str, str], list[Alert]] = {}
    for alert in done.news:
        messages.setdefault((alert.kind, alert.subject), []).append(alert)
    for message in messages.values():
        _log(message)
    memory.open(done.news)


def _deliver(settings: Settings, memory: Memory, now: datetime, done: Review) -> None:
    """Send what the webhook is owed, until it does not take a message or time is up: the rest waits for the next review."""
    deadline = time.monotonic() + LONGEST_DELIVERY_SECONDS
    while settings.alert_webhook_url and time.monotonic() < deadline:
        with memory.held():
            message = memory.claim(now)
        if not message:
            return
        delivery = post(settings, message)
        if delivery.state == "taken":
            done.sent += 1
            continue
        done.undelivered = delivery.reason
        with memory.held():
            if delivery.state == "refused":
                memory.take_back(message, now, delivery.reason)
            else:
                memory.doubt(message, now, delivery.reason)
        log.warning(
            "alert webhook: %s; %s",
            delivery.reason,
            "sent again at the next review"
            if delivery.state == "refused"
            else f"not sent again, it may have arrived: {message[0].title}",
        )
        return


def _log(message: Sequence[Alert]) -> None:
    _, text = words(message)
    log.log(logging.ERROR if severity(message) == "error" else logging.WARNING, "%s", text)


def _failed(what: str, settings: Settings, problem: Exception) -> None:
    said = redact(f"{type(problem).__name__}: {problem}", settings.secrets())
    log.error("alerts: %s could not be judged, the run is unharmed: %s", what, said)
