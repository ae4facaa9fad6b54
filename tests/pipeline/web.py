"""The web server and daemon as `tidegauge ui` starts them, and what a browser asks them: GraphQL over loopback."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil
import requests

from orchestration.settings import PACKAGE_ROOT, Settings

Found = TypeVar("Found")

LONGEST_SECONDS = 240
"""The longest that anything here takes on a machine with other work; what has not come by then never will."""

REPOSITORY = {"repositoryLocationName": "tidegauge", "repositoryName": "__repository__"}
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


def until(what: str, look: Callable[[], Found | None], seconds: float = LONGEST_SECONDS) -> Found:
    """What `look` finds once it finds something."""
    ends = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < ends, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)
    return found


def command(settings: Settings, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """`tidegauge` with these arguments on a home, in a process group of its own, with no setting of this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TIDEGAUGE_", "DAGSTER_")) and not name.lower().endswith("_proxy")
    }
    quick = {
        "TIDEGAUGE_HTTP_BACKOFF_SECONDS": str(settings.http_backoff_seconds),
        "TIDEGAUGE_HTTP_BACKOFF_MAX_SECONDS": str(settings.http_backoff_max_seconds),
    }
    where = ["--home", str(settings.home), "--mirror", str(settings.mirror)]
    log = settings.home.with_name(f"{settings.home.name}-{arguments[0]}-{time.monotonic_ns()}.log")
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", *arguments, *where],
        cwd=PACKAGE_ROOT,
        env=kept | quick | environment,
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    process.log = log  # type: ignore[attr-defined]  # kept with its process, for said()
    return process


def said(process: subprocess.Popen[str]) -> str:
    """What a command has printed so far, in one line."""
    log: Path = process.log  # type: ignore[attr-defined]  # set by command()
    return " ".join(log.read_text("utf-8").split())


def end(process: subprocess.Popen[str]) -> None:
    """End a command with everything it has started: as Ctrl-C does, then without asking."""
    if process.poll() is not None:
        return
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    os.killpg(process.pid, signal.SIGINT)
    # Workers stand in the code server's group, or in one of their own.
    _, alive = psutil.wait_procs(family, timeout=30)
    for each in alive:
        each.kill()
    process.wait()


class Server:
    """A running `tidegauge ui`."""

    def __init__(self, url: str, process: subprocess.Popen[str], settings: Settings) -> None:
        self.url = url
        self.process = process
        self.settings = settings
        self.slept_over: datetime | None = None

    def ask(self, query: str, **variables: Any) -> Any:
        """The `data` of a GraphQL answer; an error in it fails the test."""
        answer = requests.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def answers(self) -> bool:
        """Whether the web server answers and has loaded the definitions."""
        assert self.process.poll() is None, said(self.process)
        try:
            found = self.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
        except requests.RequestException:
            return False
        return bool(found["repositoriesOrError"]["nodes"])

    def member(self, module: str) -> psutil.Process:
        """The process of the family that runs a module of Dagster's."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return next(each for each in family if any(word.startswith(module) for word in each.cmdline()))

    def launch(self, job: str, *, checks: list[tuple[list[str], str]] | None = None) -> str:
        """The id of a run of a job, or of these asset checks alone."""
        selector: dict[str, Any] = {**REPOSITORY, "jobName": job}
        if checks:
            handles = [{"assetKey": {"path": path}, "name": name} for path, name in checks]
            selector |= {"assetSelection": [], "assetCheckSelection": handles}
        found = self.ask(
            """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
                __typename
                ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
                ... on RunConfigValidationInvalid { errors { message } } ... on InvalidSubsetError { message }
            } }""",
            params={"selector": selector, "runConfigData": {}},
        )["launchRun"]
        assert found["__typename"] == "LaunchRunSuccess", found
        return str(found["run"]["runId"])

    def backfill(self, assets: list[list[str]], months: list[str]) -> str:
        """The id of an asset backfill of these months."""
        found = self.ask(
            """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
                __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
            } }""",
            params={"assetSelection": [{"path": path} for path in assets], "partitionNames": months, "title": "test"},
        )["launchPartitionBackfill"]
        assert found["__typename"] == "LaunchBackfillSuccess", found
        return str(found["backfillId"])

    def backfilled(self, backfill: str) -> str | None:
        """How a backfill ended, or None."""
        status = self.ask(
            "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }",
            id=backfill,
        )["partitionBackfillOrError"]["status"]
        return None if status in {"REQUESTED", "COMPLETING"} else str(status)

    def runs(self, **tags: str) -> list[dict[str, Any]]:
        """Runs with these tags (a dot of a tag's name is written `__`), newest first: id, status, tags."""
        wanted = [{"key": key.replace("__", "/"), "value": value} for key, value in tags.items()]
        found = self.ask(
            """query($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs { results {
                runId status jobName startTime endTime tags { key value }
            } } } }""",
            filter={"tags": wanted} if wanted else None,
        )["runsOrError"]["results"]
        return [each | {"tags": {tag["key"]: tag["value"] for tag in each["tags"]}} for each in found]

    def status(self, run: str) -> str:
        """The status of a run."""
        return next(str(each["status"]) for each in self.runs() if each["runId"] == run)

    def ended(self, run: str) -> str | None:
        """How a run ended, or None."""
        status = self.status(run)
        return status if status in ENDED else None

    def events(self, run: str) -> list[str]:
        """The messages of a run's event log, oldest first."""
        found = self.ask(
            """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
                ... on MessageEvent { message }
            } } ... on PythonError { message } } }""",
            id=run,
        )["logsForRun"]
        return [each.get("message", "") for each in found["events"]]

    def worker(self, run: str) -> psutil.Process | None:
        """The process that works on a run, once there is one."""
        found = re.search(r"Started process for run \(pid: (\d+)\)", "\n".join(self.events(run)))
        return psutil.Process(int(found[1])) if found else None

    def succeeds(self, run: str) -> None:
        """Wait until the run has ended, and well."""
        status = until(f"the end of run {run}", lambda: self.ended(run))
        assert status == "SUCCESS", (status, self.events(run)[-5:])


@contextmanager
def serving(settings: Settings) -> Iterator[Server]:
    """`tidegauge ui` on a home until the block ends; it has loaded the definitions."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = command(settings, "ui", "--port", str(port))
    try:
        server = Server(f"http://127.0.0.1:{port}", process, settings)
        until("an answer of the web server", server.answers)
        yield server
    finally:
        end(process)
