"""Runs providers side by side, from the network or from an archive, and hands over what each of them brought.

One thread per provider, its requests in turn. Nothing is loaded here: the caller writes each harvest as it comes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pyarrow as pa

from orchestration.catalog import Catalog
from orchestration.catalog.tables import RAW_TABLES, Listing, tables_of
from orchestration.extract import (
    calendar,
    cboe,
    coingecko,
    coinmarketcap,
    coinmetrics,
    ecos,
    fiscaldata,
    fred,
    fredgraph,
    llama,
    nyfed,
    schedules,
    stablecoins,
    tokenomist,
    tradingview,
    yahoo,
)
from orchestration.extract.archive import Archive
from orchestration.extract.base import Exchange, Held, Page, Plan, Request, Window, empty_arrow, problem, to_arrow
from orchestration.extract.errors import ExtractError, PermanentError
from orchestration.extract.http import Client
from orchestration.extract.progress import Progress
from orchestration.settings import ConfigurationError, Settings

log = logging.getLogger(__name__)

MODULES: dict[str, ModuleType] = {
    module.__name__.rsplit(".", 1)[1]: module
    for module in (
        *(fred, fredgraph, fiscaldata, nyfed, coinmetrics, coingecko, coinmarketcap),
        *(stablecoins, yahoo, cboe, ecos, llama, tokenomist, tradingview, schedules, calendar),
    )
}

FILE_READERS = tuple(name for name, module in MODULES.items() if hasattr(module, "files"))
"""Providers that read files."""

INBOX_READERS = ("tradingview", "calendar")

GIVE_UP_AFTER = 2
"""Requests in a row that used up their tries before the host counts as down; the rest would only cost time."""

MOST_PAGES = 1000
"""Far more than any of the sources has; an answer that always names a next page ends here."""

NOTHING_HELD = Held()


@dataclass
class Harvest:
    """What one provider brought in one run.

    tables: rows per raw table of the provider (empty ones included).
    failures: requests that yielded nothing usable, with whether the catalog calls them required.
    listings: per raw table, the scopes that were listed whole.
    skipped: why the provider was not asked at all, if so.
    """

    provider: str
    tables: dict[str, pa.Table]
    responses: int = 0
    tries: int = 0
    failures: list[tuple[ExtractError, bool]] = field(default_factory=list)
    drift: dict[str, set[str]] = field(default_factory=dict)
    fetched: list[datetime] = field(default_factory=list)
    listings: dict[str, list[Listing]] = field(default_factory=dict)
    skipped: str | None = None

    @property
    def required_failures(self) -> list[ExtractError]:
        """The failures that fail the run."""
        return [error for error, required in self.failures if required]


class Basket:
    """Collects the tables of one provider's answers."""

    def __init__(self, provider: str) -> None:
        self.harvest = Harvest(provider, {})
        self._parts: dict[str, list[pa.Table]] = {table.name: [] for table in tables_of(provider)}
        self._bodies: dict[str, Request] = {}
        self._pages: _Pages = []

    def judge(self, exchange: Exchange, *, replayed: bool = False) -> tuple[int, dict[str, tuple[pa.Table, set[str]]]]:
        """Parse and check; raises what the parser raises."""
        with _as_documented(exchange):
            rows = MODULES[exchange.request.provider].parse(exchange)
            tables = {name: to_arrow(RAW_TABLES[name], found, exchange) for name, found in rows.items()}
            count = sum(len(found) for found in rows.values())
        if count == 0 and not exchange.request.may_be_empty:
            raise problem(
                exchange,
                "no rows in the window",
                "it may have ended: retire it in the catalog, or mark it may_be_empty",
            )
        twin = self._bodies.get(exchange.sha256)
        # An archive spans many runs: the same body for the windows of two days only says that nothing was new.
        if count and twin and not replayed and not _same(twin, exchange.request):
            raise problem(exchange, f"the same body came for {twin.label}", "the source repeats an answer: try later")
        return count, tables

    def add(self, exchange: Exchange, tables: Mapping[str, tuple[pa.Table, set[str]]]) -> None:
        """Keep the tables of a good answer."""
        self._bodies[exchange.sha256] = exchange.request
        module = MODULES[exchange.request.provider]
        if hasattr(module, "listing"):
            places = {name: len(parts) for name, parts in self._parts.items()}
            self._pages.append((module.listing(exchange), exchange, places))
        for name, (table, unknown) in tables.items():
            self._parts[name].append(table)
            if unknown:
                self.harvest.drift.setdefault(name, set()).update(unknown)
        self.harvest.responses += 1
        self.harvest.fetched.append(exchange.fetched_at)

    def finish(self) -> Harvest:
        """What has come together, empty tables included."""
        self._date_listings()
        self.harvest.tables = {
            name: pa.concat_tables(parts) if parts else empty_arrow(RAW_TABLES[name])
            for name, parts in self._parts.items()
        }
        return self.harvest

    def _date_listings(self) -> None:
        """A listing is known when its last page has come: all its rows are of that instant."""
        for pages in _whole_listings(self._pages):
            page, last = pages[-1][:2]
            for name, parts in self._parts.items():
                places = [entry[2][name] for entry in pages]
                if not RAW_TABLES[name].keeps_removals:
                    continue
                for place in places:
                    instants = pa.array([last.fetched_at] * parts[place].num_rows, pa.timestamp("us", tz="UTC"))
                    column = parts[place].schema.get_field_index("_extracted_at")
                    parts[place] = parts[place].set_column(column, "_extracted_at", instants)
                if page.may_be_empty or any(parts[place].num_rows for place in places):
                    found = Listing(page.scope, last.fetched_at, last.sha256)
                    self.harvest.listings.setdefault(name, []).append(found)


_Pages = list[tuple[Page, Exchange, dict[str, int]]]
"""Pages with their answers and where their rows stand among the parts of each table."""


def _whole_listings(pages: _Pages) -> Iterator[_Pages]:
    """Runs of pages 1, 2, ... to the last of one scope and edition; a listing with a hole in it is none.

    By instant and number, because an archive keeps pages of one instant in no order.
    """
    begun: dict[str, _Pages] = {}
    for entry in sorted(pages, key=lambda entry: (entry[1].fetched_at, entry[0].number)):
        page = entry[0]
        so_far = begun.pop(page.scope, [])
        if page.number == 1:
            so_far = [entry]
        elif so_far and replace(so_far[-1][0], number=page.number) == page and page.number == len(so_far) + 1:
            so_far.append(entry)
        else:
            continue
        if page.number == page.of:
            yield so_far
        else:
            begun[page.scope] = so_far


def _same(one: Request, other: Request) -> bool:
    return _question(one) == _question(other)


def _question(request: Request) -> tuple[object, ...]:
    # One symbol exported twice is one question: the copy of a file adds nothing and is no failure.
    return request.path, request.params, {name: value for name, value in request.context.items() if name != "file"}


@contextmanager
def _as_documented(exchange: Exchange) -> Iterator[None]:
    """Whatever a parser stumbles over is the body's fault, and must not end the run of the other sources."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, OSError, RecursionError) as error:
        raise problem(
            exchange,
            f"the answer is not built as documented ({type(error).__name__}: {str(error)[:80]})",
            f"the format has changed: compare orchestration/extract/{exchange.request.provider}.py with the "
            "provider's documentation",
        ) from None


def _following(exchange: Exchange, asked: list[Request]) -> Request | None:
    """The next page; `asked` are the pages so far, so that a token that leads back cannot keep us forever."""
    module = MODULES[exchange.request.provider]
    if not hasattr(module, "following"):
        return None
    with _as_documented(exchange):
        request: Request | None = module.following(exchange)
    if request in asked or (request and len(asked) >= MOST_PAGES):
        raise problem(exchange, f"the pages never end ({len(asked)} so far)", "the source is at fault: try again later")
    return request


def active_providers(settings: Settings, only: tuple[str, ...] = ()) -> dict[str, str | None]:
    """Every provider with None when it is to be asked, else the reason why not.

    Raises:
        ConfigurationError: `only` names something unknown, or a provider whose key is missing.
    """
    unknown = sorted(set(only) - set(MODULES))
    if unknown:
        raise ConfigurationError(f"unknown provider {', '.join(unknown)}: choose from {', '.join(MODULES)}")
    reasons: dict[str, str | None] = dict.fromkeys(MODULES)
    if settings.api_key("fred"):
        reasons["fredgraph"] = "a FRED key is set, the keyless downloads are not needed"
    else:
        reasons["fred"] = "TIDEGAUGE_FRED_API_KEY is not set, the keyless downloads (fredgraph) stand in"
    if not settings.api_key("ecos"):
        reasons["ecos"] = "TIDEGAUGE_ECOS_API_KEY is not set (free at ecos.bok.or.kr)"
    if not any(settings.inbox_dir.glob("*.csv")):
        reasons["tradingview"] = f"no chart exports in {settings.inbox_dir}"
    calendars = settings.inbox_dir / calendar.FOLDER
    if not (settings.api_key("calendar") or settings.calendar_base_url or any(calendars.glob("*"))):
        reasons["calendar"] = f"no calendars in {calendars}, and TIDEGAUGE_CALENDAR_API_KEY is not set"
    if not any(settings.schedules.glob("*.yml")):
        reasons["schedules"] = f"no schedules in {settings.schedules}"
    if not settings.api_key("tokenomist"):
        reasons["tokenomist"] = "TIDEGAUGE_TOKENOMIST_API_KEY is not set, and Tokenomist answers nobody without one"
    if only:
        if "fred" in only and reasons["fred"]:
            raise ConfigurationError("fred needs a key: set TIDEGAUGE_FRED_API_KEY, or ask for fredgraph instead")
        for name in ("ecos", "tokenomist"):
            if name in only and reasons[name]:
                raise ConfigurationError(f"{name} needs a key: set TIDEGAUGE_{name.upper()}_API_KEY")
        reasons = {
            name: (None if name == "fredgraph" else reasons[name]) if name in only else "not asked for (--only)"
            for name in reasons
        }
    return reasons


def harvest_live(
    catalog: Catalog,
    settings: Settings,
    window_of: Callable[[str, str | None], Window],
    reasons: Mapping[str, str | None],
    progress: Progress,
    held: Held = NOTHING_HELD,
    tables: frozenset[str] | None = None,
) -> Iterator[Harvest]:
    """Ask every active provider at the same time; yields each as it finishes. `tables`: the raw tables wanted."""
    archive, now = Archive(settings.archive_dir), settings.now()

    def plan_of(name: str) -> Plan:
        entry, series = catalog.provider(name), catalog.series_of(name)
        return Plan(entry, series, settings, now, lambda key: window_of(name, key), held, tables)

    def work(name: str) -> Harvest:
        plan, basket = plan_of(name), Basket(name)
        if hasattr(MODULES[name], "files"):
            _files(basket, plan, archive)
        if hasattr(MODULES[name], "requests"):
            _ask(basket, plan, archive, progress)
        return basket.finish()

    if set(INBOX_READERS) <= set(reasons):
        _name_unread(settings, {path for name in INBOX_READERS for _, path in MODULES[name].files(plan_of(name))})
    for name, reason in reasons.items():
        if reason:
            basket = Basket(name)
            basket.harvest.skipped = reason
            yield basket.finish()
    active = [name for name, reason in reasons.items() if reason is None]
    yield from _in_parallel(work, active)


def harvest_archive(archive: Archive, progress: Progress) -> Iterator[Harvest]:
    """Play every usable archived response again, in the order and at the instants of their fetching."""
    found = {path.name for path in archive.root.iterdir() if path.is_dir()} if archive.root.is_dir() else set()

    def work(name: str) -> Harvest:
        basket = Basket(name)
        exchanges = list(archive.read(frozenset({name})))
        for done, exchange in enumerate(exchanges):
            progress.at(name, done, len(exchanges), exchange.request.label)
            try:
                basket.add(exchange, basket.judge(exchange, replayed=True)[1])
            except ExtractError as error:
                log.warning("%s", error)
                basket.harvest.failures.append((error, exchange.request.required))
        progress.at(name, len(exchanges), len(exchanges), "")
        return basket.finish()

    for name in MODULES:
        if name not in found:
            basket = Basket(name)
            basket.harvest.skipped = "not in this archive"
            yield basket.finish()
    yield from _in_parallel(work, [name for name in MODULES if name in found])


def _in_parallel(work: Callable[[str], Harvest], names: list[str]) -> Iterator[Harvest]:
    if not names:
        return
    with ThreadPoolExecutor(max_workers=len(names), thread_name_prefix="extract") as pool:
        waiting: list[Future[Harvest]] = [pool.submit(work, name) for name in names]
        for done in as_completed(waiting):
            yield done.result()


def _name_unread(settings: Settings, read: set[Path]) -> None:
    """Say which files of the inbox nobody reads, and where they would be read."""
    inbox = settings.inbox_dir
    for path in sorted({*inbox.glob("*"), *(inbox / calendar.FOLDER).glob("*")} - read):
        if path.is_file() and not path.name.startswith("."):
            log.warning(
                "inbox: nobody reads %r: a chart export keeps TradingView's own file name, a calendar (.csv or .ics) "
                "belongs into %s",
                str(path.relative_to(inbox)),
                inbox / calendar.FOLDER,
            )


def _ask(basket: Basket, plan: Plan, archive: Archive, progress: Progress) -> None:
    name, module = basket.harvest.provider, MODULES[basket.harvest.provider]
    client = Client(
        plan.settings,
        plan.provider,
        explain=getattr(module, "explain", lambda status, text: None),
        on_response=lambda exchange, error: _archive(archive, exchange, error),
    )
    # What a module probes first decides what it asks for then; without an answer it asks for everything.
    probe: Request | None = module.probe(plan) if hasattr(module, "probe") else None
    queue: list[Request] = [probe] if probe else list(module.requests(plan))
    in_a_row = 0
    try:
        for done, first in enumerate(queue):
            request: Request | None = first
            asked: list[Request] = []
            answers: list[Exchange] = []
            is_unusable = False
            progress.at(name, done, len(queue), first.label)
            try:
                while request is not None:
                    asked.append(request)
                    exchange, request = _take(client, basket, request, asked)
                    answers += [exchange] if first is probe else []
                in_a_row = 0
            except ExtractError as error:
                basket.harvest.failures.append((error, asked[-1].required))
                # A host that answered the first of these requests is up.
                in_a_row = (in_a_row if len(asked) == 1 else 0) + (not isinstance(error, PermanentError))
                is_unusable = error.whole_provider or in_a_row >= GIVE_UP_AFTER
                answers = []
            if first is probe:
                plan, left_out = module.narrow(plan, answers) if answers else (plan, [])
                basket.harvest.failures += left_out
                queue += module.requests(plan)
            if is_unusable:
                basket.harvest.failures += [
                    (
                        PermanentError(name, later.label, f"not asked, {name} is unusable in this run"),
                        later.required,
                    )
                    for later in queue[done + 1 :]
                ]
                break
        progress.at(name, len(queue), len(queue), "")
    finally:
        client.close()
        _tell([error for error, _ in basket.harvest.failures])
    basket.harvest.tries = client.tries


def _tell(errors: list[ExtractError]) -> None:
    """One line per cause: ten series that a provider does not have are one thing to read."""
    causes: dict[tuple[str, str, str], list[str]] = {}
    for error in errors:
        causes.setdefault((error.provider, error.problem, error.remedy), []).append(error.request)
    for (provider, what, remedy), asked in causes.items():
        more = f" and {len(asked) - 20} more" if len(asked) > 20 else ""
        log.warning("%s", ExtractError(provider, ", ".join(asked[:20]) + more, what, remedy))


def _take(client: Client, basket: Basket, request: Request, asked: list[Request]) -> tuple[Exchange, Request | None]:
    """One good answer into the basket, and the page after it. An answer whose next page cannot be read is a bad one."""
    judged: list[tuple[dict[str, tuple[pa.Table, set[str]]], Request | None]] = []

    def judge(exchange: Exchange) -> None:
        judged.append((basket.judge(exchange)[1], _following(exchange, asked)))

    exchange = client.get(request, judge)
    tables, following = judged[-1]
    basket.add(exchange, tables)
    return exchange, following


def _files(basket: Basket, plan: Plan, archive: Archive) -> None:
    found = list(MODULES[basket.harvest.provider].files(plan))
    for left, (request, path) in zip(reversed(range(len(found))), found, strict=True):
        try:
            body = _content(request, path, plan.settings.http_max_bytes)
            # An instant each: of two exports of one symbol the later file is the newer version, in a replay too.
            exchange = Exchange(request, 200, body, plan.now - timedelta(microseconds=left))
            try:
                _, tables = basket.judge(exchange)
            except ExtractError as error:
                _archive(archive, exchange, error.problem)
                raise
            _archive(archive, exchange, None)
        except ExtractError as error:
            log.warning("%s", error)
            basket.harvest.failures.append((error, request.required))
            continue
        basket.add(exchange, tables)


def _content(request: Request, path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(limit + 1)
    except OSError as trouble:
        what = f"the file cannot be read ({os.strerror(trouble.errno or 0)})"
        raise PermanentError(request.provider, request.label, what, "check its permissions") from None
    if len(body) > limit:
        what = f"the file is larger than {limit:,} bytes"
        raise PermanentError(
            request.provider, request.label, what, "raise TIDEGAUGE_HTTP_MAX_BYTES if that is real data"
        )
    return body


def _archive(archive: Archive, exchange: Exchange, error: str | None) -> None:
    try:
        archive.write(exchange, error)
    except OSError as trouble:
        raise PermanentError(
            exchange.request.provider,
            exchange.request.label,
            f"the archive cannot be written ({os.strerror(trouble.errno or 0)})",
            f"make room or permission below {archive.root}",
            whole_provider=True,
        ) from None


def first_fetch(harvest: Harvest, fallback: datetime) -> tuple[datetime, datetime]:
    """First and last fetch instant of a harvest."""
    return (min(harvest.fetched), max(harvest.fetched)) if harvest.fetched else (fallback, fallback)
