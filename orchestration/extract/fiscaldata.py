"""US Treasury Fiscal Data: the Daily Treasury Statement's operating cash balance, all rows of all account types.

Amounts are text in millions of USD and the text "null" is missing. Which row is "the TGA" has changed three times; that
is decided in dbt, not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from orchestration.extract.base import Exchange, Plan, Request, Rows, problem, read_json, require_keys

PAGE = 10_000


def requests(plan: Plan) -> Iterator[Request]:
    """The statement's rows of a window, paged."""
    window = plan.window_of(None)
    yield Request(
        "fiscaldata",
        f"operating cash balance {window.start}..{window.end}",
        "/services/api/fiscal_service/v1/accounting/dts/operating_cash_balance",
        {
            "filter": f"record_date:gte:{window.start},record_date:lte:{window.end}",
            "sort": "record_date,src_line_nbr",
            "format": "json",
            "page[number]": "1",
            "page[size]": str(PAGE),
        },
        required=any(series.required for series in plan.series),
    )


def following(exchange: Exchange) -> Request | None:
    """The next page while `total-pages` says there is one."""
    number = int(exchange.request.params["page[number]"])
    if number >= int(read_json(exchange)["meta"]["total-pages"]):
        return None
    return replace(exchange.request, params={**exchange.request.params, "page[number]": str(number + 1)})


def parse(exchange: Exchange) -> Rows:
    """`data` as rows of fiscaldata_operating_cash_balance."""
    body = read_json(exchange)
    require_keys(exchange, "the answer", body if isinstance(body, dict) else (), ("data", "meta"))
    rows = body["data"]
    if len(rows) != int(body["meta"]["count"]):
        raise problem(exchange, f"the page announces {body['meta']['count']} rows and holds {len(rows)}", "try again")
    return {"fiscaldata_operating_cash_balance": rows}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for Fiscal Data's own messages."""
    if status == 400:
        return "a field was renamed: compare with fiscaldata.treasury.gov/datasets/daily-treasury-statement", True
    return None
