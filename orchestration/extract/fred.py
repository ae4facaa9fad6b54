"""FRED API with a key: observations, the vintages of revised series (ALFRED), and what FRED says about each series.

Contract: api.stlouisfed.org/docs/fred. Values are text and "." is missing; errors come as HTTP 400 with a JSON message,
a refused key included. Units are never touched here. The requests of one series follow each other, so that an unknown
series is one failure: observations (or vintage dates and vintages), then metadata when it is due.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from orchestration.extract.base import Exchange, Plan, Request, Rows, problem, read_json, require_keys

PAGE = 100_000

MOST_VINTAGES = 2_000
"""Vintage dates that a JSON answer may span; a real-time window of as many days cannot hold more."""

METADATA_EVERY_DAYS = 8
"""A day reads the metadata of an eighth of the series, so that no run costs twice as many requests. Not seven: whoever
runs once a week would then always read the same ones."""


def requests(plan: Plan) -> Iterator[Request]:
    """The first request of every series; `following` has the others.

    A series with vintages is asked for its whole real-time window in place of today's values: of a new series from its
    first day on, else from the vintage up to which all is held.
    """
    key = plan.settings.api_key("fred")
    for place, series in enumerate(plan.series):
        window = plan.window_of(series.key)
        start, since = window.start, None
        if series.vintages:
            first, since = plan.held.vintages.get(series.key, (start, None))
            # Nothing could be known of a period before it began: a period and its vintages start on one day.
            since = since if since and first <= start else min(first, start)
            start = min(first, start)
        is_due = series.key not in plan.held.described or (plan.now.toordinal() + place) % METADATA_EVERY_DAYS == 0
        request = Request(
            "fred",
            f"series {series.key}",
            "/fred/series/observations",
            {
                "series_id": series.key,
                "file_type": "json",
                "observation_start": start.isoformat(),
                "observation_end": window.end.isoformat(),
                "limit": str(PAGE),
                "offset": "0",
            },
            context={"series_id": series.key} | ({"metadata": "due"} if is_due else {}),
            secret_params={"api_key": key.get_secret_value()} if key else {},
            required=series.required,
            may_be_empty=series.may_be_empty,
        )
        if since is None:
            yield request
        elif (plan.now.date() - since).days < MOST_VINTAGES:
            yield _vintages(request, since.isoformat())
        else:
            yield _vintage_dates(request, since.isoformat())


def _vintages(request: Request, since: str, until: str | None = None) -> Request:
    """Every value in force at some time from one US date to another; without `until` up to FRED's own today.

    FRED refuses a day after its today, and its clock is not ours: the open end is left to it.
    """
    params = {**request.params, "realtime_start": since, "limit": str(PAGE), "offset": "0"}
    return replace(
        request,
        label=f"series {request.context['series_id']}, vintages from {since}",
        path="/fred/series/observations",
        params=params | ({"realtime_end": until} if until else {}),
        context={**request.context, "answer": "vintages"},
        may_be_empty=until is not None,
    )


def _vintage_dates(request: Request, since: str) -> Request:
    """The first vintage dates from a day on, as many as one answer may span."""
    params = {name: value for name, value in request.params.items() if name != "realtime_end"}
    return replace(
        request,
        label=f"vintage dates of {request.context['series_id']} from {since}",
        path="/fred/series/vintagedates",
        params=params | {"realtime_start": since, "limit": str(MOST_VINTAGES), "offset": "0"},
        context={**request.context, "answer": "vintage dates"},
        may_be_empty=True,
    )


def _metadata(request: Request) -> Request:
    series = request.context["series_id"]
    return replace(
        request,
        label=f"metadata of {series}",
        path="/fred/series",
        params={"series_id": series, "file_type": "json"},
        context={"series_id": series, "answer": "metadata"},
        # Without it the numbers are as good as yesterday's; the gate judges the unit that was read last.
        required=False,
        may_be_empty=False,
    )


def following(exchange: Exchange) -> Request | None:
    """The next page while `count` says there is one, then the next vintages, then the metadata when it is due."""
    request, answer = exchange.request, exchange.request.context.get("answer")
    if answer == "metadata":
        return None
    body = read_json(exchange)
    if answer == "vintage dates":
        dates, since = body["vintage_dates"], request.params["realtime_start"]
        # Windows share the day between them: what began on it is in both, and nothing falls between two.
        return _vintages(request, since, dates[-1] if int(body["count"]) > len(dates) else None)
    seen = int(body["offset"]) + len(body["observations"])
    if seen < int(body["count"]):
        return replace(request, params={**request.params, "offset": str(seen)})
    if "realtime_end" in request.params:
        return _vintage_dates(request, request.params["realtime_end"])
    return _metadata(request) if "metadata" in request.context else None


def parse(exchange: Exchange) -> Rows:
    """`observations` as rows of fred_observations and, when asked with a real-time window, of fred_vintages."""
    body, answer = read_json(exchange), exchange.request.context.get("answer")
    found = body if isinstance(body, dict) else ()
    if answer == "metadata":
        require_keys(exchange, "the answer", found, ("seriess",))
        series = exchange.request.context["series_id"]
        if any(row["id"] != series for row in body["seriess"]):
            raise problem(
                exchange, f"the answer describes {', '.join(row['id'] for row in body['seriess'])}, not {series}"
            )
        return {"fred_series": body["seriess"]}
    if answer == "vintage dates":
        require_keys(exchange, "the answer", found, ("vintage_dates", "count"))
        days = [date.fromisoformat(day) for day in body["vintage_dates"]]
        if days != sorted(set(days)):
            raise problem(exchange, "the vintage dates are not in order")
        return {}
    require_keys(exchange, "the answer", found, ("observations", "count", "offset"))
    rows = body["observations"]
    if not rows and int(body["offset"]) < int(body["count"]):
        raise problem(exchange, f"a page of {body['count']} observations came back empty")
    series = exchange.request.context["series_id"]
    rows = [{**row, "series_id": series} for row in rows]
    if answer != "vintages":
        return {"fred_observations": rows}
    if "realtime_end" in exchange.request.params:
        return {"fred_vintages": rows}
    in_force = [row for row in rows if row["realtime_end"] >= body["realtime_end"]]
    if rows and not in_force:
        raise problem(
            exchange, f"no value is in force on {body['realtime_end']}", "the real-time window was cut: try again"
        )
    return {"fred_observations": in_force, "fred_vintages": rows}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for FRED's own messages."""
    if "api_key" in text:
        return (
            "set TIDEGAUGE_FRED_API_KEY to your 32-character key (free at fred.stlouisfed.org), "
            "or unset it to use the keyless downloads",
            True,
        )
    if "series does not exist" in text:
        return "check the id in catalog/fred.yml; a discontinued series belongs under retired:", False
    return None
