"""A hand-kept unlock schedule: the format of schedules/*.yml, and errors that name file, entry and field.

Which files are read, and the rows they become, is orchestration/extract/schedules.py.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from orchestration.catalog.loader import ASSETS_FILE, DIRECTORY, build_entry, read_document
from orchestration.catalog.models import CatalogError, Entry, Text

MOST_STEPS = 1000
DEEPEST = 10


def _instant(value: Any) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time of day needs its zone, such as 2024-03-16T13:00:00Z")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError("must be a date such as 2024-03-16, or an instant such as 2024-03-16T13:00:00Z")


def _tokens(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e30:
        raise ValueError("must be a positive number of tokens")
    return Decimal(str(value))


def _link(value: str) -> str:
    if not re.fullmatch(r"https?://\S+", value):
        raise ValueError("must be the link of the page that states it")
    return value


Instant = Annotated[datetime, BeforeValidator(_instant)]
Tokens = Annotated[Decimal, BeforeValidator(_tokens)]
Link = Annotated[str, AfterValidator(_link)]


class Cliff(Entry):
    """`amount` tokens at one instant."""

    kind: Literal["cliff"]
    at: Instant
    amount: Tokens


class Linear(Entry):
    """`amount` tokens evenly from `start` to `end`."""

    kind: Literal["linear"]
    start: Instant
    end: Instant
    amount: Tokens

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end: must lie after start")
        return self


class Steps(Entry):
    """`amount` tokens in all, in `count` equal steps from `first` on; a month's step keeps the first one's day of month."""

    kind: Literal["steps"]
    first: Instant
    every: Annotated[str, Field(pattern=r"^([1-9]\d? )?(day|week|month|year)s?$")]
    count: Annotated[int, Field(ge=1, le=MOST_STEPS)]
    amount: Tokens

    def instants(self) -> Iterator[datetime]:
        """When each step unlocks."""
        number, unit = int(next(iter(re.findall(r"\d+", self.every)), 1)), self.every.rstrip("s").split()[-1]
        for step in range(self.count):
            if unit in ("day", "week"):
                yield self.first + step * number * timedelta(days=7 if unit == "week" else 1)
            else:
                yield _months_later(self.first, step * number * (12 if unit == "year" else 1))


def _months_later(instant: datetime, months: int) -> datetime:
    year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    return instant.replace(year=year, month=month + 1, day=min(instant.day, monthrange(year, month + 1)[1]))


class Allocation(Entry):
    """One receiver's unlocks.

    basis: `stated` when the source says amounts and dates; `inferred` when it gives less and the rest is the writer's reading
        (then `notes` says what).
    precision: how exact the dates are.
    """

    name: Text
    group: Text
    basis: Literal["stated", "inferred"]
    precision: Literal["second", "day", "month"]
    source: Link | None = None
    notes: str = ""
    unlocks: Annotated[tuple[Annotated[Cliff | Linear | Steps, Field(discriminator="kind")], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _says_what_is_inferred(self) -> Self:
        if self.basis == "inferred" and not self.notes:
            raise ValueError("notes: say what the source states and what is inferred")
        return self


class Schedule(Entry):
    """The schedule of one token; without allocations it says that nothing is scheduled (any more)."""

    token: Text
    source: Link
    read_on: date
    notes: str = ""
    allocations: tuple[Allocation, ...]


def read_schedule(body: bytes, file_name: str) -> Schedule:
    """Parse and check one file.

    Raises:
        CatalogError: naming file, entry, field and what to do.
    """
    where = f"schedules/{file_name}"
    _refuse_depth(body, where)
    document = read_document(body, where)
    raw = document.get("allocations")
    if isinstance(raw, list):
        # One by one, so that an error names its allocation.
        document["allocations"] = [_allocation(entry, number, where) for number, entry in enumerate(raw, 1)]
    schedule = build_entry(Schedule, document, where, "")
    if f"{schedule.token}.yml" != file_name:
        raise CatalogError(f"{where}: field token: is {schedule.token!r}; it must equal the file's name")
    if schedule.token not in _asset_ids():
        raise CatalogError(
            f"{where}: field token: no asset {schedule.token!r}: write an asset_id of catalog/{ASSETS_FILE}, or add the "
            "token there (asset_id, name, symbol, asset_class, and its coingecko id under ids)"
        )
    names = [allocation.name for allocation in schedule.allocations]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise CatalogError(f"{where}: allocations {twice}: is listed twice; put both under its unlocks")
    return schedule


def _refuse_depth(body: bytes, where: str) -> None:
    """libyaml composes nested nodes recursively: 100,000 brackets end the process, not the file."""
    depth = 0
    try:
        for event in yaml.parse(body, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise CatalogError(f"{where}: is nested deeper than the format: compare with schedules/README.md")
    except yaml.YAMLError:
        return  # named with its line by the reading that follows


def _allocation(entry: Any, number: int, where: str) -> Allocation:
    name = entry.get("name") if isinstance(entry, dict) else None
    return build_entry(Allocation, entry, where, f"allocations {name or f'entry {number}'}")


@cache
def _asset_ids() -> frozenset[str]:
    document = read_document((DIRECTORY / ASSETS_FILE).read_bytes(), ASSETS_FILE)
    return frozenset(str(asset["asset_id"]) for asset in document["assets"])
