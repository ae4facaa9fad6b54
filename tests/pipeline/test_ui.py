"""The real web server and daemon on a filled home: looked at in a browser, launched from, killed, and beside the command.

One server for the whole file, and as few runs as can show it all: each is a process of its own. Every wait polls with a
deadline. The machine has slept for an hour before the first test: the last but one sees what the daemon made of that.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dagster._core.scheduler.instigation import ScheduleInstigatorData

from orchestration.assets.columns import OWNERS
from orchestration.runner import BUSY, DONE, open_instance
from orchestration.settings import Settings
from orchestration.warehouse import connect, release
from orchestration.warehouse.ledger import Ledger
from orchestration.warehouse.lock import hold
from tests.browser import chromium
from tests.pipeline.conftest import copy_of
from tests.pipeline.web import ENDED, REPOSITORY, Server, command, end, said, serving, until

pytestmark = pytest.mark.slow

ROOMS = {"catalog", "raw", "staging", "intermediate", "marts", "analytics", "report", "release"}
POLL_SECONDS = 10
"""run_monitoring.poll_interval_seconds of dagster.yaml."""
DRAWN_MS = 90_000

MONTHS = [f"2020-{month:02}" for month in range(4, 10)]
"""The half year before the home's first day."""
BACKFILLED = ("yahoo_chart", "coinmetrics_asset_metrics")
BOOKKEEPING = "_extracted_at, _response_sha256, _run_id"


@pytest.fixture(scope="module")
def server(live, mirror_process, tmp_path_factory) -> Iterator[Server]:
    """A server on a copy of the live home; its hourly schedule was on while the machine slept over one of its ticks."""
    settings, outcome = live
    assert outcome.exit_code == DONE, outcome.errors
    mirror_process.control(faults="", today="2025-11-12T22:00Z")
    with serving(copy_of(settings, tmp_path_factory.mktemp("server") / "home")) as server:
        server.slept_over = newest_tick()
        daemon = server.member("dagster._daemon")
        daemon.suspend()
        [switched] = server.ask(
            """mutation($selector: ScheduleSelector!) { startSchedule(scheduleSelector: $selector) {
                ... on ScheduleStateResult { scheduleState { status } } ... on PythonError { message }
            } }""",
            selector={**REPOSITORY, "scheduleName": "hourly"},
        ).values()
        assert switched == {"scheduleState": {"status": "RUNNING"}}
        with open_instance(server.settings) as instance:
            [state] = [each for each in instance.all_instigator_state() if each.name == "hourly"]
            began = (server.slept_over - timedelta(minutes=30)).timestamp()
            instance.update_instigator_state(state.with_data(ScheduleInstigatorData("7 * * * *", began)))
        daemon.resume()
        yield server


def newest_tick() -> datetime:
    """The newest instant of the hourly schedule."""
    now = datetime.now(UTC)
    tick = now.replace(minute=7, second=0, microsecond=0)
    return tick if tick <= now else tick - timedelta(hours=1)


@pytest.fixture(scope="module")
def page(server):
    """A window of a browser that must have nothing to complain about, and asks nobody but the server."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(DRAWN_MS)
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda sent: complaints.append(sent.url) if outside(sent.url, server.url) else None)
        yield page
        assert complaints == []


def outside(url: str, server: str) -> bool:
    return not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))


def raw_rows(settings: Settings, table: str) -> tuple[int, int]:
    """How many versions a raw table holds, and a checksum of them without bookkeeping, whatever their order."""
    with connect(settings.warehouse_path, read_only=True, wait_seconds=30) as con:
        return con.execute(
            f"select count(*), sum(hash(held)) from (select * exclude ({BOOKKEEPING}) from raw.{table}) as held"
        ).fetchone()


def test_the_graph_draws_every_room_and_an_asset_says_what_it_is(server, page):
    page.goto(f"{server.url}/asset-groups")
    page.wait_for_selector(f"svg foreignObject >> nth={len(ROOMS) - 1}")
    assert set(page.locator("svg foreignObject").all_text_contents()) == ROOMS
    page.goto(f"{server.url}/assets/marts/liquidity")
    page.get_by_text("net_liquidity_daily_usd").first.wait_for()
    text = page.inner_text("body")
    for shown in (*(owner.removeprefix("team:") for owner in OWNERS), "duckdb", "known_at"):
        assert shown in text


def test_one_asset_alone_is_materialized_at_a_click(server, page):
    page.goto(f"{server.url}/assets/catalog")
    page.get_by_role("button", name="Materialize").first.click()
    [run] = until(
        "the run that was clicked", lambda: [each for each in server.runs() if each["jobName"] == "__ASSET_JOB"]
    )
    server.succeeds(run["runId"])


def test_materialize_all_works_at_the_first_click_and_keeps_everyone_else_waiting(server, page):
    before = release.current(server.settings.releases_dir)
    page.goto(f"{server.url}/asset-groups")
    page.get_by_role("button", name="Materialize all").click()
    page.get_by_role("button", name="Latest", exact=True).click()
    page.get_by_role("button", name="Launch 1 run").click()
    [run] = until("the run that was clicked", lambda: server.runs(dagster__partition="2025-11"))
    until("its start", lambda: server.status(run["runId"]) == "STARTED")
    # The pool of one: what Dagster launches waits in its queue.
    second = server.launch("freshness")
    # The lock: what the command launches waits as long as it was told, and names whom it waited for.
    until("its lock", lambda: "\n".join(server.events(run["runId"])).count('Started execution of step "'))
    refused = command(
        server.settings, "backfill", "--from", "2020-04", "--to", "2020-09", TIDEGAUGE_BUSY_TIMEOUT_SECONDS="1"
    )
    try:
        assert refused.wait(120) == BUSY, said(refused)
    finally:
        end(refused)
    assert f"run {run['runId']} (process " in said(refused)
    assert server.status(run["runId"]) == "STARTED"
    assert server.status(second) == "QUEUED"
    server.succeeds(run["runId"])
    assert len(server.runs(dagster__partition="2025-11")) == 1
    after = release.current(server.settings.releases_dir)
    assert after.name.endswith(run["runId"][:8])
    assert after != before
    page.goto(f"{server.url}/runs/{run['runId']}")
    page.get_by_text("Success", exact=True).first.wait_for()


def test_a_killed_backfill_of_the_command_goes_on_and_ends_as_one_of_the_ui(server, live, mirror, tmp_path):
    settings = copy_of(live[0], tmp_path / "home")
    backfill = ["backfill", "--from", MONTHS[0], "--to", MONTHS[-1], "--only", "yahoo", "--only", "coinmetrics"]
    mirror.control(faults="yahoo:slow=60@1")
    killed = command(settings, *backfill)
    try:
        until("the first source loaded", lambda: "coinmetrics" in loaded(settings))
        os.kill(killed.pid, signal.SIGKILL)
    finally:
        end(killed)
    mirror.control(faults="")
    again = command(settings, *backfill)
    try:
        until("the end of its extraction", lambda: "backfilled" in events(settings))
        assert mirror.requests_of("yahoo") > 0
        assert mirror.requests_of("coinmetrics") == 0
        # The same months on the other home, twice, while the command builds its marts.
        asked = [server.backfill([["raw", table] for table in BACKFILLED], MONTHS) for _ in range(2)]
        assert again.wait(240) == DONE, said(again)
    finally:
        end(again)
    assert "backfill 2020-04..2020-09 goes on: coinmetrics are loaded already" in said(again)
    first, repeated = sorted((only_run(server, backfill) for backfill in asked), key=lambda run: run["startTime"])
    for table in BACKFILLED:
        assert raw_rows(server.settings, table) == raw_rows(settings, table), table
    with connect(server.settings.warehouse_path, read_only=True) as con:
        seen, new, changed = "sum(rows_seen)", "sum(rows_new)", "sum(rows_changed)"
        counts = [
            con.execute(f"select {seen}, {new}, {changed} from raw.loads where run_id = ?", [run["runId"]]).fetchone()
            for run in (first, repeated)
        ]
    assert counts[0][1] > 500
    assert counts[1] == (counts[0][0], 0, 0)


def loaded(settings: Settings) -> set[str]:
    """The providers that the backfill has loaded without a failure."""
    return {
        line["provider"] for line in Ledger(settings.ledger_path).entries() if line.get("months") and "loads" in line
    }


def events(settings: Settings) -> set[str]:
    """What the ledger of a home has seen."""
    return {line["event"] for line in Ledger(settings.ledger_path).entries()}


def only_run(server: Server, backfill: str) -> dict:
    """The one run a backfill has launched, over all its months."""
    assert until("the end of the backfill", lambda: server.backfilled(backfill)) == "COMPLETED_SUCCESS"
    [run] = server.runs(dagster__backfill=backfill)
    assert run["tags"]["dagster/asset_partition_range_start"] == MONTHS[0]
    assert run["tags"]["dagster/asset_partition_range_end"] == MONTHS[-1]
    return run


def test_a_killed_worker_is_noticed_and_its_run_started_once_more(server, mirror):
    mirror.control(faults="stablecoins:slow=120@1")
    run = server.launch("snapshots")
    # It has loaded one source and waits for another, with the warehouse open.
    ledger = Ledger(server.settings.ledger_path)
    until("the first source loaded", lambda: any(line.get("run_id") == run for line in ledger.entries()))
    worker = until("its worker", lambda: server.worker(run))
    worker.kill()
    mirror.control(faults="")
    with hold(server.settings.home, 30, "tidegauge backfill"):
        until("the death noticed", lambda: server.status(run) == "FAILURE", 3 * POLL_SECONDS)
        [retry] = until("the second start", lambda: server.runs(dagster__parent_run_id=run))
        # Its slot of the pool is free, but a command has come first.
        until("its wait", lambda: "for tidegauge backfill (process " in "\n".join(server.events(retry["runId"])))
        assert server.status(retry["runId"]) == "STARTED"
    server.succeeds(retry["runId"])
    assert retry["tags"]["dagster/retry_number"] == "1"
    assert len(server.runs(dagster__root_run_id=run)) == 1
    with connect(server.settings.warehouse_path, read_only=True) as con:
        found = con.execute(
            "select status from raw.loads where run_id = ? and provider = 'stablecoins'", [retry["runId"]]
        )
        assert found.fetchall() == [("loaded",)]


def test_a_daemon_that_slept_over_a_tick_catches_up_once(server):
    instant = server.slept_over
    run_key = instant.isoformat()
    [run] = until("the tick's run", lambda: server.runs(dagster__run_key=run_key, dagster__schedule_name="hourly"))
    server.succeeds(run["runId"])
    ticks = server.ask(
        """query($selector: ScheduleSelector!) { scheduleOrError(scheduleSelector: $selector) { ... on Schedule {
            scheduleState { ticks { timestamp status runIds } }
        } } }""",
        selector={**REPOSITORY, "scheduleName": "hourly"},
    )["scheduleOrError"]["scheduleState"]["ticks"]
    of_the_instant = [each for each in ticks if each["timestamp"] == instant.timestamp()]
    assert [(each["status"], each["runIds"]) for each in of_the_instant] == [("SUCCESS", [run["runId"]])]
    # What had to wait for the others has had its turn.
    until("the end of every run", lambda: {each["status"] for each in server.runs()} <= ENDED)
    assert {each["status"] for each in server.runs() if each["jobName"] == "freshness"} <= {"SUCCESS"}


@pytest.mark.parametrize(
    ("day", "skipped"),
    [("2025-11-26", None), ("2025-11-27", "no session in New York on 2025-11-27 (XNYS)")],
)
def test_the_daily_tick_of_a_holiday_is_skipped_with_its_reason(server, day, skipped):
    instant = datetime.fromisoformat(f"{day}T18:00").replace(tzinfo=ZoneInfo("America/New_York"))
    [tick] = server.ask(
        """mutation($selector: ScheduleSelector!, $instant: Float) {
            scheduleDryRun(selectorData: $selector, timestamp: $instant) { ... on DryRunInstigationTick {
                evaluationResult { skipReason runRequests { runKey tags { key value } } error { message } }
            } }
        }""",
        selector={**REPOSITORY, "scheduleName": "daily"},
        instant=instant.timestamp(),
    ).values()
    found = tick["evaluationResult"]
    assert found["error"] is None
    assert found["skipReason"] == skipped
    assert [each["runKey"] for each in found["runRequests"]] == ([] if skipped else [instant.isoformat()])


def test_a_closed_gate_shows_its_failing_rows(server, page):
    with hold(server.settings.home, 30), connect(server.settings.warehouse_path) as con:
        con.execute(
            "update raw.fredgraph_observations set value = (value::double * 10)::varchar "
            "where series_id = 'WALCL' and observation_date = '2025-10-29'"
        )
    run = server.launch("__ASSET_JOB", checks=[(["raw", "fredgraph_observations"], "gate")])
    until("the end of the check", lambda: server.ended(run))
    page.goto(f"{server.url}/assets/raw/fredgraph_observations?view=checks&checkDetail=gate")
    page.get_by_text("jump: failing rows").first.wait_for()
    page.get_by_role("cell", name="fred.WALCL").first.wait_for()
