"""FRED without a key: the graph page's CSV download, one series per request, current revision only.

Undocumented: the date column was called DATE until late 2024, a missing value is an empty field (earlier "."),
and an unknown series answers with a web page.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.extract.base import Exchange, Plan, Request, Rows, problem, read_csv, require_keys

DATE_COLUMNS = ("observation_date", "DATE")


def requests(plan: Plan) -> Iterator[Request]:
    """One request per series and window."""
    for series in plan.series:
        window = plan.window_of(series.key)
        yield Request(
            "fredgraph",
            f"series {series.key}",
            "/graph/fredgraph.csv",
            {"id": series.key, "cosd": window.start.isoformat(), "coed": window.end.isoformat()},
            context={"series_id": series.key},
            required=series.required,
            may_be_empty=series.may_be_empty,
        )


def parse(exchange: Exchange) -> Rows:
    """The two columns as rows of fredgraph_observations."""
    series = exchange.request.context["series_id"]
    header, lines = read_csv(exchange)
    if header[0] not in DATE_COLUMNS:
        require_keys(exchange, "the file", header, DATE_COLUMNS[:1])
    if header[1:] != [series]:
        raise problem(
            exchange, f"the file is about {', '.join(header[1:])}, not {series}", "ask for one series at a time"
        )
    rows = [{"series_id": series, "observation_date": day, "value": value} for day, value in lines]
    return {"fredgraph_observations": rows}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for the download page's own errors."""
    if status == 404:
        return "FRED does not know this series: check the id in catalog/fred.yml", False
    return None
