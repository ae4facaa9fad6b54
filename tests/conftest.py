"""What every test may use: a clean environment, the mirror of the providers, and a scripted HTTP server."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.stub import Stub

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes goes first: a worker takes whole files, and none should be left with such a one at the end."""
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, item.path.name != "test_ui.py"))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of this machine, no `.env` and nothing that an earlier test left behind reaches a test."""
    # A run of Dagster in this process sets the level of its managed loggers and leaves it so.
    logging.getLogger("orchestration").setLevel(logging.NOTSET)
    for name in list(os.environ):
        if name.startswith("TIDEGAUGE_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


class Mirror:
    """The running mirror of the providers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def control(self, **change: object) -> None:
        """Set faults or clock; counters start anew."""
        requests.post(f"{self.url}/__control", json={"reset": True, **change}, timeout=5).raise_for_status()

    def requests_of(self, provider: str) -> int:
        """Requests of a provider since the last control."""
        seen = requests.get(f"{self.url}/__stats", timeout=5).json()["providers"]
        return int(seen.get(provider, {}).get("requests", 0))


@pytest.fixture(scope="session")
def mirror_process() -> Iterator[Mirror]:
    """One mirror for all tests of a session."""
    server = SHARED / "mirror" / "serve.py"
    if not server.is_file():
        pytest.skip(f"no mirror of the providers at {server}")
    command = [sys.executable, str(server), "--port", "0", "--today", "2025-11-12T22:00Z"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert found, "the mirror did not say where it listens"
            yield Mirror(found[0])
        finally:
            process.terminate()


@pytest.fixture
def mirror(mirror_process: Mirror) -> Iterator[Mirror]:
    """The mirror at 2025-11-12T22:00Z without faults; what a test changes is undone after it."""
    mirror_process.control(faults="", today="2025-11-12T22:00Z")
    yield mirror_process
    mirror_process.control(faults="", today="2025-11-12T22:00Z")


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A server on this machine that answers as scripted and remembers what it was asked."""
    with Stub() as server:
        yield server
