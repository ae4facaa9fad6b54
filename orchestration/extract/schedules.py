"""Unlock schedules kept by hand (schedules/*.yml): no network. The format is orchestration/catalog/schedule_file.py.

All files of the folder together are one listing: an entry, or a whole file, that is taken out is recorded as removed. A file
that cannot be read leaves the listing with a hole, and then nothing is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from orchestration.catalog import CatalogError
from orchestration.catalog.schedule_file import Cliff, Linear, Steps, read_schedule
from orchestration.extract.base import Exchange, Page, Plan, Request, Row, Rows, problem


def files(plan: Plan) -> Iterator[tuple[Request, Path]]:
    """Every YAML of the folder, in the order of their names."""
    found = sorted(path for path in plan.settings.schedules.glob("*.yml") if path.is_file())
    required = plan.provider.dataset("schedules_unlocks").required
    for number, path in enumerate(found, 1):
        context = {"file": path.name, "number": str(number), "of": str(len(found))}
        label = f"file {path.name}"
        yield Request("schedules", label, "", context=context, required=required, may_be_empty=True), path


def parse(exchange: Exchange) -> Rows:
    """The file's unlocks as rows of schedules_unlocks."""
    name = exchange.request.context["file"]
    try:
        schedule = read_schedule(exchange.body, name)
    except CatalogError as error:
        raise problem(exchange, str(error), "the format is in schedules/README.md") from None
    rows: list[Row] = []
    seen: Counter[tuple[str, ...]] = Counter()
    for allocation in schedule.allocations:
        for unlock in allocation.unlocks:
            for part in _parts(unlock):
                key = (allocation.name, unlock.kind, part["unlock_at"])
                rows.append(
                    {
                        "token": schedule.token,
                        "allocation": allocation.name,
                        "kind": unlock.kind,
                        "ordinal": str(seen[key]),
                        **part,
                        "allocation_group": allocation.group,
                        "basis": allocation.basis,
                        "unlock_precision": allocation.precision,
                        "source_url": allocation.source or schedule.source,
                        "read_on": schedule.read_on.isoformat(),
                        "file_name": name,
                    }
                )
                seen[key] += 1
    return {"schedules_unlocks": rows}


def _parts(unlock: Cliff | Linear | Steps) -> Iterator[Row]:
    """Each unlock of an entry: its instant, its end where it is linear, its tokens."""
    match unlock:
        case Cliff():
            yield {"unlock_at": _text(unlock.at), "ends_at": None, "amount": f"{unlock.amount:f}"}
        case Linear():
            yield {"unlock_at": _text(unlock.start), "ends_at": _text(unlock.end), "amount": f"{unlock.amount:f}"}
        case Steps():
            for instant in unlock.instants():
                yield {"unlock_at": _text(instant), "ends_at": None, "amount": f"{unlock.amount / unlock.count:f}"}


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def listing(exchange: Exchange) -> Page:
    """A file's place among the files of its folder."""
    context = exchange.request.context
    return Page("", int(context["number"]), int(context["of"]), may_be_empty=True)
