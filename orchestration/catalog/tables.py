"""The shape of every raw table: columns as served, the natural key, and which text is a usable row.

Parsers fill these tables and the warehouse creates and versions them; meaning and units live in the YAML beside this.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["text", "number", "date", "us_date", "compact_date", "unix", "unix_ms", "instant", "unix_or_date"]


@dataclass(frozen=True)
class Column:
    """One column of a raw table.

    kind: how the text must read: `number` (finite), `date` (ISO), `us_date` (MM/DD/YYYY), `compact_date`
        (YYYYMMDD), `unix` (seconds), `unix_ms`, `instant` (ISO 8601 with Z), `unix_or_date`. A row whose text does not read
        so is quarantined.
    missing: texts that mean "no value" and are kept as they are.
    minimum: smallest number that can exist; below it the row is quarantined (a price or a cap is never negative).
    required: the provider must serve it; its absence means the format changed and fails the source.
    versioned: a change of this column alone makes a new version; False for values that change with every answer.
    future: the time may lie ahead of the fetch (vesting schedules do).
    """

    name: str
    kind: Kind = "text"
    missing: frozenset[str] = frozenset()
    minimum: float | None = None
    required: bool = True
    versioned: bool = True
    future: bool = False


@dataclass(frozen=True)
class RawTable:
    """A raw table; `key` is the natural key of a row, `series` and `period` find the newest value of a series.

    newest_by: the instant that decides between rows of one key in one answer: a coin that changes places between two
        pages is on both.
    complete_per: the column whose value a source lists whole (a token's schedule), "" when it lists the whole table. A key
        that a whole listing lacks is recorded as removed: a version with `_is_removed`, its other columns null.
    is_windowed: the source answers for a window of days. The others serve their whole history or only the present.
    """

    name: str
    provider: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    series: str | None = None
    period: str | None = None
    newest_by: str | None = None
    complete_per: str | None = None
    is_windowed: bool = False

    @property
    def column_names(self) -> list[str]:
        """Names in table order, without the bookkeeping columns."""
        return [column.name for column in self.columns]

    @property
    def keeps_removals(self) -> bool:
        """Whether what disappears from a whole listing is recorded."""
        return self.complete_per is not None

    def column(self, name: str) -> Column:
        """The column called `name`."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True)
class Listing:
    """One whole listing of a scope; every row of it is dated `at`, and `sha256` is its last answer's digest."""

    scope: str
    at: datetime
    sha256: str


def _text(*names: str, required: bool = False, versioned: bool = True) -> tuple[Column, ...]:
    return tuple(Column(name, required=required, versioned=versioned) for name in names)


def _numbers(*names: str, missing: tuple[str, ...] = (), minimum: float | None = None) -> tuple[Column, ...]:
    return tuple(Column(name, "number", frozenset(missing), minimum, required=False) for name in names)


_TABLES = (
    RawTable(
        "fred_observations",
        "fred",
        (
            Column("series_id"),
            Column("date", "date"),
            Column("value", "number", frozenset({"."})),
            # Both echo the day of the request when no real-time window is asked for: not a revision.
            *_text("realtime_start", "realtime_end", versioned=False),
        ),
        ("series_id", "date"),
        series="series_id",
        period="date",
        is_windowed=True,
    ),
    RawTable(
        "fred_vintages",
        "fred",
        (
            Column("series_id"),
            Column("date", "date"),
            Column("value", "number", frozenset({"."})),
            # A row is clipped to the real-time window of its request: at the start it may continue an older row, and
            # the end of a value in force is the day of the request.
            Column("realtime_start", "date"),
            Column("realtime_end", versioned=False),
        ),
        ("series_id", "date", "realtime_start"),
        series="series_id",
        period="date",
        is_windowed=True,
    ),
    RawTable(
        "fred_series",
        "fred",
        (
            Column("id"),
            Column("units"),
            *_text("title", "units_short", "frequency", "frequency_short", "seasonal_adjustment"),
            *_text("seasonal_adjustment_short", "observation_start", "observation_end", "last_updated", "notes"),
            *_text("realtime_start", "realtime_end", "popularity", "group_popularity", versioned=False),
        ),
        ("id",),
    ),
    RawTable(
        "fredgraph_observations",
        "fredgraph",
        (
            Column("series_id"),
            Column("observation_date", "date"),
            Column("value", "number", frozenset({"", "."})),
        ),
        ("series_id", "observation_date"),
        series="series_id",
        period="observation_date",
        is_windowed=True,
    ),
    RawTable(
        "fiscaldata_operating_cash_balance",
        "fiscaldata",
        (
            Column("record_date", "date"),
            Column("account_type"),
            Column("close_today_bal", "number", frozenset({"null"})),
            Column("open_today_bal", "number", frozenset({"null"})),
            *_numbers("open_month_bal", "open_fiscal_year_bal", missing=("null",)),
            *_text(
                "table_nbr",
                "table_nm",
                "sub_table_name",
                "src_line_nbr",
                "record_fiscal_year",
                "record_fiscal_quarter",
                "record_calendar_year",
                "record_calendar_quarter",
                "record_calendar_month",
                "record_calendar_day",
            ),
        ),
        ("record_date", "account_type"),
        period="record_date",
        is_windowed=True,
    ),
    RawTable(
        "fiscaldata_auctions",
        "fiscaldata",
        (
            Column("cusip"),
            Column("auction_date", "date", future=True),
            *_text("record_date"),
            *_text("security_type", required=True),
            *_text("security_term", "original_security_term", "reopening"),
            *_text("cash_management_bill_cmb", "inflation_index_security", "floating_rate", required=True),
            Column("announcemt_date", "date", frozenset({"null"}), future=True),
            Column("issue_date", "date", future=True),
            Column("maturity_date", "date", future=True),
            *_numbers("offering_amt", missing=("null",), minimum=0.0),
            Column("total_accepted", "number", frozenset({"null"}), 0.0),
            Column("soma_accepted", "number", frozenset({"null"}), 0.0),
            *_numbers("total_tendered", "bid_to_cover_ratio", missing=("null",), minimum=0.0),
            *_numbers("high_discnt_rate", "high_yield", "high_investment_rate", missing=("null",)),
        ),
        ("cusip", "auction_date"),
        is_windowed=True,
    ),
    RawTable(
        "fiscaldata_upcoming_auctions",
        "fiscaldata",
        (
            Column("record_date", "date"),
            *_text("security_type", required=True),
            *_text("security_term", "reopening"),
            Column("cusip"),
            Column("offering_amt", "number", frozenset({"null"}), 0.0),
            Column("announcemt_date", "date", frozenset({"null"}), future=True),
            Column("auction_date", "date", future=True),
            Column("issue_date", "date", future=True),
        ),
        ("cusip", "auction_date"),
    ),
    RawTable(
        "nyfed_reverse_repo_operations",
        "nyfed",
        (
            Column("operationId"),
            Column("operationDate", "date"),
            *_text("auctionStatus"),
            Column("settlementDate", "date", frozenset({""}), required=False, future=True),
            Column("maturityDate", "date", frozenset({""}), required=False, future=True),
            *_text("operationType", "operationMethod", required=True),
            # `termCalenderDays` is the provider's own spelling.
            *_text("settlementType", "termCalenderDays", "term", "releaseTime", "closeTime", "note", "lastUpdated"),
            *_numbers("participatingCpty", "acceptedCpty", "totalAmtSubmitted", minimum=0.0),
            Column("totalAmtAccepted", "number", minimum=0.0),
            *_text("details", required=True),
            *_text("propositions"),
        ),
        ("operationId", "operationDate"),
        period="operationDate",
        is_windowed=True,
    ),
    RawTable(
        "nyfed_reference_rates",
        "nyfed",
        (
            Column("type"),
            Column("effectiveDate", "date"),
            Column("percentRate", "number"),
            *_numbers("percentPercentile1", "percentPercentile25", "percentPercentile75", "percentPercentile99"),
            *_numbers("targetRateFrom", "targetRateTo"),
            *_numbers("volumeInBillions", minimum=0.0),
            *_text("revisionIndicator", "footnoteId"),
        ),
        ("type", "effectiveDate"),
        series="type",
        period="effectiveDate",
        is_windowed=True,
    ),
    RawTable(
        "nyfed_soma_summary",
        "nyfed",
        (
            Column("asOfDate", "date"),
            *_numbers("bills", "notesbonds", "tips", "frn", missing=("",), minimum=0.0),
            # Negative in a deflation.
            *_numbers("tipsInflationCompensation", missing=("",)),
            *_numbers("mbs", "cmbs", "agencies", missing=("",), minimum=0.0),
            Column("total", "number", frozenset({""}), 0.0),
        ),
        ("asOfDate",),
    ),
    RawTable(
        "coinmetrics_asset_metrics",
        "coinmetrics",
        (
            Column("asset"),
            Column("time", "instant"),
            Column("PriceUSD", "number", minimum=0.0),
            Column("CapMrktCurUSD", "number", minimum=0.0),
            Column("SplyCur", "number", minimum=0.0),
        ),
        ("asset", "time"),
        series="asset",
        period="time",
        is_windowed=True,
    ),
    RawTable(
        "coinmetrics_catalog",
        "coinmetrics",
        (
            Column("asset"),
            Column("metric"),
            Column("frequency"),
            *_text("community", "min_time"),
            # Moves on every day.
            *_text("max_time", versioned=False),
        ),
        ("asset", "metric", "frequency"),
    ),
    RawTable(
        "coingecko_markets",
        "coingecko",
        (
            Column("id"),
            Column("snapshot_date", "date"),
            *_text("symbol", "name", "image"),
            Column("current_price", "number", minimum=0.0),
            Column("market_cap", "number", minimum=0.0),
            *_numbers("market_cap_rank", "fully_diluted_valuation", "total_volume", minimum=0.0),
            *_text(
                "high_24h",
                "low_24h",
                "price_change_24h",
                "price_change_percentage_24h",
                "market_cap_change_24h",
                "market_cap_change_percentage_24h",
            ),
            Column("circulating_supply", "number", minimum=0.0),
            *_numbers("total_supply", "max_supply", minimum=0.0),
            *_text("ath", "ath_change_percentage", "ath_date", "atl", "atl_change_percentage", "atl_date", "roi"),
            Column("last_updated", "instant"),
        ),
        ("id", "snapshot_date"),
        period="snapshot_date",
        newest_by="last_updated",
    ),
    RawTable(
        "coingecko_market_chart",
        "coingecko",
        (
            Column("id"),
            Column("timestamp", "unix_ms"),
            Column("price", "number", minimum=0.0),
            *_numbers("market_cap", "total_volume", minimum=0.0),
        ),
        ("id", "timestamp"),
        series="id",
        period="timestamp",
    ),
    RawTable(
        "coinmarketcap_history",
        "coinmarketcap",
        (
            Column("timestamp", "instant"),
            Column("totalMarketCap", "number", minimum=0.0),
            *_numbers("altcoinMarketCap", "btcDominance", "ethDominance", minimum=0.0),
            *_numbers("totalVolume24H", "altcoinVolume24H", minimum=0.0),
        ),
        ("timestamp",),
        period="timestamp",
    ),
    RawTable(
        "coinmarketcap_global_metrics",
        "coinmarketcap",
        (
            Column("snapshot_date", "date"),
            Column("last_updated", "instant"),
            Column("total_market_cap", "number", minimum=0.0),
            *_numbers("altcoin_market_cap", "btc_dominance", "eth_dominance", minimum=0.0),
            *_numbers("total_volume_24h", "altcoin_volume_24h", minimum=0.0),
            *_text("active_cryptocurrencies", "total_cryptocurrencies"),
        ),
        ("snapshot_date",),
        period="snapshot_date",
    ),
    RawTable(
        "stablecoins_charts",
        "stablecoins",
        (
            Column("date", "unix"),
            Column("peg"),
            *_numbers("totalCirculating", "totalCirculatingUSD", minimum=0.0),
            *_text("totalUnreleased"),
            *_text("totalMintedUSD", "totalBridgedToUSD", versioned=False),
            Column("is_provisional", required=False),
        ),
        ("date", "peg"),
        period="date",
    ),
    RawTable(
        "yahoo_chart",
        "yahoo",
        (
            Column("symbol"),
            Column("timestamp", "unix"),
            *_numbers("open", "high", "low", minimum=0.0),
            Column("close", "number", minimum=0.0),
            *_numbers("adjclose", "volume", minimum=0.0),
            *_text("currency", "exchange_timezone"),
            Column("is_live", required=False),
        ),
        ("symbol", "timestamp"),
        series="symbol",
        period="timestamp",
        is_windowed=True,
    ),
    RawTable(
        "ecos_statistics",
        "ecos",
        (
            Column("series_id"),
            Column("TIME", "compact_date"),
            Column("DATA_VALUE", "number", frozenset({"", "-"})),
            Column("STAT_CODE"),
            Column("ITEM_CODE1"),
            *_text("STAT_NAME", "ITEM_NAME1", "ITEM_CODE2", "ITEM_NAME2", "ITEM_CODE3", "ITEM_NAME3"),
            *_text("ITEM_CODE4", "ITEM_NAME4", "UNIT_NAME", "WGT"),
        ),
        ("series_id", "TIME"),
        series="series_id",
        period="TIME",
        is_windowed=True,
    ),
    RawTable(
        "cboe_vix_history",
        "cboe",
        (
            Column("DATE", "us_date"),
            Column("OPEN", "number", minimum=0.0),
            Column("HIGH", "number", minimum=0.0),
            Column("LOW", "number", minimum=0.0),
            Column("CLOSE", "number", minimum=0.0),
        ),
        ("DATE",),
        period="DATE",
    ),
    RawTable(
        "llama_unlock_events",
        "llama",
        (
            Column("slug"),
            Column("timestamp", "unix", future=True),
            Column("allocation_kind"),
            Column("recipient"),
            Column("ordinal"),
            *_text("category", "unlock_type"),
            *_numbers("amount", "previous_rate_per_week", "new_rate_per_week"),
            Column("end_timestamp", "unix", required=False, future=True),
            *_numbers("rate_duration_days"),
        ),
        ("slug", "timestamp", "allocation_kind", "recipient", "ordinal"),
        complete_per="slug",
    ),
    RawTable(
        "llama_emissions",
        "llama",
        (
            Column("slug"),
            Column("label"),
            Column("timestamp", "unix", future=True),
            Column("unlocked", "number"),
            *_numbers("raw_emission", "burned"),
        ),
        ("slug", "label", "timestamp"),
        complete_per="slug",
    ),
    RawTable(
        "llama_protocols",
        "llama",
        (
            Column("slug"),
            *_text("name", "gecko_id", "token"),
            *_numbers("total", "max_supply", minimum=0.0),
            *_text("sources", "notes", "categories", "dynamic_sections"),
        ),
        ("slug",),
    ),
    RawTable(
        "tokenomist_unlock_events",
        "tokenomist",
        (
            Column("token_id"),
            Column("unlockDate", "instant", future=True),
            Column("allocationName"),
            Column("ordinal"),
            Column("cliffAmount", "number"),
            *_text(
                "standardAllocationName", "unlockPrecision", "listedMethod", "dataSource", "tokenName", "tokenSymbol"
            ),
            # At the price of the query: other numbers with every answer.
            *_text("cliffValue", "referencePrice", "referencePriceUpdatedTime", versioned=False),
            *_text("eventCliffAmount", "eventCliffValue", "valueToMarketCap", "committedClaim", versioned=False),
            *_text("latestUpdateDate", "queryDate", versioned=False),
        ),
        ("token_id", "unlockDate", "allocationName", "ordinal"),
        complete_per="token_id",
    ),
    RawTable(
        "schedules_unlocks",
        "schedules",
        (
            Column("token"),
            Column("allocation"),
            Column("kind"),
            Column("unlock_at", "instant", future=True),
            Column("ordinal"),
            Column("ends_at", "instant", required=False, future=True),
            Column("amount", "number", minimum=0.0),
            *_text("allocation_group", "basis", "unlock_precision", "source_url"),
            *_text("read_on", "file_name", versioned=False),
        ),
        ("token", "allocation", "kind", "unlock_at", "ordinal"),
        complete_per="",
    ),
    RawTable(
        "tradingview_bars",
        "tradingview",
        (
            Column("symbol"),
            Column("time", "unix_or_date"),
            *_numbers("open", "high", "low", minimum=0.0),
            Column("close", "number", minimum=0.0),
            *_numbers("volume", minimum=0.0),
            Column("file_name", required=False, versioned=False),
        ),
        ("symbol", "time"),
        series="symbol",
        period="time",
    ),
    RawTable(
        "calendar_events",
        "calendar",
        (
            *_text("calendar", "uid", required=True),
            Column("title"),
            *_text("description", "url", "asset", "kind", "status"),
            Column("listed_date", "date", required=False, future=True),
            Column("start_date", "date", future=True),
            Column("end_date", "date", required=False, future=True),
            Column("starts_at", "instant", required=False, future=True),
            Column("ends_at", "instant", required=False, future=True),
            *_text("precision", "time_zone"),
            Column("file_name", required=False, versioned=False),
        ),
        ("calendar", "uid"),
    ),
)

RAW_TABLES: dict[str, RawTable] = {table.name: table for table in _TABLES}


def tables_of(provider: str) -> list[RawTable]:
    """The raw tables a provider fills."""
    return [table for table in _TABLES if table.provider == provider]
