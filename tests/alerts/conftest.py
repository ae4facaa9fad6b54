"""A small home with a clean warehouse and a release, a webhook that counts what it is told, and runs that have ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.alerts.models import Failure, RunEnded
from orchestration.quality import RAW_CHECKS, CheckResult, store
from orchestration.settings import Settings, load_settings
from orchestration.warehouse import connect, release
from tests.quality.small_warehouse import NOW, fill_catalog, fill_raw
from tests.stub import Reply, Stub

TOKEN = "T0CANARY/B0CANARY/xyzCANARYxyz"
MACHINE = datetime(2025, 11, 12, 22, 5, tzinfo=UTC)
BROKEN = "stablecoins: whole history: HTTP 500: the provider is busy: try again later"


def failed(message: str = BROKEN, error: str = "SourceFailedError", step: str = "extract", **more) -> RunEnded:
    run = RunEnded("run-1", "pipeline", False, MACHINE, (Failure(step, error, message),))
    return replace(run, **more)


def succeeded(**more) -> RunEnded:
    return replace(RunEnded("run-2", "pipeline", True, MACHINE), **more)


class Webhook(Stub):
    """The test receiver: counts what arrived, per cause."""

    def __init__(self) -> None:
        super().__init__()
        self.script(Reply(b"ok"))

    @property
    def messages(self) -> list[dict]:
        return [json.loads(received.body) for received in self.received]

    @property
    def told(self) -> Counter[tuple[str, str]]:
        return Counter((each["kind"], each["cause"]) for message in self.messages for each in message["alerts"])

    def kinds(self) -> list[str]:
        """The kind of each message, and forget them."""
        found = [message["kind"] for message in self.messages]
        self.received.clear()
        return found


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server


@pytest.fixture(scope="session")
def clean_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("alerts") / "clean.duckdb"
    with connect(path) as con:
        fill_catalog(con)
        fill_raw(con)
    return path


def publish(settings: Settings, name: str, *, tga: str = "", unlocks: str = "", as_of: str | None = None) -> None:
    """A release whose marts hold these rows: `day, close, age` and the columns of `UNLOCK`, as SQL values."""
    with connect(settings.home / "build" / f"{name}.duckdb") as con:
        con.execute("create schema marts")
        con.execute(
            "create table marts.liquidity (day date, tga_daily_close_usd double, tga_daily_close_age_days bigint)"
        )
        con.execute(
            "create table marts.unlocks (token_id varchar, source varchar, kind varchar, unlock_at timestamptz, "
            "recipient varchar, amount_tokens double, rate_tokens_per_day double, circulating_denominator_tokens double, "
            "circulating_denominator_id varchar, value_now_usd double)"
        )
        if tga:
            con.execute(f"insert into marts.liquidity values {tga}")
        if unlocks:
            con.execute(f"insert into marts.unlocks values {unlocks}")
        release.publish(con, settings.releases_dir, name, {"as_of": as_of, "clock": str(NOW)}, keep=9)


def cliff(
    tokens: float,
    *,
    token: str = "hype",
    at: str = "2025-11-15",
    of: str = "1000.0",
    source: str = "defillama",
    to: str = "team",
) -> str:
    return f"('{token}', '{source}', 'cliff', '{at} 07:00:00+00', '{to}', {tokens}, null, {of}, 'supply@day', {tokens} * 40)"


def close_gate(settings: Settings, *names: str, severity: str = "error") -> None:
    """An evaluation of the raw gate in which these checks of FRED's table fail; without names it is open."""
    rows = {"failing_rows": [{"series_id": "fred.WTREGEN", "value": 95799}], "failing_count": 1}
    results = [
        CheckResult(
            check.gate,
            check.name,
            check.asset,
            check.name not in names,
            severity,
            check.description,
            check.remedy,
            **(rows if check.name in names else {}),
        )
        for check in RAW_CHECKS
        if check.asset == "raw/fred_observations"
    ]
    with connect(settings.warehouse_path) as con:
        state = store.current_state(con, "raw")
        store.store_results(con, results, gate="raw", run_id="run", state=state, evaluated_at=NOW)


CALM = "('2025-11-07', 900e9, 0), ('2025-11-10', 900e9, 0)"
JUMP = "('2025-11-07', 100e9, 0), ('2025-11-10', 900e9, 0)"


@pytest.fixture
def home(tmp_path: Path, clean_warehouse: Path, webhook: Webhook) -> Settings:
    """A home in which nothing is wrong at `NOW`, with the test receiver as webhook."""
    settings = load_settings(
        home=tmp_path / "home",
        alert_webhook_url=f"{webhook.url}/services/{TOKEN}",
        http_attempts=2,
        http_backoff_seconds=0.01,
        http_connect_timeout_seconds=0.3,
        http_read_timeout_seconds=0.3,
    ).at(NOW)
    settings.home.mkdir()
    settings.warehouse_path.write_bytes(clean_warehouse.read_bytes())
    publish(settings, "first", tga=CALM, unlocks=cliff(1))
    return settings
