"""Every path, key, base URL and limit, read once from TIDEGAUGE_* variables and `.env`.

What is extracted (series, terms, release rules) is not here: that is the catalog.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, create_model, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROVIDERS = (
    "fred",
    "fredgraph",
    "fiscaldata",
    "nyfed",
    "coinmetrics",
    "coingecko",
    "coinmarketcap",
    "stablecoins",
    "llama",
    "tokenomist",
    "yahoo",
    "cboe",
    "ecos",
    "tradingview",
    "calendar",
)

PACKAGE_ROOT = Path(__file__).resolve().parent.parent

POSTGRES_URL = re.compile(r"postgresql(\+psycopg2)?://[^\s/@:]+(:[^\s/@:]*)?@[^\s/@:]+(:\d+)?/[^\s/?]+(\?\S*)?")

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class ConfigurationError(Exception):
    """A setting, key or command-line value that cannot work; the text says which and what to do."""


def is_loopback(url: str) -> bool:
    """True when the URL's host is this machine."""
    return (urlsplit(url).hostname or "") in LOOPBACK


class _Base(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="TIDEGAUGE_",
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    home: Path = Field(Path("data/live"), description="all state: warehouse, archive, releases, dagster, ledger")
    project_dir: Path = Field(PACKAGE_ROOT / "dbt_project", description="the dbt project")
    inbox: Path | None = Field(None, description="file drops (TradingView exports, calendars); default <home>/inbox")
    schedules: Path = Field(PACKAGE_ROOT / "schedules", description="folder of hand-kept unlock schedules (*.yml)")
    mirror: str | None = Field(None, description="sets every base URL to <mirror>/<provider>")
    now_override: datetime | None = Field(
        None,
        validation_alias=AliasChoices("TIDEGAUGE_NOW", "now_override"),
        description="the clock, for tests and replays (UTC instant)",
    )
    runs_on_machine_clock: bool = Field(
        False, exclude=True, description="set by `stopped`: the clock was the machine's"
    )
    first_day: date = Field(date(2013, 1, 1), description="where a first load starts when --from is not given")
    http_attempts: int = Field(5, ge=1, le=10, description="tries per request before a source counts as failed")
    http_backoff_seconds: float = Field(0.5, ge=0, description="first pause between tries; grows with jitter")
    http_backoff_max_seconds: float = Field(30.0, ge=0, description="longest pause, Retry-After included")
    http_connect_timeout_seconds: float = Field(10.0, gt=0)
    http_read_timeout_seconds: float = Field(60.0, gt=0)
    http_max_bytes: int = Field(128 * 2**20, gt=0, description="largest decompressed body accepted")
    coingecko_plan: Literal["keyless", "demo", "pro"] | None = Field(
        None, description="the plan of the CoinGecko key; default demo with a key, keyless without"
    )
    coingecko_universe: int = Field(250, ge=1, le=5000, description="coins in each day's snapshot, largest caps first")
    coingecko_history_coins: int | None = Field(
        None, ge=0, description="coins whose daily history is asked for; default by plan, see catalog/coingecko.yml"
    )
    coinmarketcap_website: bool = Field(
        False, description="read CoinMarketCap's undocumented website history, whose terms the run repeats"
    )
    dagster_postgres_url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:port/database for Dagster's storage instead of SQLite files"
    )
    busy_timeout_seconds: float = Field(30.0, ge=0, description="how long to wait for a warehouse in use")
    queue_timeout_seconds: float = Field(
        3600.0, ge=0, description="how long a run of the web server or of a schedule waits for a run of the command"
    )
    schedules_running: bool = Field(False, description="schedules start switched on; otherwise in the UI, one by one")
    releases_kept: int = Field(5, ge=1, description="newest releases kept on disk")
    alert_webhook_url: SecretStr | None = Field(None, description="where alerts are posted, beside the log; a secret")
    alert_unlock_share_pct: float = Field(
        2.0, ge=0, description="an unlock of more than this percent of the circulating supply is an alert"
    )
    alert_unlock_days: int = Field(7, ge=1, le=365, description="... when it lies at most this many days ahead")
    alert_tga_change_usd: float = Field(
        100e9, gt=0, description="a larger daily change of the Treasury's closing balance, USD, is an alert"
    )

    @field_validator("now_override")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    @field_validator("mirror")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else None

    @field_validator("dagster_postgres_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not POSTGRES_URL.fullmatch(value.get_secret_value()):
            raise ValueError(
                "write postgresql://user:password@host:port/database, signs like @ / : in the password percent-encoded"
            )
        return value

    @model_validator(mode="after")
    def _https_only(self) -> Self:
        urls = {"TIDEGAUGE_MIRROR": self.mirror}
        urls |= {f"TIDEGAUGE_{p.upper()}_BASE_URL": getattr(self, f"{p}_base_url", None) for p in PROVIDERS}
        for name, url in urls.items():
            if url and urlsplit(url).scheme != "https" and not is_loopback(url):
                raise ValueError(f"{name}: {url!r} must be https:// (plain http is accepted for loopback only)")
        return self

    @field_validator("alert_webhook_url")
    @classmethod
    def _webhook_is_safe(cls, value: SecretStr | None) -> SecretStr | None:
        url = value.get_secret_value() if value else ""
        if url and not (urlsplit(url).hostname and (urlsplit(url).scheme == "https" or is_loopback(url))):
            # The URL is a secret: the message must not repeat it.
            raise ValueError("it must be an https:// URL (plain http is accepted for loopback only)")
        return value if url else None

    @model_validator(mode="after")
    def _plan_has_its_key(self) -> Self:
        if self.coingecko_plan in ("demo", "pro") and not getattr(self, "coingecko_api_key", None):
            raise ValueError(f"TIDEGAUGE_COINGECKO_PLAN: {self.coingecko_plan} needs TIDEGAUGE_COINGECKO_API_KEY")
        return self

    @property
    def warehouse_path(self) -> Path:
        """The one DuckDB file the pipeline writes."""
        return self.home / "warehouse.duckdb"

    @property
    def archive_dir(self) -> Path:
        """Every response body, compressed, with its sidecar."""
        return self.home / "archive"

    @property
    def releases_dir(self) -> Path:
        """Published releases; `current` points at the newest good one."""
        return self.home / "releases"

    @property
    def inbox_dir(self) -> Path:
        """Where chart exports are dropped."""
        return self.inbox or self.home / "inbox"

    @property
    def cache_dir(self) -> Path:
        """What can be made again at any time; safe to delete."""
        return self.home / "cache"

    @property
    def report_dir(self) -> Path:
        """The report of the newest build, until a release takes it along."""
        return self.home / "report"

    @property
    def ledger_path(self) -> Path:
        """Append-only record of loads and releases, kept outside DuckDB."""
        return self.home / "ledger.jsonl"

    @property
    def dagster_dir(self) -> Path:
        """DAGSTER_HOME: run history, event log, schedules."""
        return self.home / "dagster"

    @property
    def dbt_target_dir(self) -> Path:
        """dbt's manifest, compiled SQL and run results."""
        return self.home / "dbt" / "target"

    def base_url(self, provider: str, default: str) -> str:
        """Base URL of a provider: its own setting, else the mirror, else the catalog's."""
        own: str | None = getattr(self, f"{provider}_base_url", None)
        if own:
            return own.rstrip("/")
        return f"{self.mirror}/{provider}" if self.mirror else default.rstrip("/")

    def api_key(self, provider: str) -> SecretStr | None:
        """The provider's key, or None."""
        key: SecretStr | None = getattr(self, f"{provider}_api_key", None)
        return key

    def plan(self, provider: str) -> str:
        """The plan the provider is asked under: its own setting, else `demo` with a key and `keyless` without."""
        own: str | None = getattr(self, f"{provider}_plan", None)
        return own or ("demo" if self.api_key(provider) else "keyless")

    def requests_per_minute(self, provider: str) -> int | None:
        """The pace a person has set for a provider, or None for the catalog's."""
        pace: int | None = getattr(self, f"{provider}_requests_per_minute", None)
        return pace

    def secrets(self) -> list[str]:
        """Every configured key, password and webhook in clear text: for redaction only."""
        keys = [*(self.api_key(provider) for provider in PROVIDERS), self.alert_webhook_url]
        found = [key.get_secret_value() for key in keys if key and key.get_secret_value()]
        if self.dagster_postgres_url:
            url = self.dagster_postgres_url.get_secret_value()
            password = urlsplit(url).password or ""
            found += [each for each in (url, password, unquote(password)) if each]
        return found

    def as_environment(self) -> dict[str, str]:
        """Every setting that was given, as TIDEGAUGE_* variables for a process in another folder; keys in clear text."""
        found = {name: getattr(self, name) for name in self.model_fields_set - {"runs_on_machine_clock"}}
        return {
            "TIDEGAUGE_NOW" if name == "now_override" else f"TIDEGAUGE_{name.upper()}": _written(value)
            for name, value in found.items()
            if value is not None
        }

    def now(self) -> datetime:
        """The clock: TIDEGAUGE_NOW, else the mirror's, else the machine's (UTC).

        A mirror serves the past, so measuring freshness against the machine's clock would call all of it stale.
        """
        if self.now_override:
            return self.now_override
        if self.mirror:
            return _mirror_now(self.mirror)
        return datetime.now(UTC)

    def fetch_instant(self) -> datetime:
        """When a response arrives: a run's decisions share one clock, but what was read at 20:32 was not read at 20:29."""
        return datetime.now(UTC) if self.runs_on_machine_clock else self.now()

    def at(self, now: datetime) -> Self:
        """The same settings with the clock set to `now`."""
        return self.model_copy(update={"now_override": now, "runs_on_machine_clock": False})

    def stopped(self) -> Self:
        """The same settings with their own clock stopped: every decision of a run is made at one instant."""
        is_machine = self.runs_on_machine_clock or (self.now_override is None and self.mirror is None)
        return self.model_copy(update={"now_override": self.now(), "runs_on_machine_clock": is_machine})


def _written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.resolve() if isinstance(value, Path) else value)


def _mirror_now(mirror: str) -> datetime:
    import requests

    try:
        answer = requests.get(f"{mirror}/__stats", timeout=5)
        return datetime.fromisoformat(answer.json()["today"]).astimezone(UTC)
    except (requests.RequestException, ValueError, KeyError) as problem:
        raise ConfigurationError(
            f"mirror {mirror}: cannot read its clock at /__stats ({type(problem).__name__}): "
            "start the mirror, or set TIDEGAUGE_NOW"
        ) from None


_PER_PROVIDER: dict[str, Any] = {
    f"{provider}_{name}": field
    for provider in PROVIDERS
    for name, field in {
        "base_url": (str | None, None),
        "api_key": (SecretStr | None, None),
        "requests_per_minute": (int | None, Field(None, ge=1)),
    }.items()
}


class Settings(create_model("_ProviderSettings", __base__=_Base, **_PER_PROVIDER)):  # type: ignore[misc]
    """All settings, with `<provider>_base_url`, `_api_key` and `_requests_per_minute` for each name in PROVIDERS."""


def load_settings(**overrides: Any) -> Settings:
    """Read the environment and `.env`; keyword arguments win.

    Raises:
        ConfigurationError: naming the variable and what is wrong with it. Values are never repeated for keys.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as problem:
        lines = []
        for error in problem.errors(include_input=False, include_url=False):
            field = "_".join(str(part) for part in error["loc"]).upper()
            name = field if field.startswith("TIDEGAUGE_") else f"TIDEGAUGE_{field}" if field else "settings"
            lines.append(f"{name}: {error['msg']}")
        raise ConfigurationError("; ".join(lines)) from None
