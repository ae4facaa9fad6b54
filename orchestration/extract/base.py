"""The words the extract room shares: a request, an exchange, a window, and rows on their way to a raw table.

No HTTP here (http.py), no provider's contract (one module each), no database.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from orchestration import __version__
from orchestration.catalog import Provider, Series
from orchestration.catalog.tables import RawTable
from orchestration.extract.errors import ExtractError, PayloadError, PermanentError, TransientError
from orchestration.settings import Settings

USER_AGENT = f"tidegauge/{__version__} (open-source data warehouse)"

Row = dict[str, Any]


@dataclass(frozen=True)
class Window:
    """First and last day asked for, both included."""

    start: date
    end: date


@dataclass(frozen=True)
class Held:
    """What the warehouse holds of the series with vintages and metadata, by provider key; empty in a new home.

    vintages: the first period held, and the vintage up to which all revisions are held (None: none yet).
    described: the series whose metadata was read.
    """

    vintages: Mapping[str, tuple[date, date | None]] = field(default_factory=dict)
    described: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """What a provider module may look at when it decides what to ask for."""

    provider: Provider
    series: tuple[Series, ...]
    settings: Settings
    now: datetime
    window_of: Callable[[str | None], Window]
    """Window of one series of the provider (its provider key), or of the whole provider for None."""
    held: Held = Held()
    tables: frozenset[str] | None = None
    """The raw tables that are wanted; None: all of the provider's."""

    def wants(self, table: str) -> bool:
        """Whether rows of this raw table are wanted; a module with a costly request for one of several asks."""
        return self.tables is None or table in self.tables


@dataclass(frozen=True)
class Request:
    """One GET. `label` names it in messages; `context` is what the parser needs to know and is archived with the body.

    `secret_params`, `secret_headers` and `secret_path` are sent but never shown, logged or archived. `secret_path` fills
    `{name}` in `path` on its way out only: messages, the archive and everything else see the placeholder.
    `host` names one of the provider's other hosts. `otherwise` is asked when this request is refused for good.
    """

    provider: str
    label: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)
    secret_params: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_path: Mapping[str, str] = field(default_factory=dict, repr=False)
    host: str = ""
    required: bool = True
    may_be_empty: bool = False
    otherwise: Request | None = field(default=None, repr=False)

    @property
    def filled_path(self) -> str:
        """The path with its keys in place: for sending only."""
        path = self.path
        for name, secret in self.secret_path.items():
            path = path.replace(f"{{{name}}}", quote(secret, safe=""))
        return path

    @property
    def secrets(self) -> frozenset[str]:
        """Every key this request carries, as it is and as a URL spells it: for redaction only."""
        keys = (*self.secret_params.values(), *self.secret_headers.values(), *self.secret_path.values())
        return frozenset(spelling for key in keys for spelling in (key, quote(key, safe="")))


@dataclass(frozen=True)
class Page:
    """An answer's place in a listing that names everything there is of one `scope` (a token's whole schedule).

    The listing is whole once pages 1 to `of` of one `edition` have come: only then does what it lacks mean something.
    may_be_empty: an empty listing is meant so; otherwise it says nothing about what was there before.
    """

    scope: str
    number: int = 1
    of: int = 1
    edition: str = ""
    may_be_empty: bool = False


@dataclass(frozen=True)
class Exchange:
    """A body with what is known of its arrival; read from the network, the inbox or the archive alike."""

    request: Request
    status: int
    body: bytes = field(repr=False)
    fetched_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Digest of the decompressed body."""
        return hashlib.sha256(self.body).hexdigest()


Rows = dict[str, list[Row]]
"""Rows per raw table."""


def problem(exchange: Exchange, what: str, remedy: str = "") -> PayloadError:
    """The error of a body that is not what its request asked for."""
    return PayloadError(exchange.request.provider, exchange.request.label, what, remedy)


def refusal(
    exchange: Exchange, said: str, known: tuple[str, bool] | None, *, is_transient: bool = False
) -> ExtractError:
    """The error of an error object that came with status 200.

    Asked again when it is transient or means nothing to us; where its provider module knows the remedy, another try cannot
    help. `known` is what its `explain` found.
    """
    request, what = exchange.request, f'an error object came with status 200: "{said}"'
    error: ExtractError = problem(exchange, what, "try again later")
    if is_transient:
        error = TransientError(request.provider, request.label, what, "the provider is busy: try again later")
    elif known:
        error = PermanentError(request.provider, request.label, what, known[0], whole_provider=known[1])
        error.status = exchange.status
    return error


def _head(body: bytes) -> str:
    return " ".join(body[:80].decode("utf-8", "replace").split())


def refuse_markup(exchange: Exchange) -> None:
    """Raise when the body is empty or a page of HTML or XML: a maintenance or challenge page often has status 200."""
    start = exchange.body.lstrip()[:1]
    if not start:
        raise problem(exchange, "the body is empty", "try again later; if it stays, the endpoint has moved")
    if start == b"<":
        raise problem(
            exchange,
            f"a web page came instead of data ({_head(exchange.body)!r})",
            "the source is in maintenance or blocks this client: try again later",
        )


def read_json(exchange: Exchange) -> Any:
    """The JSON body with every number kept as the text that was served (30 digits survive; NaN stays visible)."""
    refuse_markup(exchange)
    try:
        return json.loads(exchange.body, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise problem(
            exchange,
            f"the body is cut short or not JSON ({type(error).__name__} in {len(exchange.body)} bytes)",
            "try again; if it stays, the format has changed",
        ) from None


def read_csv(exchange: Exchange) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV body; BOM and CRLF accepted, a body without a closing newline is a cut one."""
    refuse_markup(exchange)
    text = exchange.body.decode("utf-8-sig", "replace")
    if not text.endswith("\n"):
        raise problem(exchange, "the file stops in the middle of a line", "try again: the transfer was cut short")
    try:
        # Strict: an opening quote without its end would swallow every line after it.
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise problem(
            exchange, f"the file is not CSV ({error})", "try again; if it stays, the format has changed"
        ) from None
    header, rows = lines[0], [line for line in lines[1:] if line]
    ragged = next((line for line in rows if len(line) != len(header)), None)
    if ragged is not None:
        raise problem(exchange, f"a line has {len(ragged)} fields where the header has {len(header)}: {ragged[:4]}")
    return header, rows


def text(value: Any) -> str | None:
    """A JSON value as raw text: null stays null, a nested value becomes JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def require_keys(exchange: Exchange, where: str, found: Iterable[str], needed: Iterable[str]) -> None:
    """Raise when the answer lacks something it always had, or has it twice."""
    counts = Counter(iter(found))
    have, needed = set(counts), tuple(needed)
    twice = [name for name in needed if counts[name] > 1]
    if twice:
        raise problem(exchange, f"{where} has {', '.join(twice)} twice", "take out the column that is not meant")
    missing = [name for name in needed if name not in have]
    if missing:
        raise problem(
            exchange,
            f"{where} has no {', '.join(missing)} (it has {', '.join(sorted(have)[:12]) or 'nothing'})",
            f"the format has changed: compare orchestration/extract/{exchange.request.provider}.py with the "
            "provider's documentation",
        )


def to_arrow(table: RawTable, rows: list[Row], exchange: Exchange) -> tuple[pa.Table, set[str]]:
    """Rows of one answer as the raw table's columns plus `_extra`, `_extracted_at` and `_response_sha256`.

    Returns the Arrow table and the names of columns nobody asked for; their values are kept in `_extra`.

    Raises:
        PayloadError: a required column is in no row: it was renamed or dropped.
    """
    served: set[str] = set().union(*(row.keys() for row in rows)) if rows else set()
    if rows:
        needed = [column.name for column in table.columns if column.required]
        require_keys(exchange, f"table {table.name}", served, needed)
    unknown = served - set(table.column_names)
    columns: dict[str, pa.Array] = {
        name: pa.array([text(row.get(name)) for row in rows], pa.string()) for name in table.column_names
    }
    extra = [
        json.dumps({k: row[k] for k in sorted(unknown) if k in row}, ensure_ascii=False) if unknown else None
        for row in rows
    ]
    columns["_extra"] = pa.array(extra, pa.string())
    columns["_extracted_at"] = pa.array([exchange.fetched_at] * len(rows), pa.timestamp("us", tz="UTC"))
    columns["_response_sha256"] = pa.array([exchange.sha256] * len(rows), pa.string())
    return pa.table(columns), unknown


def empty_arrow(table: RawTable) -> pa.Table:
    """No rows, the right columns."""
    fields: list[pa.Field[Any]] = [pa.field(name, pa.string()) for name in [*table.column_names, "_extra"]]
    fields += [pa.field("_extracted_at", pa.timestamp("us", tz="UTC")), pa.field("_response_sha256", pa.string())]
    return pa.schema(fields).empty_table()
