"""New York Fed Markets API: reverse repo operations, SOFR and EFFR, and the summary of the Fed's securities (SOMA).

Amounts are USD. Several operations may share a day; which of them count as "the" reverse repo of the day is decided in
dbt. A window without business days is answered with status 200 and an empty list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from orchestration.extract.base import Exchange, Plan, Request, Rows, Window, read_json, require_keys

OPERATIONS, RATES, HOLDINGS = "nyfed_reverse_repo_operations", "nyfed_reference_rates", "nyfed_soma_summary"
RATE_PATHS = {"SOFR": "/api/rates/secured/sofr", "EFFR": "/api/rates/unsecured/effr"}
FIRST_SOFR = date(2018, 4, 2)
LONGEST_CLOSURE_DAYS = 4
"""Friday to Monday with a holiday on either side: a longer window without a row is a fault."""


def requests(plan: Plan) -> Iterator[Request]:
    """For each dataset of the catalog entry: operations of a window, each rate of its window, all of the SOMA summary."""
    ask = {OPERATIONS: _operations, RATES: _rates, HOLDINGS: _holdings}
    for dataset in plan.provider.datasets:
        yield from ask[dataset.name](plan, dataset.required)


def _operations(plan: Plan, required: bool) -> Iterator[Request]:
    window = plan.window_of(None)
    days = {"startDate": window.start.isoformat(), "endDate": window.end.isoformat()}
    search = Request(
        "nyfed",
        f"reverse repo operations {window.start}..{window.end}",
        "/api/rp/results/search.json",
        {**days, "operationTypes": "Reverse Repo"},
        context={"table": OPERATIONS, **days},
        required=required,
        may_be_empty=_may_be_closed(window),
    )
    # The search answers 400 to some combinations of its parameters; its sibling gives the newest n operations, of which
    # the window is kept. Calendar days leave room for a second operation on some business days.
    count = (plan.now.date() - window.start).days + 1
    newest = replace(search, path=f"/api/rp/reverserepo/all/results/last/{count}.json", params={})
    yield replace(search, otherwise=newest)


def _rates(plan: Plan, required: bool) -> Iterator[Request]:
    for kind, path in RATE_PATHS.items():
        window = plan.window_of(kind)
        yield Request(
            "nyfed",
            f"{kind} {window.start}..{window.end}",
            f"{path}/search.json",
            {"startDate": window.start.isoformat(), "endDate": window.end.isoformat()},
            context={"table": RATES, "type": kind},
            required=required,
            may_be_empty=_may_be_closed(window) or (kind == "SOFR" and window.end < FIRST_SOFR),
        )


def _holdings(plan: Plan, required: bool) -> Iterator[Request]:
    yield Request("nyfed", "SOMA summary", "/api/soma/summary.json", context={"table": HOLDINGS}, required=required)


def _may_be_closed(window: Window) -> bool:
    return (window.end - window.start).days < LONGEST_CLOSURE_DAYS


def parse(exchange: Exchange) -> Rows:
    """The rows of the table its request was about."""
    table = exchange.request.context["table"]
    body = read_json(exchange)
    outer, inner = {OPERATIONS: ("repo", "operations"), RATES: ("refRates", ""), HOLDINGS: ("soma", "summary")}[table]
    require_keys(exchange, "the answer", body if isinstance(body, dict) else (), (outer,))
    rows = body[outer]
    if inner:
        require_keys(exchange, outer, rows if isinstance(rows, dict) else (), (inner,))
        rows = rows[inner]
    if table == OPERATIONS:
        first, last = exchange.request.context["startDate"], exchange.request.context["endDate"]
        rows = [row for row in rows if row["operationType"] == "Reverse Repo" and first <= row["operationDate"] <= last]
    elif table == RATES:
        # Averages of the same family (SOFRAI) carry an index and no percentRate.
        rows = [row for row in rows if row["type"] == exchange.request.context["type"]]
    return {table: rows}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for the New York Fed's own answers."""
    if status in (400, 404):
        return "the endpoint or a parameter has changed: compare with markets.newyorkfed.org/static/docs", False
    return None
