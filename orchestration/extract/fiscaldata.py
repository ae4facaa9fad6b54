"""US Treasury Fiscal Data: the Daily Treasury Statement's operating cash balance, and auctions held and announced.

Amounts are text (the statement's in millions of USD, the auctions' in USD) and the text "null" is missing. Which row of
the statement is "the TGA" has changed three times; that is decided in dbt, not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from orchestration.extract.base import Exchange, Plan, Request, Rows, problem, read_json, require_keys

SERVICE = "/services/api/fiscal_service/v1/accounting"
BALANCES, AUCTIONS, UPCOMING = (
    "fiscaldata_operating_cash_balance",
    "fiscaldata_auctions",
    "fiscaldata_upcoming_auctions",
)
PAGE = 10_000
LONGEST_BILL = timedelta(days=371)
"""A bill runs at most 52 weeks and settles within a week of its auction: what matures on a window's first day was
auctioned no earlier than this."""
ANNOUNCED_AHEAD = timedelta(days=14)
"""An auction has a row from its announcement on, a few days before it is held."""

AUCTION_FIELDS = (
    *("record_date", "cusip", "security_type", "security_term", "original_security_term", "reopening"),
    *("cash_management_bill_cmb", "inflation_index_security", "floating_rate"),
    *("announcemt_date", "auction_date", "issue_date", "maturity_date"),
    *("offering_amt", "total_accepted", "soma_accepted", "total_tendered", "bid_to_cover_ratio"),
    *("high_discnt_rate", "high_yield", "high_investment_rate"),
)


def requests(plan: Plan) -> Iterator[Request]:
    """The statement of a window, the auctions of it and of the year before, all upcoming ones; each paged."""
    window = plan.window_of(None)
    first, last = window.start - LONGEST_BILL, window.end + ANNOUNCED_AHEAD
    asked = {
        BALANCES: (
            f"operating cash balance {window.start}..{window.end}",
            "/dts/operating_cash_balance",
            {
                "filter": f"record_date:gte:{window.start},record_date:lte:{window.end}",
                "sort": "record_date,src_line_nbr",
            },
        ),
        AUCTIONS: (
            f"auctions {first}..{last}",
            "/od/auctions_query",
            {
                "fields": ",".join(AUCTION_FIELDS),
                "filter": f"auction_date:gte:{first},auction_date:lte:{last}",
                "sort": "auction_date,cusip",
            },
        ),
        UPCOMING: ("upcoming auctions", "/od/upcoming_auctions", {"sort": "auction_date,cusip"}),
    }
    for dataset in plan.provider.datasets:
        label, path, params = asked[dataset.name]
        yield Request(
            "fiscaldata",
            label,
            SERVICE + path,
            {**params, "format": "json", "page[number]": "1", "page[size]": str(PAGE)},
            context={"table": dataset.name},
            required=dataset.required,
        )


def following(exchange: Exchange) -> Request | None:
    """The next page while `total-pages` says there is one."""
    number = int(exchange.request.params["page[number]"])
    if number >= int(read_json(exchange)["meta"]["total-pages"]):
        return None
    return replace(exchange.request, params={**exchange.request.params, "page[number]": str(number + 1)})


def parse(exchange: Exchange) -> Rows:
    """`data` as rows of the table its request was about (archives from before there were auctions do not say which)."""
    body = read_json(exchange)
    require_keys(exchange, "the answer", body if isinstance(body, dict) else (), ("data", "meta"))
    rows = body["data"]
    if len(rows) != int(body["meta"]["count"]):
        raise problem(exchange, f"the page announces {body['meta']['count']} rows and holds {len(rows)}", "try again")
    return {exchange.request.context.get("table", BALANCES): rows}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for Fiscal Data's own messages."""
    if status == 400:
        return "a field was renamed: compare with fiscaldata.treasury.gov/datasets", False
    return None
