"""Small good bodies of every provider's documented shape, and short ways to read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from orchestration.catalog import Catalog, Provider, load_catalog
from orchestration.catalog.tables import RAW_TABLES
from orchestration.extract import coinmarketcap, coinmetrics
from orchestration.extract.base import Exchange, Plan, Request, Row, Window, to_arrow
from orchestration.extract.run import MODULES
from orchestration.settings import Settings, load_settings

NOW = datetime(2025, 11, 12, 22, 0, tzinfo=UTC)
WINDOW = Window(date(2025, 10, 1), date(2025, 11, 12))
RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"

PAGE_OF_HTML = b"<!DOCTYPE html><html><title>Just a moment...</title></html>"


def dumps(value: Any) -> bytes:
    """JSON bytes."""
    return json.dumps(value).encode()


@cache
def catalog() -> Catalog:
    """The catalog of the package."""
    return load_catalog()


def settings(**overrides: Any) -> Settings:
    """Settings without pauses, at home in the test's own folder."""
    return load_settings(**{"home": Path.cwd() / "home", "http_backoff_seconds": 0, **overrides})


def plan(provider: str, given: Settings | None = None, *, window: Window = WINDOW, **changes: Any) -> Plan:
    """A plan for one provider; `changes` go into its catalog entry, such as fewer slugs."""
    entry: Provider = catalog().provider(provider).model_copy(update=changes)
    return Plan(entry, catalog().series_of(provider), given or settings(), NOW, lambda key: window)


def first_request(provider: str, given: Settings | None = None) -> Request:
    """The first request a provider's module makes."""
    return next(MODULES[provider].requests(plan(provider, given)))


def exchange(
    provider: str,
    body: bytes,
    *,
    at: datetime = NOW,
    params: Mapping[str, str] | None = None,
    path: str = "/path",
    **context: str,
) -> Exchange:
    """A body as if it had just arrived."""
    return Exchange(Request(provider, "the thing", path, params or {}, context=context), 200, body, at)


@dataclass(frozen=True)
class Sample:
    """A good body with what its request said, and the rows per table it holds."""

    provider: str
    body: bytes
    rows: Mapping[str, int]
    context: Mapping[str, str] = field(default_factory=dict)
    path: str = "/path"

    def with_body(self, body: bytes) -> Exchange:
        """Another body in answer to the same request."""
        return exchange(self.provider, body, params={"page[number]": "1"}, path=self.path, **self.context)

    @property
    def exchange(self) -> Exchange:
        """The body as it arrives."""
        return self.with_body(self.body)


def parsed(given: Exchange) -> dict[str, list[Row]]:
    """The rows a parser finds."""
    return MODULES[given.request.provider].parse(given)


def rows(given: Exchange) -> list[Row]:
    """The rows of a parser that fills one table."""
    (found,) = parsed(given).values()
    return found


def arrow(given: Exchange) -> tuple[pa.Table, set[str]]:
    """The Arrow table of a parser that fills one table, with its unknown columns."""
    ((name, found),) = parsed(given).items()
    return to_arrow(RAW_TABLES[name], found, given)


FRED = {
    "realtime_start": "2025-11-12",
    "realtime_end": "2025-11-12",
    "count": 3,
    "offset": 0,
    "limit": 100000,
    "observations": [
        {"realtime_start": "2025-11-12", "realtime_end": "2025-11-12", "date": "2025-11-05", "value": "100.5"},
        {"realtime_start": "2025-11-12", "realtime_end": "2025-11-12", "date": "2025-11-06", "value": "."},
        {"realtime_start": "2025-11-12", "realtime_end": "2025-11-12", "date": "2025-11-07", "value": "101"},
    ],
}

BALANCES = [
    {
        "record_date": "2025-11-10",
        "account_type": account,
        "close_today_bal": "null",
        "open_today_bal": amount,
        "open_month_bal": amount,
        "open_fiscal_year_bal": "null",
        "table_nbr": "I",
        "src_line_nbr": line,
    }
    for line, account, amount in (
        ("1", "Treasury General Account (TGA) Opening Balance", "900000"),
        ("4", "Treasury General Account (TGA) Closing Balance", "901000"),
    )
]

COINS = [
    {
        "asset": "btc",
        "time": "2025-11-10T00:00:00.000000000Z",
        "PriceUSD": "100.5",
        "CapMrktCurUSD": "2010",
        "SplyCur": "20",
    },
    {
        "asset": "eth",
        "time": "2025-11-10T00:00:00.000000000Z",
        "PriceUSD": "7.25",
        "CapMrktCurUSD": "725",
        "SplyCur": "100",
    },
]

COVERAGE = {
    "data": [
        {
            "asset": asset,
            "metrics": [
                {
                    "metric": metric,
                    "frequencies": [
                        {
                            "frequency": "1d",
                            "min_time": "2020-12-25T00:00:00.000000000Z",
                            "max_time": "2025-11-11T00:00:00.000000000Z",
                            "community": True,
                        }
                    ],
                }
                for metric in ("CapMrktCurUSD", "PriceUSD", "SplyCur")
            ],
        }
        for asset in ("1inch", "btc", "eth")
    ]
}

MARKETS = [
    {
        "id": "bitcoin",
        "symbol": "btc",
        "name": "Bitcoin",
        "current_price": 100.5,
        "market_cap": 2010,
        "circulating_supply": 20.0,
        "max_supply": None,
        "roi": {"times": 79.3, "currency": "btc", "percentage": 7930.1},
        "last_updated": "2025-11-12T21:59:10.123Z",
    },
    {
        "id": "ethereum",
        "symbol": "eth",
        "name": "Ethereum",
        "current_price": 7.25,
        "market_cap": 725,
        "circulating_supply": 100.0,
        "max_supply": None,
        "roi": None,
        "last_updated": "2025-11-12T21:59:11.000Z",
    },
]

# Midnight of 2025-11-11, of 2025-11-12, and the instant of the question.
POINTS = {
    "prices": [[1762819200000, 160.25], [1762905600000, 158.5], [1762984800000, 155.125]],
    "market_caps": [[1762819200000, 88000.5], [1762905600000, 87000.25], [1762984800000, 85000]],
    "total_volumes": [[1762819200000, 4000.5], [1762905600000, None], [1762984800000, 5000]],
}

CMC_STATUS = {
    "timestamp": "2025-11-12T22:00:00.000Z",
    "error_code": 0,
    "error_message": None,
    "elapsed": 9,
    "credit_count": 1,
    "notice": None,
}

CMC_LATEST = {
    "data": {
        "active_cryptocurrencies": 9500,
        "btc_dominance": 58.5,
        "eth_dominance": 12.25,
        "quote": {
            "USD": {
                "total_market_cap": 3450.5,
                "altcoin_market_cap": 1432.0,
                "total_volume_24h": 160.5,
                "last_updated": "2025-11-12T21:59:59.999Z",
            }
        },
        "last_updated": "2025-11-12T21:59:59.999Z",
    },
    "status": CMC_STATUS,
}

CMC_HISTORY = {
    "data": {
        "quotes": [
            {
                "timestamp": f"2025-11-{day}T00:00:00.000Z",
                "btcDominance": 58.5,
                "ethDominance": 12.5,
                "quote": [
                    {
                        "timestamp": f"2025-11-{day}T00:00:00.000Z",
                        "totalMarketCap": 3500.0 + day,
                        "altcoinMarketCap": 1452.5,
                    }
                ],
            }
            for day in (11, 12)
        ]
    },
    "status": {**CMC_STATUS, "error_code": "0", "error_message": "SUCCESS"},
}

KOSPI: dict[str, Any] = {
    "StatisticSearch": {
        "list_total_count": 2,
        "row": [
            {
                "STAT_CODE": "802Y001",
                "STAT_NAME": "1.5.1.1. table",
                "ITEM_CODE1": "0001000",
                "ITEM_NAME1": "KOSPI",
                "ITEM_CODE2": None,
                "UNIT_NAME": "1980.01.04=100",
                "WGT": None,
                "TIME": day,
                "DATA_VALUE": value,
            }
            for day, value in (("20251110", "4,073.24"), ("20251111", "4106.39"))
        ],
    }
}

# 2025-11-11 and the running day 2025-11-12.
PEGS = [
    {
        "date": "1762819200",
        "totalCirculating": {"peggedUSD": 1000, "peggedEUR": 10},
        "totalCirculatingUSD": {"peggedUSD": 999, "peggedEUR": 12},
    },
    {
        "date": "1762905600",
        "totalCirculating": {"peggedUSD": 1001.5, "peggedEUR": 10},
        "totalCirculatingUSD": {"peggedUSD": 1000.5, "peggedEUR": 12},
        "totalMintedUSD": {"peggedUSD": 0, "peggedEUR": 0},
    },
]

# Sessions of 2025-11-10 and 2025-11-11 in New York, opening at 14:30 UTC.
CHART: dict[str, Any] = {
    "chart": {
        "result": [
            {
                "meta": {
                    "currency": "USD",
                    "symbol": "^GSPC",
                    "exchangeTimezoneName": "America/New_York",
                    "gmtoffset": -18000,
                    "currentTradingPeriod": {"regular": {"start": 1762957800, "end": 1762981200}},
                },
                "timestamp": [1762785000, 1762871400],
                "indicators": {
                    "quote": [
                        {
                            "open": [10.0, 11.0],
                            "high": [12.0, 13.0],
                            "low": [9.0, 10.5],
                            "close": [11.5, 12.5],
                            "volume": [1000, None],
                        }
                    ],
                    "adjclose": [{"adjclose": [11.5, 12.5]}],
                },
            }
        ],
        "error": None,
    }
}

EMISSIONS: dict[str, Any] = {
    "name": "Exampletoken",
    "gecko_id": "exampletoken",
    "documentedData": {
        "data": [
            {
                "label": "Team",
                "data": [
                    {"timestamp": 1700000000, "unlocked": 0, "rawEmission": 0, "burned": 0},
                    {"timestamp": 1700086400, "unlocked": 500, "rawEmission": 500, "burned": 0},
                ],
            }
        ]
    },
    "metadata": {
        "token": "coingecko:exampletoken",
        "total": 1000,
        "sources": ["https://example.org/paper"],
        "unlockEvents": [
            {
                "timestamp": 1700000000,
                "cliffAllocations": [
                    {"recipient": "Team", "category": "insiders", "unlockType": "cliff", "amount": 300},
                    {"recipient": "Team", "category": "insiders", "unlockType": "cliff", "amount": 200},
                ],
                "linearAllocations": [
                    {
                        "recipient": "Team",
                        "category": "insiders",
                        "unlockType": "linear_start",
                        "previousRatePerWeek": 0,
                        "newRatePerWeek": 7,
                        "endTimestamp": 1800000000,
                        "rateDurationDays": 1157.4,
                    }
                ],
            }
        ],
    },
    "categories": {"insiders": ["Team"]},
    "supplyMetrics": {"maxSupply": 1000},
}

FEED = [
    {"uid": "1", "title": "A conference", "start": "2025-11-14", "end": "2025-11-16", "asset": "DOT"},
    {"uid": "2", "title": "An unlock", "start": "2025-11-29T12:00:00Z", "kind": "unlock", "url": "https://example.org"},
]

SAMPLES = {
    sample.provider: sample
    for sample in (
        Sample("fred", dumps(FRED), {"fred_observations": 3}, {"series_id": "WALCL"}),
        Sample(
            "fredgraph",
            b"observation_date,WALCL\n2025-10-29,6587034\n2025-11-05,\n2025-11-12,6580000\n",
            {"fredgraph_observations": 3},
            {"series_id": "WALCL"},
        ),
        Sample(
            "fiscaldata",
            dumps({"data": BALANCES, "meta": {"count": 2, "total-count": 2, "total-pages": 1}}),
            {"fiscaldata_operating_cash_balance": 2},
        ),
        Sample("coinmetrics", dumps({"data": COINS}), {"coinmetrics_asset_metrics": 2}),
        Sample("coingecko", dumps(MARKETS), {"coingecko_markets": 2}),
        Sample("coinmarketcap", dumps(CMC_LATEST), {"coinmarketcap_global_metrics": 1}),
        Sample("ecos", dumps(KOSPI), {"ecos_statistics": 2}, {"series_id": "KOSPI", "first": "1", "rows": "x"}),
        Sample("stablecoins", dumps(PEGS), {"stablecoins_charts": 4}),
        Sample("yahoo", dumps(CHART), {"yahoo_chart": 2}, {"symbol": "^GSPC"}),
        Sample(
            "cboe",
            b"DATE,OPEN,HIGH,LOW,CLOSE\n11/10/2025,18.100000,19.000000,17.500000,17.600000\n"
            b"11/11/2025,17.900000,18.010000,17.250000,17.280000\n",
            {"cboe_vix_history": 2},
        ),
        Sample(
            "llama",
            dumps(EMISSIONS),
            {"llama_unlock_events": 3, "llama_emissions": 2, "llama_protocols": 1},
            {"slug": "exampletoken"},
        ),
        Sample(
            "tradingview",
            b"time,open,high,low,close\n1762732800,10,12,9,11\n1762819200,11,13,10,12\n",
            {"tradingview_bars": 2},
            {"symbol": "CRYPTOCAP:TOTAL", "file": "CRYPTOCAP_TOTAL.csv"},
        ),
        Sample("calendar", dumps(FEED), {"calendar_events": 2}, {"format": "json", "calendar": "feed"}),
    )
}

SAMPLES_OF_TABLES = SAMPLES | {
    "coinmetrics catalog": Sample("coinmetrics", dumps(COVERAGE), {"coinmetrics_catalog": 9}, path=coinmetrics.CATALOG),
    "coingecko history": Sample("coingecko", dumps(POINTS), {"coingecko_market_chart": 3}, {"id": "solana"}),
    "coinmarketcap website": Sample(
        "coinmarketcap", dumps(CMC_HISTORY), {"coinmarketcap_history": 2}, path=coinmarketcap.WEBSITE
    ),
}
"""A good body of every kind of request; `SAMPLES` has the first of each provider."""
