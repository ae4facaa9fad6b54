"""The catalog's types: provider, series, dataset, release rule, asset, terms, and the tables they become.

Reading YAML and naming the faulty entry is `loader.py`; turning rules into instants is `release.py`.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import pandas as pd

Redistribution = Literal["allowed", "restricted", "forbidden"]
Unit = Literal["usd", "pct", "index", "tokens", "fx_per_usd"]
Frequency = Literal["daily", "daily_7d", "weekly", "monthly"]
CalendarName = Literal["us_federal", "nyse", "utc", "xkrx", "xshg", "xtks", "fx"]
SessionCalendar = Literal["XNYS", "XKRX", "XSHG", "XTKS"]
AssetClass = Literal["btc", "eth", "stablecoin", "wrapped", "other"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

# What a series gets when its entry is silent: days re-read, days a value is carried, days it may be late.
FREQUENCY_DEFAULTS: dict[Frequency, tuple[int, int, int]] = {
    "daily": (14, 7, 4),
    "daily_7d": (14, 7, 4),
    "weekly": (45, 14, 7),
    "monthly": (120, 75, 40),
}


class CatalogError(Exception):
    """A catalog file that cannot be used; the text names file, entry and field and says what to do."""


def _clock(value: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError("must be a local time HH:MM in quotes, such as '16:30'")
    return value


def _zone(value: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is no IANA time zone; write one such as America/New_York") from None
    return value


def _https(value: str) -> str:
    if not value.startswith("https://") or value.endswith("/"):
        raise ValueError("must start with https:// and have no slash at the end")
    return value


def _positive(value: float) -> float:
    if not 0 < value < float("inf"):
        raise ValueError("must be a positive number")
    return value


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("must carry its zone, such as 2025-10-24T12:30:00Z")
    return value


Positive = Annotated[float, AfterValidator(_positive)]
Clock = Annotated[str, AfterValidator(_clock)]
Zone = Annotated[str, AfterValidator(_zone)]
HttpsUrl = Annotated[str, AfterValidator(_https)]
Text = Annotated[str, Field(min_length=1)]
Days = Annotated[int, Field(ge=0)]
Instant = Annotated[datetime, AfterValidator(_aware)]


class Entry(BaseModel):
    """A part of a catalog file: frozen, and nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Terms(Entry):
    """What the owner allows. `is_verified` is false where the wording was not read at its source."""

    licence: Text
    redistribution: Redistribution
    attribution: Text
    url: Text
    is_verified: bool = False
    notes: str = ""


class RateLimit(Entry):
    """At most `requests` per `per_seconds`; `robots` repeats what the host asks of crawlers."""

    requests: Annotated[int, Field(ge=1)]
    per_seconds: Positive
    robots: str = ""


class AccessPlan(Entry):
    """What a provider grants under one of its plans: host, pace, header of the key, coins whose history it can bear."""

    base_url: HttpsUrl
    rate_limit: RateLimit
    key_header: str | None = None
    history_coins: Annotated[int, Field(ge=0)] = 0


class KeyPolicy(Entry):
    """Whether the provider wants a key, and the variable that holds it."""

    policy: Literal["none", "optional", "required"] = "none"
    env: str | None = None

    @model_validator(mode="after")
    def _env_belongs_to_key(self) -> Self:
        if (self.policy == "none") != (self.env is None):
            raise ValueError("env: name the variable when policy is optional or required, and only then")
        return self


class ReleaseEvent(Entry):
    """What makes a release an event of the calendar. precision `about`: the rule gives a typical day."""

    title: Text
    url: HttpsUrl
    precision: Literal["instant", "about"] = "instant"


class ReleaseRule(Entry):
    """When the value of a period becomes public.

    days: `days` calendar days after the period, moved forward to a federal business day when `roll` is set.
    business_days: that many federal business days after it.
    months: day `day_of_month` of the `months`-th following month, rolled as above.
    weekday_after: the first `weekday` after the period's ISO week ends, rolled as above.
    session_close: `after_minutes` past the close of that session of `sessions`; without a session, `time`.
    """

    id: Text
    kind: Literal["days", "business_days", "months", "weekday_after", "session_close"]
    description: Text
    time: Clock
    zone: Zone
    days: Days | None = None
    business_days: Annotated[int, Field(ge=1)] | None = None
    months: Annotated[int, Field(ge=0)] | None = None
    day_of_month: Annotated[int, Field(ge=1, le=31)] | None = None
    weekday: Weekday | None = None
    roll: bool = False
    sessions: SessionCalendar | None = None
    after_minutes: Days = 0
    event: ReleaseEvent | None = None

    @model_validator(mode="after")
    def _fields_of_kind(self) -> Self:
        wanted = {
            "days": {"days"},
            "business_days": {"business_days"},
            "months": {"months", "day_of_month"},
            "weekday_after": {"weekday"},
            "session_close": {"sessions"},
        }[self.kind]
        fields = ("days", "business_days", "months", "day_of_month", "weekday", "sessions")
        present = {name for name in fields if getattr(self, name) is not None}
        if present != wanted:
            raise ValueError(f"kind {self.kind} takes exactly {', '.join(sorted(wanted))}")
        if self.roll and self.kind in {"business_days", "session_close"}:
            raise ValueError(f"roll has no meaning for kind {self.kind}; remove it")
        if self.after_minutes and self.kind != "session_close":
            raise ValueError("after_minutes belongs to kind session_close; remove it")
        return self


class ReleaseException(Entry):
    """A period whose release left the rule (a shutdown, a cancelled month)."""

    key: Text
    period: date
    known_at: Instant
    reason: Text


class Retired(Entry):
    """An id that was once active: it keeps its meaning in old data and may not be reused."""

    id: Text
    retired_on: date
    reason: Text


class Series(Entry):
    """One time series: how it is asked for, what its numbers mean, and when they can be trusted."""

    provider: Text
    key: Text
    dataset: Text
    title: Text
    native_unit: Text
    unit: Unit
    scale: Positive = 1.0
    frequency: Frequency
    weekday: Weekday | None = None
    calendar: CalendarName
    release: ReleaseRule
    look_back_days: Annotated[int, Field(ge=1)]
    carry_days: Days
    freshness_grace_days: Days
    required: bool = False
    may_be_empty: bool = False
    revision_policy: Text
    plausible_min: float
    plausible_max: float
    jump_limit: Positive = 0.5
    jump_kind: Literal["relative", "absolute"] = "relative"
    terms: Terms
    notes: str = ""

    @property
    def series_id(self) -> str:
        """`<provider>.<key>`, unique in the catalog and never reused."""
        return f"{self.provider}.{self.key}"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.plausible_min >= self.plausible_max:
            raise ValueError("plausible_min: must be below plausible_max")
        if (self.frequency == "weekly") != (self.weekday is not None):
            raise ValueError("weekday: say on which day the period of a weekly series ends (and only there)")
        return self


class Dataset(Entry):
    """One raw table of a provider, and how much disorder in it is tolerated."""

    name: Text
    description: Text
    required: bool = False
    may_be_empty: bool = False
    look_back_days: Annotated[int, Field(ge=1)]
    quarantine_limit_pct: Annotated[float, Field(ge=0, le=100)] = 1.0


class Provider(Entry):
    """One source: where it is, what it allows, what is asked of it.

    hosts: other hosts than base_url, by the name a request gives.
    plans: what differs by the plan a key was bought under.
    """

    provider: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$")]
    name: Text
    homepage: HttpsUrl
    base_url: HttpsUrl | None
    hosts: dict[str, HttpsUrl] = {}
    terms: Terms
    rate_limit: RateLimit | None
    plans: dict[str, AccessPlan] = {}
    key: KeyPolicy = KeyPolicy()
    fallback_for: str | None = None
    look_back_days: Annotated[int, Field(ge=1)] = 14
    datasets: tuple[Dataset, ...]
    releases: tuple[ReleaseRule, ...] = ()
    series: tuple[Series, ...] = ()
    exceptions: tuple[ReleaseException, ...] = ()
    retired: tuple[Retired, ...] = ()
    assets: tuple[str, ...] = ()
    slugs: tuple[str, ...] = ()

    def dataset(self, name: str) -> Dataset:
        """The dataset called `name`."""
        for dataset in self.datasets:
            if dataset.name == name:
                return dataset
        raise CatalogError(f"catalog/{self.provider}.yml: no dataset {name}; known: {[d.name for d in self.datasets]}")

    @property
    def is_required(self) -> bool:
        """True when a run without this provider fails."""
        return any(dataset.required for dataset in self.datasets) or any(series.required for series in self.series)


class Asset(Entry):
    """One token. `asset_id` is ours and stable; a symbol is a label that two tokens may share.

    stablecoin: pegged to or redeemable in a fiat currency, yield-bearing dollar tokens included.
    wrapped: a claim on another listed token (wrapped, bridged, staked): counting both counts it twice.
    """

    asset_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    name: Text
    symbol: Text
    asset_class: AssetClass
    chain: str | None = None
    first_day: date | None = None
    ids: dict[str, tuple[str, ...]]
    notes: str = ""


class Catalog(Entry):
    """Everything the warehouse knows about its sources, with the tables it becomes there."""

    providers: dict[str, Provider]
    assets: tuple[Asset, ...]
    retired_assets: tuple[Retired, ...] = ()

    def provider(self, name: str) -> Provider:
        """The provider called `name`."""
        try:
            return self.providers[name]
        except KeyError:
            raise CatalogError(f"no provider {name!r} in the catalog; known: {', '.join(self.providers)}") from None

    def series_of(self, provider: str) -> tuple[Series, ...]:
        """What to ask this provider for; a fallback serves the series of the provider it stands in for."""
        entry = self.provider(provider)
        return self.provider(entry.fallback_for).series if entry.fallback_for else entry.series

    @property
    def series(self) -> tuple[Series, ...]:
        """Every active series, each once (fallbacks add none)."""
        return tuple(series for provider in self.providers.values() for series in provider.series)

    def find(self, series_id: str) -> Series:
        """The active series with this id."""
        for series in self.series:
            if series.series_id == series_id:
                return series
        provider = series_id.split(".", 1)[0]
        raise CatalogError(f"series {series_id} unknown: check catalog/{provider}.yml")

    @property
    def releases(self) -> tuple[ReleaseRule, ...]:
        """Every release rule."""
        return tuple(rule for provider in self.providers.values() for rule in provider.releases)

    def known_ids(self) -> list[str]:
        """Every active id: series, datasets, unlock schedules, release rules and assets, sorted."""
        ids = {f"series {series.series_id}" for series in self.series}
        for name, provider in self.providers.items():
            ids |= {f"dataset {dataset.name}" for dataset in provider.datasets}
            ids |= {f"slug {name}.{slug}" for slug in provider.slugs}
            ids |= {f"release {rule.id}" for rule in provider.releases}
        ids |= {f"asset {asset.asset_id}" for asset in self.assets}
        return sorted(ids)

    def retired_ids(self) -> list[str]:
        """Ids as in `known_ids` that were given up on purpose, sorted."""
        retired = [entry for provider in self.providers.values() for entry in provider.retired]
        return sorted(entry.id for entry in (*retired, *self.retired_assets))

    def series_frame(self) -> pd.DataFrame:
        """`catalog.series`: the active series (a retired id keeps only its reason, in the YAML)."""
        import pandas as pd

        rows: list[dict[str, Any]] = [
            {
                "series_id": s.series_id,
                "provider": s.provider,
                "provider_key": s.key,
                "dataset": s.dataset,
                "title": s.title,
                "native_unit": s.native_unit,
                "unit": s.unit,
                "scale": s.scale,
                "frequency": s.frequency,
                "calendar": s.calendar,
                "release_rule": s.release.id,
                "look_back_days": s.look_back_days,
                "carry_days": s.carry_days,
                "is_required": s.required,
                "may_be_empty": s.may_be_empty,
                "is_retired": False,
                "revision_policy": s.revision_policy,
                "plausible_min": s.plausible_min,
                "plausible_max": s.plausible_max,
                "jump_limit": s.jump_limit,
                "jump_kind": s.jump_kind,
                "freshness_grace_days": s.freshness_grace_days,
                "licence": s.terms.licence,
                "redistribution": s.terms.redistribution,
                "attribution": s.terms.attribution,
            }
            for s in self.series
        ]
        return pd.DataFrame(rows)

    def datasets_frame(self) -> pd.DataFrame:
        """`catalog.datasets`: one row per raw table."""
        import pandas as pd

        rows = [
            (name, dataset.name, dataset.required, dataset.quarantine_limit_pct)
            for name, provider in self.providers.items()
            for dataset in provider.datasets
        ]
        return pd.DataFrame(rows, columns=["provider", "dataset", "is_required", "quarantine_limit_pct"])

    def assets_frame(self) -> pd.DataFrame:
        """`catalog.assets`."""
        import pandas as pd

        columns = ["asset_id", "name", "symbol", "asset_class", "chain", "first_day"]
        rows = [[getattr(asset, column) for column in columns] for asset in self.assets]
        return pd.DataFrame(rows, columns=columns).astype({"first_day": object, "chain": object})

    def asset_ids_frame(self) -> pd.DataFrame:
        """`catalog.asset_ids`: one row per id at a provider."""
        import pandas as pd

        rows = [
            (asset.asset_id, provider, provider_id)
            for asset in self.assets
            for provider, provider_ids in asset.ids.items()
            for provider_id in provider_ids
        ]
        return pd.DataFrame(rows, columns=["asset_id", "provider", "provider_asset_id"])

    def sources_frame(self) -> pd.DataFrame:
        """`catalog.sources`."""
        import pandas as pd

        rows = [(p.provider, p.name, p.homepage, *_terms_row(p.terms)) for p in self.providers.values()]
        columns = [
            "provider",
            "name",
            "homepage",
            "licence",
            "redistribution",
            "attribution",
            "terms_url",
            "notes",
        ]
        return pd.DataFrame(rows, columns=columns)

    def release_exceptions_frame(self) -> pd.DataFrame:
        """`catalog.release_exceptions`."""
        import pandas as pd

        rows = [(f"{p.provider}.{e.key}", e.period, e.known_at) for p in self.providers.values() for e in p.exceptions]
        frame = pd.DataFrame(rows, columns=["series_id", "period_date", "known_at"])
        return frame.assign(known_at=pd.to_datetime(frame["known_at"], utc=True))


def _terms_row(terms: Terms) -> tuple[str, str, str, str, str]:
    unread = "" if terms.is_verified else "Terms not re-read at their source."
    notes = " ".join(part for part in (terms.notes, unread) if part)
    return terms.licence, terms.redistribution, terms.attribution, terms.url, notes
