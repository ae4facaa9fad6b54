"""Each cause is told at most once, again after it was gone, and nothing of it harms a run."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from filelock import FileLock

from orchestration.alerts import conditions
from orchestration.alerts import review as room
from orchestration.alerts.memory import UNDELIVERED_FOR, Memory
from orchestration.alerts.review import review, send_test
from orchestration.settings import ConfigurationError
from orchestration.warehouse import connect
from tests.alerts.conftest import BROKEN, CALM, JUMP, MACHINE, TOKEN, cliff, close_gate, failed, publish, succeeded
from tests.alerts.test_conditions import DUE
from tests.quality.small_warehouse import insert
from tests.stub import Reply, raw, reset

UNLOCK = cliff(250)


@pytest.fixture
def troubled(home):
    """All five kinds at once, at an instant at which the Treasury's balance is late."""
    close_gate(home, "jump")
    publish(home, "second", tga=JUMP, unlocks=UNLOCK)
    return home.at(DUE + timedelta(seconds=1)).model_copy(update={"alert_unlock_days": 30, "busy_timeout_seconds": 0.1})


def test_every_kind_is_told_exactly_once_over_repeated_reviews(troubled, webhook):
    publish(troubled, "third", tga=JUMP, unlocks=cliff(250, at="2025-11-20"))
    for _ in range(3):
        review(troubled, failed())
    assert set(webhook.told.values()) == {1}
    assert {kind for kind, _ in webhook.told} == {
        "run_failed",
        "gate_closed",
        "source_stale",
        "unlock_ahead",
        "tga_change",
    }


PROCESS = """
import sys
from datetime import datetime
from orchestration.alerts.review import review
from orchestration.settings import load_settings
review(load_settings(home=sys.argv[1], alert_webhook_url=sys.argv[2], alert_unlock_days=30).at(datetime.fromisoformat(sys.argv[3])))
"""


def other_process(settings):
    url = settings.alert_webhook_url.get_secret_value()
    arguments = [str(settings.home), url, settings.now().isoformat()]
    return subprocess.Popen([sys.executable, "-c", PROCESS, *arguments], stderr=subprocess.PIPE, text=True)


def test_two_processes_that_review_at_once_tell_each_cause_once_and_a_restart_tells_nothing(troubled, webhook):
    both = [other_process(troubled), other_process(troubled)]
    assert [process.wait(60) for process in both] == [0, 0]
    review(troubled)
    assert {"gate_closed", "source_stale", "tga_change"} <= {kind for kind, _ in webhook.told}
    assert set(webhook.told.values()) == {1}


def test_what_another_review_is_sending_is_not_sent_again(home, webhook):
    publish(home, "second", tga=JUMP)
    arrived, go_on = threading.Event(), threading.Event()

    def slow(handler):
        arrived.set()
        go_on.wait(10)
        Reply(b"ok")(handler)

    webhook.script(slow)
    patient = home.model_copy(update={"http_read_timeout_seconds": 10.0})
    first = threading.Thread(target=review, args=(patient,))
    first.start()
    assert arrived.wait(10)
    review(home)
    go_on.set()
    first.join()
    assert webhook.told == {("tga_change", "2025-11-10"): 1}


# ------------------------------------------------------------------ gone and back


def test_a_failure_is_told_again_once_a_run_of_its_job_has_succeeded_in_between(home, webhook):
    def reviewed(run):
        review(home, run)
        return webhook.kinds()

    later = MACHINE + timedelta(hours=1)
    assert reviewed(failed()) == ["run_failed"]
    assert reviewed(failed(run_id="run-3", ended_at=later)) == []
    assert reviewed(succeeded(job="freshness", ended_at=later)) == []
    assert reviewed(failed(run_id="run-4")) == [], "another job has recovered, not this one"
    assert reviewed(succeeded(ended_at=MACHINE - timedelta(hours=1))) == []
    assert reviewed(failed(run_id="run-5")) == [], "a success that ended before the failure is no recovery"
    assert reviewed(succeeded(ended_at=later)) == []
    assert reviewed(failed(run_id="run-6", ended_at=later)) == ["run_failed"]


def test_a_gate_that_closes_again_is_told_again(home, webhook):
    for names in (["jump"], [], ["jump"]):
        close_gate(home, *names)
        review(home)
    assert webhook.kinds() == ["gate_closed", "gate_closed"]


def test_a_source_that_delivers_is_over_and_its_next_debt_is_told(home, webhook):
    def late():
        found = [a["cause"] for message in webhook.messages for a in message["alerts"] if a["kind"] == "source_stale"]
        webhook.received.clear()
        return [cause for cause in found if cause.startswith("yahoo.^GSPC")]

    now = DUE + timedelta(days=4)
    review(home.at(now))
    [first] = late()
    with connect(home.warehouse_path) as con:
        noon = "(epoch(timestamptz '2025-11-13 17:00:00+00'))::bigint::varchar"
        insert(
            con,
            "yahoo_chart",
            f"select '^GSPC' as symbol, {noon} as timestamp, 'America/New_York' as exchange_timezone, '6700' as close",
        )
    review(home.at(now))
    [second] = late()
    assert first < second == "yahoo.^GSPC 2025-11-14"
    memory = Memory(home.home)
    memory.read()
    states = {e.alert.cause: e.closed_at is None for e in memory.entries if e.alert.cause.startswith("yahoo.^GSPC")}
    assert states == {first: False, second: True}


def test_a_dated_event_that_wobbles_around_the_threshold_is_told_once(home, webhook):
    for number, tokens in enumerate([20.1, 19.9, 20.1]):
        publish(home, f"r{number}", tga=CALM, unlocks=cliff(tokens))
        review(home)
    assert webhook.kinds() == ["unlock_ahead"]


# ------------------------------------------------------------------ the webhook's bad days


def trickle(handler):
    """A byte now and then, so that no single read runs out of time; no end."""
    try:
        while True:
            handler.wfile.write(b"X")
            threading.Event().wait(0.05)
    except OSError:
        handler.close_connection = True


def hang(handler):
    threading.Event().wait(1.0)


REFUSING = {
    "500": Reply(status=500),
    "404": Reply(b"Cannot POST /services/" + TOKEN.encode(), 404),
    "redirect": Reply(status=302, headers={"Location": f"http://127.0.0.1:9/services/{TOKEN}"}),
    "429": Reply(status=429, headers={"Retry-After": "3600"}),
}
DOUBTFUL = {
    "hang": hang,
    "reset": reset,
    "trickle": trickle,
    "no http": raw(b"\x00\x01\r\n\r\n"),
    "malformed headers": raw(b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 99\r\n"),
}


@pytest.mark.parametrize("name", REFUSING)
def test_what_the_webhook_refuses_is_logged_and_sent_at_the_next_review(home, webhook, caplog, name):
    webhook.script(REFUSING[name])
    done = review(home, failed())
    assert name in done.undelivered or "HTTP 302" in done.undelivered
    assert "sent again at the next review" in caplog.text
    webhook.received.clear()
    webhook.script(Reply(b"ok"))
    for _ in range(2):
        review(home)
    assert webhook.told == {("run_failed", "pipeline extract SourceFailedError stablecoins"): 1}


def test_a_passing_refusal_is_tried_again_at_once(home, webhook):
    webhook.script(Reply(status=503), Reply(b"ok"))
    assert review(home, failed()).sent == 1
    assert len(webhook.received) == 2


def test_a_webhook_that_is_down_gets_its_alert_when_it_is_up(home, webhook, caplog):
    down = home.model_copy(update={"alert_webhook_url": type(home.alert_webhook_url)(f"http://127.0.0.1:9/{TOKEN}")})
    assert "no connection" in review(down, failed()).undelivered
    assert TOKEN not in caplog.text
    review(home, succeeded(ended_at=MACHINE + timedelta(hours=1)))
    [message] = webhook.messages
    assert "(over since" in message["text"], "the run has recovered by the time it is told"


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_may_have_arrived_is_not_sent_twice(home, webhook, caplog, name):
    webhook.script(DOUBTFUL[name])
    done = review(home, failed())
    if name != "malformed headers":
        assert "it may have arrived" in caplog.text
        assert done.undelivered
    webhook.received.clear()
    webhook.script(Reply(b"ok"))
    review(home, failed())
    assert not webhook.received


def test_a_message_the_webhook_will_not_have_does_not_hold_up_the_others(home, webhook):
    webhook.script(Reply(status=400))
    review(home, failed())
    publish(home, "second", tga=JUMP)
    webhook.script(Reply(b"ok"), Reply(status=400))
    webhook.received.clear()
    review(home)
    assert [message["kind"] for message in webhook.messages] == ["tga_change", "run_failed"]


def test_after_a_week_an_undelivered_alert_is_no_news(home, webhook):
    webhook.script(Reply(status=500))
    review(home, failed())
    webhook.script(Reply(b"ok"))
    webhook.received.clear()
    settings = home.at(home.now() + UNDELIVERED_FOR)
    settings.warehouse_path.unlink()
    review(settings)
    assert ("run_failed", "pipeline extract SourceFailedError stablecoins") not in webhook.told


def test_without_a_webhook_alerts_are_logged_once_and_a_webhook_set_later_is_told_what_stands(home, webhook, caplog):
    silent = home.model_copy(update={"alert_webhook_url": None})
    for _ in range(2):
        review(silent, failed())
    assert caplog.text.count(BROKEN) == 1
    assert [record.levelname for record in caplog.records if BROKEN in record.getMessage()] == ["ERROR"]
    review(home)
    assert webhook.kinds() == ["run_failed"]


# ------------------------------------------------------------------ secrets and foreign text


@pytest.mark.parametrize("step", [*REFUSING.values(), *DOUBTFUL.values()], ids=[*REFUSING, *DOUBTFUL])
def test_the_url_shows_nowhere(home, webhook, caplog, capfd, step):
    caplog.set_level(logging.DEBUG)
    webhook.script(step)
    url = home.alert_webhook_url.get_secret_value()
    done = review(home, failed(f"fred: series X: proxy said {url} is unknown"))
    shown = [caplog.text, str(done), repr(home), *capfd.readouterr(), *(repr(record.args) for record in caplog.records)]
    shown += [path.read_text("utf-8", "replace") for path in home.home.glob("alerts*")]
    shown += [received.body.decode() for received in webhook.received]
    assert all("CANARY" not in text for text in shown)
    assert "***" in shown[0]


def test_foreign_text_cannot_call_a_channel_or_break_a_line(home, webhook):
    review(home, failed("fred: series X: <!channel> @everyone \x1b[31m\x00 " + "x" * 5000))
    [message] = webhook.messages
    assert "<" not in message["text"]
    assert "\x1b" not in message["text"]
    assert len(message["content"]) <= 2000
    assert message["allowed_mentions"] == {"parse": []}


# ------------------------------------------------------------------ harm none


def test_a_broken_condition_is_logged_and_the_others_are_told(home, webhook, caplog):
    with connect(home.warehouse_path) as con:
        con.execute("drop table catalog.series")
    publish(home, "second", tga=JUMP)
    done = review(home, failed())
    assert webhook.kinds() == ["run_failed", "tga_change"]
    assert "source_stale could not be judged" in caplog.text
    assert done.news


def test_a_defect_of_ours_is_logged_and_not_raised(home, caplog, monkeypatch):
    monkeypatch.setattr(conditions, "run_failed", lambda *_: 1 / 0)
    assert review(home, failed()).news == []
    assert "ZeroDivisionError" in caplog.text


def test_a_damaged_warehouse_does_not_silence_the_failed_run(home, webhook, caplog):
    home.warehouse_path.write_bytes(b"no database" * 1000)
    review(home, failed())
    assert "run_failed" in webhook.kinds()


def test_without_a_warehouse_only_the_failed_run_is_told(home, webhook):
    empty = home.model_copy(update={"home": home.home / "new"})
    review(empty, failed())
    assert webhook.kinds() == ["run_failed"]


def test_a_home_in_use_loses_nothing(troubled, webhook):
    with FileLock(troubled.home / "run.lock", is_singleton=False):
        done = review(troubled, failed())
        assert "holds the warehouse" in done.unseen
        assert {"gate_closed", "source_stale"}.isdisjoint(webhook.kinds())
    review(troubled)
    assert {"gate_closed", "source_stale"} <= set(webhook.kinds())


def test_a_home_in_use_closes_nothing(home, webhook):
    close_gate(home, "jump")
    review(home)
    with FileLock(home.home / "run.lock", is_singleton=False):
        review(home)
    review(home)
    assert webhook.kinds() == ["gate_closed"]


def test_no_run_can_start_while_the_warehouse_is_read(home, monkeypatch):
    from orchestration.warehouse import WarehouseBusyError
    from orchestration.warehouse.lock import hold

    met = []

    def look(con, at):
        def intrude():
            try:
                with hold(home.home, 0):
                    met.append("in")
            except WarehouseBusyError:
                met.append("kept out")

        other = threading.Thread(target=intrude)
        other.start()
        other.join()
        return []

    monkeypatch.setattr(conditions, "gate_closed", look)
    review(home)
    assert met == ["kept out"]


@pytest.mark.parametrize(
    "damage", [b"{half a li", b"\xff\xfe\x00", b'{"event": "opened"}\n', b'{"event":"sent"}\n', b"[]\n"]
)
def test_a_damaged_line_costs_at_most_its_alert(home, webhook, caplog, damage):
    review(home, failed())
    with (home.home / "alerts.jsonl").open("ab") as file:
        file.write(damage)
    publish(home, "second", tga=JUMP)
    for _ in range(2):
        review(home, failed())
    assert set(webhook.told.values()) == {1}
    assert len(webhook.told) == 2
    assert "unreadable and passed over" in caplog.text


def test_a_note_is_on_disk_before_the_message_leaves(home, webhook):
    noted = []

    def look(handler):
        noted.append((home.home / "alerts.jsonl").read_text())
        Reply(b"ok")(handler)

    webhook.script(look)
    review(home, failed())
    assert '"event": "sent"' in noted[0]


# ------------------------------------------------------------------ the test alert


def test_a_test_alert_is_sent_and_not_remembered(home, webhook, caplog):
    assert send_test(home).state == "taken"
    assert webhook.kinds() == ["test"]
    assert "Tidegauge test alert" in caplog.text
    assert not (home.home / "alerts.jsonl").exists()


def test_a_test_alert_without_a_webhook_says_what_to_set(home):
    with pytest.raises(ConfigurationError, match="set TIDEGAUGE_ALERT_WEBHOOK_URL"):
        send_test(home.model_copy(update={"alert_webhook_url": None}))


def test_the_room_logs_under_the_name_that_the_event_log_keeps():
    assert room.log.name == "orchestration.alerts.review"
