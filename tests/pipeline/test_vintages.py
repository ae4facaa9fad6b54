"""From FRED's windows to point-in-time figures: thousands of vintages, read in parts, merged, and built as of an instant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import duckdb
import pytest

from orchestration.catalog import Catalog, load_catalog
from orchestration.catalog.events import load_events
from orchestration.catalog.tables import RAW_TABLES
from orchestration.extract.base import Held, Window
from orchestration.extract.progress import Progress
from orchestration.extract.run import Harvest, harvest_live
from orchestration.settings import Settings, load_settings
from orchestration.warehouse import connect, definitions, raw
from orchestration.warehouse.cursors import described_series, vintage_cursors
from tests.pipeline.conftest import build_models
from tests.stub import Reply, Stub

pytestmark = pytest.mark.slow

START = date(2013, 1, 1)
FIRST_VINTAGE = date(2013, 2, 1)
MOST = 2000


@dataclass(frozen=True)
class Value:
    """A value of a period, in force from one US date to another (None: still)."""

    period: date
    since: date
    until: date | None
    text: str


class Alfred:
    """One series that is revised every day, one period a day; a new period appears on the first of each month."""

    def __init__(self, vintages: int) -> None:
        self.dates = [FIRST_VINTAGE + timedelta(days=n) for n in range(vintages)]
        changes: dict[date, list[tuple[date, str]]] = {}
        for number, day in enumerate(self.dates):
            known = list(changes)
            period = (
                (day.replace(day=1) - timedelta(days=1)).replace(day=1) if day.day == 1 else known[number % len(known)]
            )
            changes.setdefault(period, []).append((day, str(1000 + number)))
        self.values = [
            Value(period, since, later[0] - timedelta(days=1) if later else None, text)
            for period, steps in changes.items()
            for (since, text), later in zip(steps, [*steps[1:], None], strict=True)
        ]

    @property
    def today(self) -> date:
        return self.dates[-1]

    def in_force(self, day: date) -> dict[date, float]:
        return {v.period: float(v.text) for v in self.values if v.since <= day and (v.until is None or v.until >= day)}

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        path, asked = urlsplit(handler.path).path, dict(parse_qsl(urlsplit(handler.path).query))
        if path == "/fred/series":
            self._say(handler, {"seriess": [{"id": asked["series_id"], "units": "Billions of Dollars"}]})
            return
        start = date.fromisoformat(asked["realtime_start"])
        end = date.fromisoformat(asked.get("realtime_end", self.today.isoformat()))
        assert end <= self.today, "FRED refuses a day after its today"
        spanned = [day for day in self.dates if start <= day <= end]
        if path == "/fred/series/vintagedates":
            limit = int(asked["limit"])
            self._say(handler, {"count": len(spanned), "vintage_dates": [str(day) for day in spanned[:limit]]})
        elif len(spanned) > MOST:
            text = f"Bad Request.  There are {len(spanned)} vintage dates in the specified real-time period"
            self._say(handler, {"error_code": 400, "error_message": text}, 400)
        else:
            rows = [
                {
                    "realtime_start": str(max(value.since, start)),
                    "realtime_end": str(min(value.until or end, end)),
                    "date": str(value.period),
                    "value": value.text,
                }
                for value in sorted(self.values, key=lambda v: (v.period, v.since))
                if value.since <= end
                and (value.until is None or value.until >= start)
                and asked["observation_start"] <= str(value.period) <= asked["observation_end"]
            ]
            window = {"realtime_start": str(start), "realtime_end": str(end)}
            self._say(handler, window | {"count": len(rows), "offset": 0, "observations": rows})

    def _say(self, handler: BaseHTTPRequestHandler, value: object, status: int = 200) -> None:
        Reply(json.dumps(value).encode(), status)(handler)


@pytest.fixture(scope="module")
def small() -> Catalog:
    """The catalog with one series of FRED."""
    catalog = load_catalog()
    entry = catalog.provider("fred")
    series = catalog.find("fred.M2SL")
    only = entry.model_copy(update={"series": (series,), "releases": (series.release,), "exceptions": ()})
    return catalog.model_copy(update={"providers": {**catalog.providers, "fred": only}})


def read(stub: Stub, source: Alfred, settings: Settings, catalog: Catalog, con: duckdb.DuckDBPyConnection) -> Harvest:
    """What a run does between FRED and the raw tables."""
    stub.script(source)
    stub.received.clear()
    now = datetime(source.today.year, source.today.month, source.today.day, 22, tzinfo=UTC)
    held = Held(vintage_cursors(con), described_series(con))
    (harvest,) = harvest_live(
        catalog, settings.at(now), lambda provider, key: Window(START, source.today), {"fred": None}, Progress(), held
    )
    assert harvest.failures == []
    batches = [raw.Batch(RAW_TABLES[name], rows) for name, rows in harvest.tables.items()]
    raw.load(con, raw.Load("run", "fred", harvest.responses, min(harvest.fetched), max(harvest.fetched)), batches)
    return harvest


def build(settings: Settings, as_of: datetime | None = None) -> dict[date, tuple[float, float, datetime]]:
    """Value, first release and known_at per period, after dbt built them."""
    build_models(settings, "+int_observations", as_of=as_of)
    with connect(settings.warehouse_path, read_only=True) as con:
        rows = con.execute(
            "select period_date, value / 1e9, first_released_value / 1e9, known_at from intermediate.int_observations"
        ).fetchall()
    return {period: (value, first, known) for period, value, first, known in rows}


def test_an_as_of_build_reads_what_was_public_then(stub: Stub, small: Catalog, tmp_path: Path) -> None:
    early, late = Alfred(4500), Alfred(4530)
    settings = load_settings(home=tmp_path / "home", fred_base_url=stub.url, fred_api_key="a" * 32)
    settings.home.mkdir()
    with connect(settings.warehouse_path) as con:
        raw.create_tables(con)
        definitions.replace(con, definitions.frames(small, load_events(), START, late.today), "digest")
        first = read(stub, early, settings, small, con)
        assert [request.path.rsplit("/", 1)[1] for request in stub.received] == [
            *["vintagedates", "observations"] * 3,
            "series",
        ]
        assert first.tables["fred_vintages"].num_rows > len(early.values), (
            "windows overlap and clip: there is work to do"
        )

    now = build(settings)
    assert {period: value for period, (value, _, _) in now.items()} == early.in_force(early.today)
    with connect(settings.warehouse_path, read_only=True) as con:
        merged = con.execute(
            "select period_date, vintage_date, value_native::varchar from staging.stg_fred__vintages"
        ).fetchall()
    assert sorted(merged) == sorted((v.period, v.since, f"{float(v.text)}") for v in early.values)

    # A boundary between two windows, at 13:00 in New York, the hour of the H.6; a second earlier the day before counts.
    boundary = early.dates[MOST - 1]
    instant = datetime(boundary.year, boundary.month, boundary.day, 13, tzinfo=ZoneInfo("America/New_York")).astimezone(
        UTC
    )
    then = build(settings, instant)
    assert {period: value for period, (value, _, _) in then.items()} == early.in_force(boundary)
    before = build(settings, instant - timedelta(seconds=1))
    assert {period: value for period, (value, _, _) in before.items()} == early.in_force(boundary - timedelta(days=1))
    firsts = {period: first for period, (_, first, _) in now.items()}
    assert {period: first for period, (_, first, _) in then.items()} == {period: firsts[period] for period in then}
    assert firsts[date(2013, 1, 1)] == 1000

    with connect(settings.warehouse_path) as con:
        read(stub, late, settings, small, con)
    (request, *_) = stub.received
    assert request.query["realtime_start"] == str(max(day for day in early.dates if day.day == 1))
    assert build(settings, instant) == then
    latest = build(settings)
    assert {period: value for period, (value, _, _) in latest.items()} == late.in_force(late.today)
    assert latest != now
