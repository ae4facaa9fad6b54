"""Bank of Korea ECOS: official Korean statistics, of which the KOSPI close. The key is a segment of the path.

Every answer has status 200: a `StatisticSearch` with rows, or a `RESULT` with a code (INFO-200: no data in the window).
Rows are asked for by their numbers, counted from 1, until `list_total_count` is reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from orchestration.extract.base import Exchange, Plan, Request, Rows, problem, read_json, require_keys
from orchestration.extract.errors import ExtractError, PermanentError, TransientError

CODES = {"KOSPI": ("802Y001", "0001000")}
"""Table and item of each series: 802Y001 is the daily stock market table."""

PAGE = 1000

BUSY = {
    "ERROR-400": "the search took more than 60 s",
    "ERROR-500": "server error",
    "ERROR-600": "database error",
    "ERROR-601": "SQL error",
    "ERROR-602": "too many requests",
}


def requests(plan: Plan) -> Iterator[Request]:
    """One request per series and window; the key travels in the path and shows nowhere."""
    key = plan.settings.api_key("ecos")
    for series in plan.series:
        window = plan.window_of(series.key)
        table, item = CODES[series.key]
        context = {"series_id": series.key, "rows": f"{table}/D/{window.start:%Y%m%d}/{window.end:%Y%m%d}/{item}"}
        yield Request(
            "ecos",
            f"series {series.key}",
            _path(1, context["rows"]),
            context={**context, "first": "1"},
            secret_path={"key": key.get_secret_value()} if key else {},
            required=series.required,
            may_be_empty=series.may_be_empty,
        )


def _path(first: int, rows: str) -> str:
    return f"/api/StatisticSearch/{{key}}/json/kr/{first}/{first + PAGE - 1}/{rows}"


def following(exchange: Exchange) -> Request | None:
    """The next rows while `list_total_count` says there are more."""
    request = exchange.request
    first = int(request.context["first"]) + PAGE
    if first > int(read_json(exchange).get("StatisticSearch", {}).get("list_total_count", 0)):
        return None
    return replace(
        request, path=_path(first, request.context["rows"]), context={**request.context, "first": str(first)}
    )


def parse(exchange: Exchange) -> Rows:
    """`row` as rows of ecos_statistics; thousands commas are taken out of DATA_VALUE."""
    body = read_json(exchange)
    if isinstance(body, dict) and "RESULT" in body:
        code, said = body["RESULT"]["CODE"], body["RESULT"]["MESSAGE"]
        if code == "INFO-200":
            return {"ecos_statistics": []}
        raise _refusal(exchange, code, said)
    require_keys(exchange, "the answer", body if isinstance(body, dict) else (), ("StatisticSearch",))
    series = exchange.request.context["series_id"]
    rows = []
    for row in body["StatisticSearch"]["row"]:
        found = (row["STAT_CODE"], row["ITEM_CODE1"])
        if found != CODES[series]:
            raise problem(exchange, f"a row is about {'/'.join(found)}, not {'/'.join(CODES[series])}", "try again")
        rows.append({**row, "DATA_VALUE": row["DATA_VALUE"].replace(",", ""), "series_id": series})
    due = min(int(body["StatisticSearch"]["list_total_count"]) - int(exchange.request.context["first"]) + 1, PAGE)
    if len(rows) != due:
        raise problem(exchange, f"{len(rows)} rows came where {due} are due", "try again: the answer was cut short")
    return {"ecos_statistics": rows}


def _refusal(exchange: Exchange, code: str, said: str) -> ExtractError:
    request, what = exchange.request, f'{code} came with status 200: "{said}"'
    if code in BUSY:
        return TransientError(request.provider, request.label, f"{what} ({BUSY[code]})", "try again later")
    if code == "INFO-100":
        remedy = "the key is refused: check TIDEGAUGE_ECOS_API_KEY (free at ecos.bok.or.kr), or unset it"
        error = PermanentError(request.provider, request.label, what, remedy, whole_provider=True)
        error.status = exchange.status
        return error
    remedy = "the request is not understood: compare orchestration/extract/ecos.py with ecos.bok.or.kr/api"
    return PermanentError(request.provider, request.label, what, remedy)
