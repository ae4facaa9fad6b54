"""Builds `sample/`: an archive of small, rounded excerpts that `tidegauge demo` replays.

For maintainers, against a mirror whose clock can be moved. What is kept and how coarse it is is decided here; who
publishes it and under which terms stands in sample/SOURCES.md.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import requests

from orchestration.catalog import Catalog, load_catalog
from orchestration.extract.archive import EXCERPT, Archive
from orchestration.extract.base import Exchange, Window
from orchestration.extract.coinmetrics import CATALOG
from orchestration.extract.progress import Progress
from orchestration.extract.run import active_providers, harvest_live
from orchestration.settings import ConfigurationError, load_settings

WINDOWS = (Window(date(2020, 11, 1), date(2021, 11, 30)), Window(date(2024, 11, 1), date(2025, 11, 12)))
"""The two years that are compared: the bull market of 2021 and the year to November 2025."""

YEAR_BEFORE = timedelta(days=400)
"""Monthly price indices keep a year more: inflation is a rate over twelve months."""

CLOCK = datetime(2025, 11, 12, 22, 0, tzinfo=UTC)
DIGITS = 5
LIMIT_BYTES = 3_000_000

FRED = (
    *("WALCL", "WTREGEN", "WDTGAL", "RRPONTSYD", "DFF", "DFEDTARU", "DFEDTARL", "EFFR", "SOFR"),
    *("DGS2", "DGS10", "DFII10", "T10YIE", "M2SL", "CPIAUCSL", "DTWEXBGS"),
)
YAHOO = ("^GSPC", "^IXIC", "^KS11", "000001.SS", "DX-Y.NYB", "KRW=X", "CNY=X")
COINS = ("btc", "eth")
SLUGS = 20
UNIVERSE = 60
UNIVERSE_FIELDS = (
    *("id", "symbol", "name", "current_price", "market_cap", "market_cap_rank", "total_volume"),
    *("circulating_supply", "total_supply", "max_supply", "last_updated"),
)
LEFT_OUT = ("fiscaldata_auctions", "fiscaldata_upcoming_auctions")
TGA_ROWS = (
    "Federal Reserve Account",
    "Treasury General Account (TGA)",
    "Treasury General Account (TGA) Closing Balance",
)


def build_sample(mirror: str, out: Path, inbox: Path | None) -> int:
    """Fetch, excerpt and round; replaces the archive in `out` and returns its size in bytes.

    Raises:
        ConfigurationError: a source failed, or the result is larger than LIMIT_BYTES.
    """
    catalog = _reduced(load_catalog())
    with tempfile.TemporaryDirectory() as folder:
        fetched = Archive(Path(folder) / "archive")
        for month in _snapshot_instants():
            _fetch(mirror, month, Path(folder), catalog, inbox, only=("coingecko",))
        _fetch(mirror, CLOCK, Path(folder), catalog, inbox)
        for part in out.iterdir() if out.is_dir() else ():
            if part.is_dir():
                shutil.rmtree(part)
        kept = Archive(out)
        for exchange in fetched.read():
            excerpt = EXCERPTS[exchange.request.provider]
            kept.write(replace(exchange, body=excerpt(exchange), headers={}))
        (out / EXCERPT).write_text("Shortened and rounded for demonstration; see SOURCES.md.\n", "utf-8")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if size > LIMIT_BYTES:
        raise ConfigurationError(f"{out} has {size:,} bytes, more than {LIMIT_BYTES:,}: keep less")
    return size


def _reduced(catalog: Catalog) -> Catalog:
    """The catalog with what the sample leaves out taken out."""
    keep = {"fred": FRED, "yahoo": YAHOO}
    providers = {}
    for name, provider in catalog.providers.items():
        wanted = keep.get(name)
        series = tuple(s for s in provider.series if wanted is None or s.key in wanted)
        assets = tuple(asset for asset in provider.assets if asset in COINS)
        datasets = tuple(dataset for dataset in provider.datasets if dataset.name not in LEFT_OUT)
        providers[name] = provider.model_copy(
            update={"series": series, "assets": assets, "slugs": provider.slugs[:SLUGS], "datasets": datasets}
        )
    return catalog.model_copy(update={"providers": providers})


def _snapshot_instants() -> Iterable[datetime]:
    """Five minutes into the second day of every month: the mirror holds the close of the first day."""
    for window in WINDOWS:
        month = window.start.replace(day=1)
        while month <= window.end:
            yield datetime(month.year, month.month, 2, 0, 5, tzinfo=UTC)
            month = (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def _fetch(
    mirror: str, clock: datetime, home: Path, catalog: Catalog, inbox: Path | None, only: tuple[str, ...] = ()
) -> None:
    requests.post(f"{mirror}/__control", json={"today": clock.isoformat()}, timeout=10).raise_for_status()
    settings = load_settings(home=home, mirror=mirror, inbox=inbox).at(clock)
    window = Window(WINDOWS[0].start - YEAR_BEFORE, clock.date())
    with Progress() as progress:
        active = active_providers(settings, only or tuple(EXCERPTS))
        for harvest in harvest_live(catalog, settings, lambda p, k: window, active, progress):
            if harvest.failures:
                raise ConfigurationError("; ".join(str(error) for error, _ in harvest.failures))


def _inside(day: date) -> bool:
    return any(window.start <= day <= window.end for window in WINDOWS)


def rounded(value: Any) -> Any:
    """A number, or its text, with five significant digits; anything else as it is."""
    if value is None or isinstance(value, bool):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value
    plain = format(Decimal(f"{number:.{DIGITS}g}"), "f")
    return plain if isinstance(value, str) else json.loads(plain)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _csv(body: bytes, day_of: Callable[[str], date], *, whole: bool = False) -> bytes:
    header, *lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for line in lines:
        if line and (whole or _inside(day_of(line[0]))):
            writer.writerow([line[0], *(rounded(cell) if cell else cell for cell in line[1:])])
    return out.getvalue().encode()


def _fredgraph(exchange: Exchange) -> bytes:
    return _csv(exchange.body, date.fromisoformat, whole=exchange.request.context["series_id"] == "CPIAUCSL")


def _cboe(exchange: Exchange) -> bytes:
    return _csv(exchange.body, lambda text: datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC).date())


def _tradingview(exchange: Exchange) -> bytes:
    return _csv(exchange.body, lambda text: datetime.fromtimestamp(int(text), UTC).date())


def _fiscaldata(exchange: Exchange) -> bytes:
    body = json.loads(exchange.body)
    balances = ("close_today_bal", "open_today_bal", "open_month_bal", "open_fiscal_year_bal")
    rows = [
        {name: rounded(value) if name in balances else value for name, value in row.items()}
        for row in body["data"]
        if row["account_type"] in TGA_ROWS and _inside(date.fromisoformat(row["record_date"]))
    ]
    return _json({"data": rows, "meta": {"count": len(rows), "total-count": len(rows), "total-pages": 1}})


def _coinmetrics(exchange: Exchange) -> bytes:
    if exchange.request.path == CATALOG:
        return exchange.body
    rows = [
        {name: value if name in ("asset", "time") else rounded(value) for name, value in row.items()}
        for row in json.loads(exchange.body)["data"]
        if _inside(date.fromisoformat(row["time"][:10]))
    ]
    return _json({"data": rows})


def _coingecko(exchange: Exchange) -> bytes:
    coins = json.loads(exchange.body)[:UNIVERSE]
    text = ("id", "symbol", "name", "market_cap_rank", "last_updated")
    return _json([{f: coin[f] if f in text else rounded(coin[f]) for f in UNIVERSE_FIELDS} for coin in coins])


def _stablecoins(exchange: Exchange) -> bytes:
    days = [
        {"date": day["date"]}
        | {
            name: {peg: rounded(amount) for peg, amount in day[name].items()}
            for name in ("totalCirculating", "totalCirculatingUSD")
        }
        for day in json.loads(exchange.body)
        if _inside(datetime.fromtimestamp(int(day["date"]), UTC).date())
    ]
    return _json(days)


def _yahoo(exchange: Exchange) -> bytes:
    [result] = json.loads(exchange.body)["chart"]["result"]
    meta = result["meta"]
    zone = ZoneInfo(meta["exchangeTimezoneName"])
    kept = [i for i, stamp in enumerate(result["timestamp"]) if _inside(datetime.fromtimestamp(stamp, zone).date())]
    quote = result["indicators"]["quote"][0]
    return _json(
        {
            "chart": {
                "result": [
                    {
                        "meta": {
                            name: meta[name]
                            for name in ("currency", "symbol", "exchangeTimezoneName", "currentTradingPeriod")
                        },
                        "timestamp": [result["timestamp"][i] for i in kept],
                        "indicators": {
                            "quote": [
                                {
                                    name: [rounded(quote[name][i]) for i in kept]
                                    for name in ("open", "high", "low", "close")
                                }
                            ]
                        },
                    }
                ],
                "error": None,
            }
        }
    )


def _llama(exchange: Exchange) -> bytes:
    body = json.loads(exchange.body)
    amounts = ("amount", "previousRatePerWeek", "newRatePerWeek")
    events = [
        {
            "timestamp": event["timestamp"],
            **{
                kind: [{k: rounded(v) if k in amounts else v for k, v in each.items()} for each in event.get(kind, [])]
                for kind in ("cliffAllocations", "linearAllocations")
            },
        }
        for event in body["metadata"]["unlockEvents"]
    ]
    sections = [
        {
            "label": section["label"],
            "data": [
                {"timestamp": point["timestamp"], "unlocked": rounded(point["unlocked"])}
                for index, point in enumerate(section["data"])
                if index % 30 == 0 or index == len(section["data"]) - 1
            ],
        }
        for section in body["documentedData"]["data"]
    ]
    metadata = {name: body["metadata"].get(name) for name in ("token", "sources", "total")}
    return _json(
        {
            "name": body["name"],
            "gecko_id": body["gecko_id"],
            "documentedData": {"data": sections},
            "metadata": {**metadata, "unlockEvents": events},
            "categories": body.get("categories"),
            "supplyMetrics": body.get("supplyMetrics"),
        }
    )


EXCERPTS: dict[str, Callable[[Exchange], bytes]] = {
    "fredgraph": _fredgraph,
    "fiscaldata": _fiscaldata,
    "coinmetrics": _coinmetrics,
    "coingecko": _coingecko,
    "stablecoins": _stablecoins,
    "yahoo": _yahoo,
    "cboe": _cboe,
    "llama": _llama,
    "tradingview": _tradingview,
    "schedules": lambda exchange: exchange.body,
}
