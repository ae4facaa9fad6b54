"""What is worth an alert, at the threshold and on either side of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestration.alerts import conditions
from orchestration.alerts.models import Failure
from orchestration.alerts.review import review
from orchestration.warehouse import connect
from tests.alerts.conftest import CALM, cliff, close_gate, failed, publish
from tests.quality.small_warehouse import NOW


def titles(home, kind):
    return [alert.title for alert in review(home).news if alert.kind == kind]


def test_a_home_in_order_is_silent(home, webhook):
    done = review(home)
    assert (done.news, done.unseen, done.undelivered) == ([], "", "")
    assert not webhook.received


# ------------------------------------------------------------------ failed run


def causes(run):
    return [alert.cause for alert in conditions.run_failed(run, NOW)]


def test_one_reason_has_one_cause_whatever_run_count_and_instant():
    first = "model marts.liquidity: run 3f2a9c1e-aa at 2025-11-12 22:00: 17 rows"
    later = "model marts.liquidity: run 77bd01ff-bb at 2025-11-13 23:15: 9 rows"
    [cause] = causes(failed(first, "DbtBuildError", "dbt"))
    assert causes(failed(later, "DbtBuildError", "dbt", run_id="run-9")) == [cause]
    assert causes(failed("model marts.unlocks: 3 rows", "DbtBuildError", "dbt")) != [cause]


def test_each_failed_source_is_a_cause_of_its_own_and_its_requests_are_not():
    message = "fred: series WALCL: HTTP 500: wait\nfred: series M2SL: HTTP 500: wait\nyahoo: ^GSPC: HTTP 429: wait"
    assert causes(failed(message)) == [
        "pipeline extract SourceFailedError fred",
        "pipeline extract SourceFailedError yahoo",
    ]
    [fred, _] = conditions.run_failed(failed(message), NOW)
    assert "series M2SL: HTTP 500" in fred.text
    assert "tidegauge doctor --only fred" in fred.remedy
    assert causes(failed("fred: series CPI: no complete answer")) == ["pipeline extract SourceFailedError fred"]


def test_a_dead_worker_is_a_failed_run_without_a_step():
    [alert] = conditions.run_failed(failed("run worker 4711 died", "", ""), NOW)
    assert alert.title == "pipeline failed: the run died"
    assert alert.cause == "pipeline run worker # died"


@pytest.mark.parametrize("error", ["WarehouseBusyError", "DagsterAssetCheckFailedError", "GateError"])
def test_a_busy_home_is_no_failed_run_and_a_closed_gate_is_told_as_such(error):
    assert causes(failed("whatever", error)) == []


# ------------------------------------------------------------------ closed gate


def test_a_closed_gate_names_its_failing_checks_with_rows_and_remedy(home, webhook):
    close_gate(home, "jump", "range")
    [alert] = review(home).news
    assert alert.cause == "raw: raw/fred_observations jump, raw/fred_observations range"
    for part in ("raw/fred_observations jump", "series_id=fred.WTREGEN, value=95799", "raise jump_limit"):
        assert part in webhook.messages[0]["text"]


def test_another_set_of_failing_checks_is_another_cause_and_warnings_close_nothing(home, webhook):
    close_gate(home, "jump")
    review(home)
    close_gate(home, "jump", "range")
    review(home)
    assert list(webhook.told.values()) == [1, 1]
    close_gate(home, "jump", severity="warn")
    assert review(home).news == []


# ------------------------------------------------------------------ late source

# The close of Monday 10 November is held; Tuesday's is due 45 hours after its midnight, and four days of grace later late.
DUE = datetime(2025, 11, 16, 21, tzinfo=UTC)


def stale(home, now):
    with connect(home.warehouse_path, read_only=True) as con:
        return {alert.facts["series_id"]: alert for alert in conditions.source_stale(con, now)}


def test_a_series_is_late_one_second_after_its_grace_not_at_it(home):
    assert "fiscaldata.TGA_CLOSE" not in stale(home, DUE)
    alert = stale(home, DUE + timedelta(seconds=1))["fiscaldata.TGA_CLOSE"]
    assert alert.cause == "fiscaldata.TGA_CLOSE 2025-11-11"
    assert "due by 2025-11-16 21:00 UTC, the newest is of 2025-11-10" in alert.text
    assert "tidegauge doctor --only fiscaldata" in alert.remedy


def test_a_required_series_is_an_error_and_an_optional_one_a_warning(home):
    late = stale(home, DUE + timedelta(days=5))
    assert late["fiscaldata.TGA_CLOSE"].severity == "error"
    assert late["nyfed.EFFR"].severity == "warning"


def test_the_late_series_of_one_source_are_one_message(home, webhook):
    review(home.at(DUE + timedelta(days=9)))
    stale_messages = [each for each in webhook.messages if each["kind"] == "source_stale"]
    subjects = [each["alerts"][0]["subject"] for each in stale_messages]
    assert len(subjects) == len(set(subjects))
    [fred] = [each for each in stale_messages if each["alerts"][0]["subject"] == "fred"]
    required = [each["facts"]["is_required"] for each in fred["alerts"]]
    assert required == sorted(required, reverse=True), "what releases depend on comes first"
    assert {True, False} == set(required)
    assert fred["severity"] == "error"
    assert fred["text"].count("tidegauge doctor --only fred`") == 1


# ------------------------------------------------------------------ unlock ahead


def unlocks(home, rows, **settings):
    publish(home, f"r{abs(hash(rows))}", tga=CALM, unlocks=rows)
    return titles(home.model_copy(update=settings), "unlock_ahead")


def test_an_unlock_must_be_above_the_share(home):
    assert unlocks(home, cliff(20)) == []
    assert unlocks(home, cliff(20.01)) == ["Unlock ahead: hype 2.0 % of supply on 2025-11-15"]


def test_an_unlock_must_lie_ahead_within_the_days(home):
    # NOW is 12 November 22:00, seven days on is 19 November 22:00.
    rows = [cliff(900, token=day[-2:], at=day) for day in ("2025-11-12", "2025-11-13", "2025-11-19", "2025-11-20")]
    assert [title[:16] for title in unlocks(home, ", ".join(rows))] == ["Unlock ahead: 13", "Unlock ahead: 19"]


def test_recipients_of_one_day_are_one_unlock_and_sources_are_never_added(home):
    rows = f"{cliff(11)}, {cliff(11, to='investors')}, {cliff(19, source='tokenomist')}"
    [title] = unlocks(home, rows)
    assert title == "Unlock ahead: hype 2.2 % of supply on 2025-11-15"


def test_what_is_taken_back_or_has_no_known_supply_is_no_unlock(home):
    assert unlocks(home, f"{cliff(-500)}, {cliff(500, token='dark', of='null')}") == []


@pytest.mark.parametrize(("rate", "found"), [(2.85, 0), (2.9, 1)])
def test_of_a_linear_unlock_counts_what_comes_free_within_the_days(home, rate, found):
    row = f"('hype', 'defillama', 'linear', '2025-11-15 00:00:00+00', 'team', 900, {rate}, 1000, 'supply@day', 9000)"
    assert len(unlocks(home, row)) == found


def test_the_cause_is_the_event_of_the_calendar_and_names_the_value(home):
    publish(home, "second", tga=CALM, unlocks=cliff(250))
    [alert] = review(home).news
    assert alert.cause == "unlock:defillama:hype:cliff:2025-11-15"
    assert "250 tokens, 25.00 % of its circulating supply" in alert.text
    assert alert.facts["value_now_usd"] == 10_000


# ------------------------------------------------------------------ change of the Treasury's balance


def changes(home, rows):
    publish(home, f"r{abs(hash(rows))}", tga=rows)
    return titles(home, "tga_change")


@pytest.mark.parametrize(
    ("close", "expected"),
    [
        (1000e9, []),
        (800e9, []),
        (1000.1e9, ["TGA rose by 100 billion USD on 2025-11-10"]),
        (799.9e9, ["TGA fell by 100 billion USD on 2025-11-10"]),
    ],
)
def test_a_change_must_be_above_the_size_in_either_direction(home, close, expected):
    assert changes(home, f"('2025-11-07', 900e9, 0), ('2025-11-10', {close}, 0)") == expected


def test_a_carried_balance_is_no_close(home):
    rows = "('2025-11-06', 700e9, 0), ('2025-11-07', 790e9, 0), ('2025-11-08', 790e9, 1), ('2025-11-10', 895e9, 0)"
    assert changes(home, rows) == ["TGA rose by 105 billion USD on 2025-11-10"]


def test_old_changes_are_no_news(home):
    rows = "('2025-10-31', 900e9, 0), ('2025-11-02', 500e9, 0), ('2025-11-03', 900e9, 0), ('2025-11-10', 900e9, 0)"
    assert changes(home, rows) == ["TGA rose by 400 billion USD on 2025-11-03"]


def test_a_release_as_of_the_past_says_nothing_about_now(home):
    publish(home, "past", tga="('2025-11-07', 100e9, 0), ('2025-11-10', 900e9, 0)", as_of="2025-11-11T00:00:00+00:00")
    assert review(home).news == []


def test_the_first_failure_of_several_steps_does_not_hide_the_others():
    run = failed()
    both = (*run.failures, Failure("report", "KeyError", "'x'"))
    assert [alert.facts["step"] for alert in conditions.run_failed(failed(failures=both), NOW)] == ["extract", "report"]
