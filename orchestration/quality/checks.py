"""Every check of both gates by name: what it says, where it looks, and what to do when it fails.

Static on purpose: Dagster needs the list before any data exists, and `require_open` uses it to notice a check that
was not evaluated. How a check is computed is in `frames` (SQL), `suites` (expectations) and `gate`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from orchestration.catalog.tables import RAW_TABLES

Gate = Literal["raw", "mart"]
GATES: tuple[Gate, ...] = ("raw", "mart")
Severity = Literal["error", "warn"]

SHOWN_ROWS = 20
QUARANTINE_LIMIT = 0.01


class GateError(Exception):
    """A gate could not be evaluated: that is a failure, not a pass."""


class GateClosedError(Exception):
    """A gate is closed; the text says what failed, where, and what to do."""


@dataclass(frozen=True)
class CheckSpec:
    """A check of one table. `asset` is `raw/<table>` or `marts/<mart>`."""

    gate: Gate
    asset: str
    name: str
    description: str
    remedy: str


@dataclass(frozen=True)
class CheckResult:
    """The verdict of one check. `severity` is what a failure means: `error` closes the gate, `warn` never does.

    failing_rows: at most SHOWN_ROWS rows, JSON-safe; failing_count counts all of them.
    note: why a check passed without looking (an optional source that is absent), or what raised.
    """

    gate: Gate
    name: str
    asset: str
    passed: bool
    severity: Severity
    description: str
    remedy: str
    observed: dict[str, Any] = field(default_factory=dict)
    failing_rows: list[dict[str, Any]] = field(default_factory=list)
    failing_count: int = 0
    note: str = ""


SERIES_TABLES = (
    "fred_observations",
    "fredgraph_observations",
    "fiscaldata_operating_cash_balance",
    "coinmetrics_asset_metrics",
    "stablecoins_charts",
    "yahoo_chart",
    "cboe_vix_history",
    "ecos_statistics",
    "coinmarketcap_history",
    "tradingview_bars",
)

_EVERY_TABLE = {
    "columns": (
        "every column the parsers promise exists",
        "the warehouse file is older than the catalog: run with a fresh home, or migrate the table",
    ),
    "keys": (
        "one row per natural key and fetch instant",
        "two rows claim the same fact: replay the archive into a fresh home and compare",
    ),
    "quarantine": (
        f"at most {QUARANTINE_LIMIT:.0%} of the last load's rows were unusable",
        "read raw.quarantine for the reasons: the provider's format changed, or its data are broken today",
    ),
}
_SERIES_TABLE = {
    "presence": (
        "every series of the catalog has observations",
        "check the provider's key in the catalog and that its source is configured",
    ),
    "range": (
        "every current value lies within its series' plausible range, in the provider's unit",
        "compare with the provider's page: a change of unit, or widen plausible_min/plausible_max in the catalog",
    ),
    "jump": (
        "no current value is further from its predecessor than its series' jump limit",
        "compare with the provider's page: a slip of digits, or raise jump_limit in the catalog if the move is real",
    ),
    "slip": (
        "no current value is seven times its neighbours, or a seventh of them, while they agree with each other",
        "compare with the provider's page: a digit was lost or added, or the unit of one row differs",
    ),
    "freshness": (
        "the newest observation due by the release calendar has arrived",
        "run the source again; if the provider is late, wait or raise freshness_grace_days",
    ),
}
_RECONCILIATIONS = {
    "wtregen_matches_dts": (
        "fred_observations",
        "WTREGEN equals the seven-day mean of the Treasury's daily closes, weekend carrying Friday, within 0.2 %",
        "one of the two has changed unit or slipped a digit: compare both with their pages",
    ),
    "wdtgal_matches_dts": (
        "fred_observations",
        "WDTGAL equals the Treasury's close of that Wednesday within 0.2 %",
        "one of the two has changed unit or slipped a digit: compare both with their pages",
    ),
    "vix_matches_cboe": (
        "cboe_vix_history",
        "FRED VIXCLS equals Cboe's close within 0.02 points",
        "Cboe restates old closes now and then; a recent difference means one of the two is wrong",
    ),
    "sp500_matches_yahoo": (
        "yahoo_chart",
        "Yahoo ^GSPC equals FRED SP500 within 0.1 %",
        "a session is dated differently or a price was adjusted: compare with the index provider's page",
    ),
    "kospi_matches_yahoo": (
        "ecos_statistics",
        "the Bank of Korea's KOSPI equals Yahoo's ^KS11 within 0.1 %",
        "a session is dated differently, or one of the two has a wrong close: compare with the Korea Exchange",
    ),
    "btc_matches_coinmetrics": (
        "coingecko_markets",
        "CoinGecko's bitcoin price is within 20 % of Coin Metrics' of the same or the previous day",
        "one of the two slipped a digit or answered with stale data: compare with an exchange",
    ),
    "cap_is_price_times_supply": (
        "coingecko_markets",
        "market cap equals price times circulating supply within 20 % for at least 90 % of coins",
        "CoinGecko answered with caps, prices and supplies of different days, or columns have moved",
    ),
    "schedule_within_total": (
        "llama_unlock_events",
        "what a schedule releases in cliffs and at its linear rates is at most 105 % of the token's total",
        "linear rates are read as amounts, or an allocation is booked twice",
    ),
}
_MARTS: dict[str, dict[str, tuple[str, str]]] = {
    "market_caps": {
        "keys": ("one row per asset, day and source", "read the model's joins: an asset matches twice"),
        "values": (
            "price, supply and cap are not negative, and cap is price times supply (within 1 % for 97 % of rows)",
            "look the asset up in raw: a provider's row is inconsistent, or identity joins two coins",
        ),
        "time": ("no day and no known_at lies after the build's instant", "the model reads rows of the future"),
    },
    "market_cap_totals": {
        "keys": ("one row per index, source and day", "read the model's unions: a source is counted twice"),
        "values": ("totals are positive", "a day without constituents was summed: coverage must drop it"),
        "parts": (
            "TOTAL >= TOTAL2 >= TOTAL3 and our TOTAL is the sum of its constituents within 1e-6",
            "an asset class is missing from dim_asset, or the universe differs between indices",
        ),
        "coverage": (
            "our TOTAL is between 70 % and 130 % of each published TOTAL of the same day",
            "a large constituent is missing or counted twice on these days",
        ),
        "time": ("no day and no known_at lies after the build's instant", "the model reads rows of the future"),
    },
    "market_cap_changes": {
        "keys": ("one row per index, source and day", "read the model's joins: a day or an asset matches twice"),
        "values": (
            "indices are positive, shares lie within 0 and 100 %, nothing leaves with a positive sign, and supply moves "
            "at most half of a total in one step (for 99 % of steps)",
            "look at the largest supply changes between day and previous_day in market_caps: a unit or an identity slipped",
        ),
        "residual": (
            "price, supply, entry and exit add up to the change, and both caps are those of market_cap_totals, within 1e-9",
            "an asset is counted twice or not at all in the comparison, or the two marts differ in their universe",
        ),
        "time": ("no day and no known_at lies after the build's instant", "the model reads rows of the future"),
    },
    "liquidity": {
        "keys": ("one row per day", "read the model's joins: a series matches twice"),
        "values": (
            "balances are positive and rates plausible, in USD and percent",
            "a unit is not normalised in staging: compare with raw and the catalog's scale",
        ),
        "net_liquidity": (
            "each net liquidity equals WALCL - TGA - RRP of its flavour within 1 USD",
            "the model mixes flavours of the TGA",
        ),
        "freshness": (
            "the newest day is at most one week before the build's instant",
            "the mart was not rebuilt after the last load, or its date spine ends early",
        ),
        "time": ("no day and no known_at lies after the build's instant", "the model reads rows of the future"),
    },
    "unlocks": {
        "keys": ("one row per token, event and source", "read the model's key: two events share it"),
        "values": (
            "no event is more than 105 % of the maximum supply, and nearly none ten times the circulating one",
            "a denominator is missing or a linear rate is read as an amount",
        ),
        "time": ("no known_at lies after the build's instant", "the model reads rows of the future"),
    },
    "equity_returns": {
        "keys": ("one row per index and session", "read the model's joins: a session matches twice"),
        "values": (
            "closes are positive and no daily log return exceeds 0.3 in size",
            "a missing session was filled, or two indices share a symbol",
        ),
        "time": ("no session and no known_at lies after the build's instant", "the model reads rows of the future"),
    },
    "events": {
        "keys": ("one row per event", "read the model's unions: two events share their key"),
        "values": (
            "nothing ends before it starts, kinds and precisions are known, a target range is a quarter point wide, and a "
            "conflict says why",
            "look the event up at its source: catalog/events.yml, the release rule, the schedule or the imported calendar",
        ),
        "time": ("no known_at lies after the build's instant", "the model shows an outcome before it was public"),
    },
}


def _raw_checks() -> tuple[CheckSpec, ...]:
    found = []
    for table in RAW_TABLES:
        rules = _EVERY_TABLE | (_SERIES_TABLE if table in SERIES_TABLES else {})
        found += [CheckSpec("raw", f"raw/{table}", name, *texts) for name, texts in rules.items()]
        found += [
            CheckSpec("raw", f"raw/{table}", name, description, remedy)
            for name, (home, description, remedy) in _RECONCILIATIONS.items()
            if home == table
        ]
    return tuple(found)


RAW_CHECKS: tuple[CheckSpec, ...] = _raw_checks()
MART_CHECKS: tuple[CheckSpec, ...] = tuple(
    CheckSpec("mart", f"marts/{mart}", name, *texts) for mart, rules in _MARTS.items() for name, texts in rules.items()
)
CHECKS: dict[Gate, tuple[CheckSpec, ...]] = {"raw": RAW_CHECKS, "mart": MART_CHECKS}
