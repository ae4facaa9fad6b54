"""Rows, loads and databases for the tests of the warehouse room."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.catalog.tables import RAW_TABLES
from orchestration.warehouse import raw

ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2025, 11, 12, 22, 0, tzinfo=UTC)

# One usable row per table that the tests vary.
GOOD: dict[str, dict[str, str | None]] = {
    "fred_observations": {
        "series_id": "WALCL",
        "date": "2025-11-05",
        "value": "6587034",
        "realtime_start": "2025-11-12",
        "realtime_end": "2025-11-12",
    },
    "fredgraph_observations": {"series_id": "WALCL", "observation_date": "2025-11-05", "value": "6587034"},
    "fiscaldata_operating_cash_balance": {
        "record_date": "2025-11-10",
        "account_type": "Treasury General Account (TGA) Closing Balance",
        "close_today_bal": "null",
        "open_today_bal": "943837",
    },
    "coinmetrics_asset_metrics": {
        "asset": "btc",
        "time": "2025-11-10T00:00:00.000000000Z",
        "PriceUSD": "106001.5",
        "CapMrktCurUSD": "2114000000000.25",
        "SplyCur": None,
    },
    "coingecko_markets": {
        "id": "bitcoin",
        "snapshot_date": "2025-11-12",
        "symbol": "btc",
        "name": "Bitcoin",
        "current_price": "101700",
        "market_cap": "2030000000000",
        "circulating_supply": "19947000",
        "last_updated": "2025-11-12T21:59:00.000Z",
    },
    "coinmetrics_catalog": {
        "asset": "btc",
        "metric": "PriceUSD",
        "frequency": "1d",
        "community": "true",
        "min_time": "2010-07-18T00:00:00.000000000Z",
        "max_time": "2025-11-11T00:00:00.000000000Z",
    },
    "coingecko_market_chart": {"id": "solana", "timestamp": "1762905600000", "price": "155.5", "market_cap": "8.6e10"},
    "coinmarketcap_history": {"timestamp": "2025-11-12T00:00:00.000Z", "totalMarketCap": "3.45e12"},
    "coinmarketcap_global_metrics": {
        "snapshot_date": "2025-11-12",
        "last_updated": "2025-11-12T21:59:00.000Z",
        "total_market_cap": "3.45e12",
    },
    "ecos_statistics": {"series_id": "KOSPI", "TIME": "20251111", "DATA_VALUE": "4106.39"},
    "stablecoins_charts": {
        "date": "1762905600",
        "peg": "peggedUSD",
        "totalCirculating": "305000000000",
        "totalCirculatingUSD": "305100000000",
        "totalMintedUSD": "1",
        "is_provisional": "true",
    },
    "yahoo_chart": {
        "symbol": "^GSPC",
        "timestamp": "1762957800",
        "close": "6850.92",
        "currency": "USD",
        "exchange_timezone": "America/New_York",
        "is_live": "false",
    },
    "cboe_vix_history": {"DATE": "11/11/2025", "OPEN": "17.8", "HIGH": "18.1", "LOW": "17.2", "CLOSE": "17.28"},
    "llama_unlock_events": {
        "slug": "hyperliquid",
        "timestamp": "1764374400",
        "allocation_kind": "cliff",
        "recipient": "Core Contributors",
        "ordinal": "0",
        "amount": "9916667",
    },
    "llama_emissions": {"slug": "hyperliquid", "label": "Team", "timestamp": "1764374400", "unlocked": "325581.4"},
    "tradingview_bars": {"symbol": "CRYPTOCAP:TOTAL", "time": "1762905600", "close": "3.4e12", "file_name": "a.csv"},
}


def hours(count: float) -> datetime:
    """An instant so many hours after AT."""
    return AT + timedelta(hours=count)


def batch(name: str, *changes: dict[str, str | None], at: datetime = AT, sha: str | None = None) -> raw.Batch:
    """Rows of one answer: GOOD[name] with each of `changes`; without changes, the good row itself."""
    rows = [GOOD[name] | change for change in changes or ({},)]
    sha = sha or hashlib.sha256(json.dumps([rows, at.isoformat()]).encode()).hexdigest()
    return raw.Batch(RAW_TABLES[name], arrow(name, [(row, at, sha) for row in rows]))


def arrow(name: str, rows: Iterable[tuple[dict[str, str | None], datetime, str]]) -> pa.Table:
    """Rows with their instant and answer as the Arrow table that extraction hands over."""
    rows = list(rows)
    columns: dict[str, Any] = {
        column: pa.array([row.get(column) for row, _, _ in rows], pa.string())
        for column in [*RAW_TABLES[name].column_names, "_extra"]
    }
    columns["_extracted_at"] = pa.array([at for _, at, _ in rows], pa.timestamp("us", tz="UTC"))
    columns["_response_sha256"] = pa.array([sha for _, _, sha in rows], pa.string())
    return pa.table(columns)


def load(con: duckdb.DuckDBPyConnection, *batches: raw.Batch, run_id: str = "run") -> list[raw.Loaded]:
    """Load batches as one answer of their provider."""
    circumstances = raw.Load(run_id, batches[0].table.provider, 1, AT, AT)
    return raw.load(con, circumstances, batches)


def load_row(
    con: duckdb.DuckDBPyConnection, name: str, *changes: dict[str, str | None], at: datetime = AT
) -> raw.Loaded:
    """Load one answer for one table; returns its counts."""
    return load(con, batch(name, *changes, at=at))[0]


def counts(done: raw.Loaded) -> tuple[int, int, int, int]:
    """seen, new, changed, quarantined."""
    return done.seen, done.new, done.changed, done.quarantined


def content(con: duckdb.DuckDBPyConnection, name: str) -> list[tuple[Any, ...]]:
    """All versions of a raw table without the run that wrote them."""
    return con.execute(f'select * exclude (_run_id) from raw."{name}" order by all').fetchall()


def everything(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    """Content of every raw table and of the quarantine, without run and load ids."""
    found = {name: content(con, name) for name in RAW_TABLES}
    found["quarantine"] = con.execute("select * exclude (load_id, _run_id) from raw.quarantine order by all").fetchall()
    return found


def refused(con: duckdb.DuckDBPyConnection) -> list[tuple[str, dict[str, Any]]]:
    """Reason and payload of every quarantined row."""
    rows = con.execute("select reason, payload from raw.quarantine order by all").fetchall()
    return [(reason, json.loads(payload)) for reason, payload in rows]


def assert_loads_add_up(con: duckdb.DuckDBPyConnection) -> None:
    """Every row belongs to exactly one committed load."""
    claimed = dict(
        con.execute("select dataset, sum(rows_new + rows_changed)::bigint from raw.loads group by all").fetchall()
    )
    for name in RAW_TABLES:
        held = con.execute(f'select count(*) from raw."{name}"').fetchone()
        assert held == (claimed.get(name, 0),), name
