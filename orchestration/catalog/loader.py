"""YAML to `Catalog`: defaults, expansion of per-asset series, and errors that name file, entry and field.

The types and their own rules are `models.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from orchestration.catalog.models import (
    FREQUENCY_DEFAULTS,
    Asset,
    Catalog,
    CatalogError,
    Dataset,
    KeyPolicy,
    Provider,
    RateLimit,
    ReleaseException,
    ReleaseRule,
    Retired,
    Series,
    Terms,
)

DIRECTORY = Path(__file__).resolve().parent
ASSETS_FILE = "assets.yml"
EVENTS_FILE = "events.yml"
ORIGINS_FILE = "origins.yml"

Model = TypeVar("Model", bound=BaseModel)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML in which a key given twice is an error instead of a silent overwrite."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise CatalogError(f"line {line}: key {key} is given twice; keep one of them")
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def load_catalog(directory: Path | None = None) -> Catalog:
    """Read and check every YAML of `directory` (default: the one this package carries)."""
    directory = directory or DIRECTORY
    paths = sorted(path for path in directory.glob("*.yml") if path.name not in (EVENTS_FILE, ORIGINS_FILE))
    if not paths:
        raise CatalogError(f"{directory}: no .yml file; point to the directory that holds the catalog")
    providers: dict[str, Provider] = {}
    assets: tuple[Asset, ...] = ()
    retired_assets: tuple[Retired, ...] = ()
    for path in paths:
        where = f"catalog/{path.name}"
        document = read_document(path, where)
        if path.name == ASSETS_FILE:
            assets, retired_assets = _assets(document, where)
            continue
        provider = _provider(document, where)
        if provider.provider != path.stem:
            raise CatalogError(f"{where}: field provider: is {provider.provider!r}; it must equal the file's name")
        providers[provider.provider] = provider
    catalog = Catalog(providers=providers, assets=assets, retired_assets=retired_assets)
    _check_fallbacks(catalog)
    _check_asset_ids(catalog)
    _check_retired(catalog)
    return catalog


def load_entries(path: Path, where: str, field: str, key: str, model: type[Model]) -> tuple[Model, ...]:
    """The entries of a YAML that holds nothing but one list, checked like the catalog's own.

    Args:
        path: the file.
        where: how errors call it.
        field: name of the list.
        key: field that tells the entries apart.
        model: what an entry must be.

    Raises:
        CatalogError: naming file, entry and field.
    """
    document = read_document(path, where)
    if unknown := set(document) - {field}:
        raise CatalogError(f"{where}: field {min(unknown)}: unknown; only {field} belongs here")
    return _each(document, field, where, key, lambda raw: raw, model)


def read_document(path: Path, where: str) -> dict[str, Any]:
    """The mapping in a YAML file."""
    try:
        document = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 (a safe loader)
    except CatalogError as error:
        raise CatalogError(f"{where}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        raise CatalogError(f"{where}:{line} not YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(document, dict):
        raise CatalogError(f"{where}: must be a mapping with the provider's fields at the top")
    return document


def _provider(document: dict[str, Any], where: str) -> Provider:
    top = dict(document)
    name = str(top.get("provider", Path(where).stem))
    look_back = top.get("look_back_days", 14)
    terms = build_entry(Terms, top.pop("terms", None), where, "terms")
    rate_limit = _optional(RateLimit, top.pop("rate_limit", None), where, "rate_limit")
    key = build_entry(KeyPolicy, top.pop("key", {}), where, "key")
    datasets = _each(top, "datasets", where, "name", lambda raw: {"look_back_days": look_back} | raw, Dataset)
    releases = _each(top, "releases", where, "id", lambda raw: raw | {"id": f"{name}.{raw.get('id')}"}, ReleaseRule)
    rules = {rule.id: rule for rule in releases}
    expanded = _expand_assets(top, where)
    raw_series = _entries(top.pop("series", []), where, "series", "key") + expanded
    series = tuple(_series(raw, where, name=name, terms=terms, rules=rules, datasets=datasets) for raw in raw_series)
    _unique((s.key for s in series), where, "series")
    exceptions = _each(top, "exceptions", where, "key", lambda raw: raw, ReleaseException, unique=False)
    for exception in exceptions:
        if exception.key not in {s.key for s in series}:
            raise CatalogError(f"{where}: exceptions {exception.key}: field key: no such series; correct or remove it")
    _unique((f"{e.key} {e.period}" for e in exceptions), where, "exceptions")
    retired = _each(top, "retired", where, "id", lambda raw: raw, Retired)
    fields = {
        "terms": terms,
        "rate_limit": rate_limit,
        "key": key,
        "datasets": datasets,
        "releases": releases,
        "series": series,
        "exceptions": exceptions,
        "retired": retired,
    }
    provider = build_entry(Provider, top | fields, where, "")
    _unique(provider.slugs, where, "slugs")
    return provider


def _expand_assets(top: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Entries of `assets` times entries of `metrics` become series `<asset>.<metric>`."""
    metrics = top.pop("metrics", {})
    raw_assets = _entries(top.pop("assets", []), where, "assets", "asset")
    _unique((raw["asset"] for raw in raw_assets), where, "assets")
    series = []
    for raw in raw_assets:
        asset = str(raw["asset"])
        left = {key: value for key, value in raw.items() if key not in {"asset", "required", *metrics}}
        if left:
            raise CatalogError(f"{where}: assets {asset}: field {next(iter(left))}: unknown; remove it")
        for metric, template in metrics.items():
            own = raw.get(metric)
            if not isinstance(own, dict):
                raise CatalogError(f"{where}: assets {asset}: field {metric}: is missing; give its ranges")
            title = str(template.get("title", "{asset}")).format(asset=asset.upper())
            required = {"required": raw.get("required", False)}
            series.append(template | required | {"key": f"{asset}.{metric}", "title": title} | own)
    top["assets"] = tuple(str(raw["asset"]) for raw in raw_assets)
    return series


def _series(
    raw: dict[str, Any],
    where: str,
    *,
    name: str,
    terms: Terms,
    rules: dict[str, ReleaseRule],
    datasets: tuple[Dataset, ...],
) -> Series:
    entry = f"series {raw['key']}"
    values = dict(raw)
    release = values.pop("release", None)
    rule = rules.get(f"{name}.{release}")
    if rule is None:
        known = ", ".join(sorted(rule_id.removeprefix(f"{name}.") for rule_id in rules)) or "none"
        raise CatalogError(f"{where}: {entry}: field release: no rule {release!r} under releases; known: {known}")
    own_terms = values.pop("terms", None)
    values["terms"] = build_entry(Terms, own_terms, where, f"{entry}: terms") if own_terms else terms
    for frequency, (look_back, carry, grace) in FREQUENCY_DEFAULTS.items():
        if frequency == values.get("frequency"):
            defaults = {"look_back_days": look_back, "carry_days": carry, "freshness_grace_days": grace}
            values = defaults | values
    values = {"dataset": datasets[0].name if len(datasets) == 1 else None} | values
    series = build_entry(Series, values | {"provider": name, "release": rule}, where, entry)
    if series.dataset not in {dataset.name for dataset in datasets}:
        raise CatalogError(f"{where}: {entry}: field dataset: {series.dataset!r} is not among datasets; add it there")
    return series


def _assets(document: dict[str, Any], where: str) -> tuple[tuple[Asset, ...], tuple[Retired, ...]]:
    unknown = set(document) - {"assets", "retired"}
    if unknown:
        raise CatalogError(f"{where}: field {min(unknown)}: unknown; only assets and retired belong here")

    def listed(raw: dict[str, Any]) -> dict[str, Any]:
        ids = raw.get("ids")
        if not isinstance(ids, dict):
            return raw
        return raw | {"ids": {p: (i,) if isinstance(i, str) else i for p, i in ids.items()}}

    top = dict(document)
    retired = _each(top, "retired", where, "id", lambda raw: raw, Retired)
    return _each(top, "assets", where, "asset_id", listed, Asset), retired


def _each(
    top: dict[str, Any],
    field: str,
    where: str,
    key: str,
    prepare: Callable[[dict[str, Any]], dict[str, Any]],
    model: type[Model],
    *,
    unique: bool = True,
) -> tuple[Model, ...]:
    entries = _entries(top.pop(field, []), where, field, key)
    if unique:
        _unique((raw[key] for raw in entries), where, field)
    return tuple(build_entry(model, prepare(raw), where, f"{field} {raw[key]}") for raw in entries)


def _entries(raw: Any, where: str, field: str, key: str) -> list[dict[str, Any]]:
    if not isinstance(raw, list):
        raise CatalogError(f"{where}: field {field}: must be a list of entries")
    for number, entry in enumerate(raw, 1):
        if not isinstance(entry, dict) or not entry.get(key):
            raise CatalogError(f"{where}: {field} entry {number}: field {key}: is missing; every entry needs one")
    return raw


def _optional(model: type[Model], raw: Any, where: str, entry: str) -> Model | None:
    return None if raw is None else build_entry(model, raw, where, entry)


def build_entry(model: type[Model], raw: Any, where: str, entry: str) -> Model:
    """`raw` as the model; an error names file, entry and field."""
    prefix = f"{where}: {entry}" if entry else where
    if not isinstance(raw, dict):
        raise CatalogError(f"{prefix}: is missing; add a mapping with {', '.join(model.model_fields)}")
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        text = _plain(first["type"], first["msg"], first.get("ctx") or {}, model)
        raise CatalogError(f"{prefix}: field {field}: {text}" if field else f"{prefix}: {text}") from None


def _plain(kind: str, message: str, context: dict[str, Any], model: type[BaseModel]) -> str:
    """pydantic's finding as an instruction."""
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        return f"unknown; remove it or write one of {', '.join(sorted(model.model_fields))}"
    if kind == "literal_error":
        return f"must be {context.get('expected')}"
    if kind in {"float_parsing", "float_type", "int_parsing", "int_type"}:
        return "must be a number"
    if kind == "string_type":
        return "must be text; put it in quotes"
    return message.removeprefix("Value error, ")


def _unique(values: Iterable[Any], where: str, field: str) -> None:
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            raise CatalogError(f"{where}: {field} {value}: is listed twice; keep one")
        seen.add(value)


def _check_fallbacks(catalog: Catalog) -> None:
    for provider in catalog.providers.values():
        target = provider.fallback_for
        if target is not None and target not in catalog.providers:
            raise CatalogError(
                f"catalog/{provider.provider}.yml: field fallback_for: no provider {target!r}; add catalog/{target}.yml"
            )
        if target is not None and provider.series:
            raise CatalogError(
                f"catalog/{provider.provider}.yml: field series: a fallback serves the series of {target}; remove them"
            )


def _check_asset_ids(catalog: Catalog) -> None:
    owner: dict[tuple[str, str], str] = {}
    for asset in catalog.assets:
        for provider, provider_ids in asset.ids.items():
            where = f"catalog/{ASSETS_FILE}: assets {asset.asset_id}: field ids.{provider}"
            if provider not in catalog.providers:
                raise CatalogError(f"{where}: no such provider; add catalog/{provider}.yml or correct the name")
            for provider_id in provider_ids:
                first = owner.setdefault((provider, provider_id), asset.asset_id)
                if first != asset.asset_id:
                    raise CatalogError(f"{where}: {provider_id} already belongs to {first}; an id names one asset")
    for entry in catalog.providers.values():
        for kind, listed in (("assets", entry.assets), ("slugs", entry.slugs)):
            for name in listed:
                if (entry.provider, name) not in owner:
                    raise CatalogError(
                        f"catalog/{entry.provider}.yml: {kind} {name}: has no asset; "
                        f"add it under ids.{entry.provider} in catalog/{ASSETS_FILE}"
                    )


def _check_retired(catalog: Catalog) -> None:
    active = set(catalog.known_ids())
    lists = [(f"{name}.yml", provider.retired) for name, provider in catalog.providers.items()]
    for file_name, retired in [*lists, (ASSETS_FILE, catalog.retired_assets)]:
        for entry in retired:
            if entry.id in active:
                raise CatalogError(f"catalog/{file_name}: retired {entry.id}: is also active; remove one of the two")
