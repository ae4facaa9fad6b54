"""A broken catalog says which file, entry and field is wrong and what to do about it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.catalog import DIRECTORY, CatalogError, load_catalog

Edit = Callable[[str, str, str], Path]


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """Copy the real catalog, replace a text once in one file, return the directory."""

    def apply(file_name: str, old: str, new: str) -> Path:
        for path in DIRECTORY.glob("*.yml"):
            shutil.copy(path, tmp_path / path.name)
        target = tmp_path / file_name
        text = target.read_text(encoding="utf-8")
        assert old in text, f"{file_name} no longer holds {old!r}"
        target.write_text(text.replace(old, new, 1), encoding="utf-8")
        return tmp_path

    return apply


WALCL = "  - key: WALCL\n"
HYPE = "  - asset_id: hyperliquid\n"

BROKEN = [
    (
        "fred.yml",
        "scale: 1.0e+6",
        "scale: -1",
        "catalog/fred.yml: series WALCL: field scale: must be a positive number",
    ),
    (
        "fred.yml",
        "scale: 1.0e+6",
        "scale: lots",
        "catalog/fred.yml: series WALCL: field scale: must be a number",
    ),
    (
        "fred.yml",
        "unit: usd",
        "unit: dollars",
        "catalog/fred.yml: series WALCL: field unit: must be 'usd', 'pct', 'index', 'tokens', 'fx_per_usd' or 'count'",
    ),
    (
        "fred.yml",
        "    plausible_min: 500000\n",
        "",
        "catalog/fred.yml: series WALCL: field plausible_min: is missing; add it",
    ),
    (
        "fred.yml",
        "plausible_min: 500000",
        "plausible_min: 50000000",
        "catalog/fred.yml: series WALCL: plausible_min: must be below plausible_max",
    ),
    (
        "fred.yml",
        "    release: h41\n",
        "    release: h42\n",
        "catalog/fred.yml: series WALCL: field release: no rule 'h42' under releases; known: cpi, fed_funds_month",
    ),
    ("fred.yml", "  - key: WTREGEN\n", WALCL, "catalog/fred.yml: series WALCL: is listed twice; keep one"),
    ("fred.yml", WALCL, f"{WALCL}    key: X\n", "key key is given twice; keep one of them"),
    (
        "fred.yml",
        "    weekday: wednesday\n",
        "",
        "catalog/fred.yml: series WALCL: weekday: say on which day the period of a weekly series ends",
    ),
    (
        "fred.yml",
        "redistribution: allowed",
        "redistribution: sure",
        "catalog/fred.yml: terms: field redistribution: must be 'allowed', 'restricted' or 'forbidden'",
    ),
    (
        "fred.yml",
        "zone: America/New_York",
        "zone: New_York",
        "catalog/fred.yml: releases h41: field zone: 'New_York' is no IANA",
    ),
    (
        "fred.yml",
        '"16:30"',
        '"4:30pm"',
        "catalog/fred.yml: releases h41: field time: must be a local time HH:MM in quotes",
    ),
    (
        "fred.yml",
        "    days: 1\n    roll",
        "    months: 1\n    roll",
        "catalog/fred.yml: releases h41: kind days takes exactly days",
    ),
    (
        "fred.yml",
        "  - key: CPIAUCSL\n    period",
        "  - key: CPI\n    period",
        "catalog/fred.yml: exceptions CPI: field key: no such series; correct or remove it",
    ),
    (
        "fred.yml",
        "2025-10-24T12:30:00Z",
        "2025-10-24T12:30:00",
        "catalog/fred.yml: exceptions CPIAUCSL: field known_at: must carry its zone",
    ),
    (
        "fred.yml",
        "retired: []",
        "retired:\n  - {id: series fred.WALCL, retired_on: 2025-01-01, reason: test}",
        "catalog/fred.yml: retired series fred.WALCL: is also active; remove one of the two",
    ),
    (
        "fred.yml",
        "provider: fred\n",
        "provider: fed\n",
        "catalog/fred.yml: field provider: is 'fed'; it must equal the file's name",
    ),
    (
        "fredgraph.yml",
        "fallback_for: fred",
        "fallback_for: fed",
        "catalog/fredgraph.yml: field fallback_for: no provider 'fed'",
    ),
    (
        "cboe.yml",
        "policy",
        "policies",
        "catalog/cboe.yml: series VIX: field revision_policy: is missing; add it",
    ),
    (
        "cboe.yml",
        "required: true",
        "obligatory: true",
        "catalog/cboe.yml: datasets cboe_vix_history: field obligatory: unknown; remove",
    ),
    ("cboe.yml", "required: true", 'name: "x', "catalog/cboe.yml: line"),
    (
        "coinmetrics.yml",
        "- asset: eth",
        "- asset: btc",
        "catalog/coinmetrics.yml: assets btc: is listed twice; keep one",
    ),
    (
        "coinmetrics.yml",
        "- asset: eth",
        "- asset: ether",
        "catalog/coinmetrics.yml: assets ether: has no asset; add it under ids.coinmetrics",
    ),
    (
        "llama.yml",
        "- zro",
        "- zorro",
        "catalog/llama.yml: slugs zorro: has no asset; add it under ids.llama in catalog/assets.yml",
    ),
    (
        "assets.yml",
        HYPE,
        "  - asset_id: aptos\n",
        "catalog/assets.yml: assets aptos: is listed twice; keep one",
    ),
    (
        "assets.yml",
        "coingecko: hyperliquid",
        "coingecko: aptos",
        "catalog/assets.yml: assets hyperliquid: field ids.coingecko: aptos already belongs to aptos",
    ),
    (
        "assets.yml",
        "coingecko: hyperliquid",
        "coingeko: hyperliquid",
        "catalog/assets.yml: assets hyperliquid: field ids.coingeko: no such provider",
    ),
    (
        "assets.yml",
        "asset_class: btc",
        "asset_class: coin",
        "catalog/assets.yml: assets bitcoin: field asset_class: must be 'btc', 'eth'",
    ),
    (
        "fiscaldata.yml",
        "https://api.f",
        "http://api.f",
        "catalog/fiscaldata.yml: field base_url: must start with https://",
    ),
    (
        "coingecko.yml",
        "  env: TIDEGAUGE_COINGECKO_API_KEY\n",
        "",
        "catalog/coingecko.yml: key: env: name the variable when policy is",
    ),
]


@pytest.mark.parametrize(("file_name", "old", "new", "message"), BROKEN, ids=[row[3][8:70] for row in BROKEN])
def test_broken_entry_is_named(edit: Edit, file_name: str, old: str, new: str, message: str) -> None:
    directory = edit(file_name, old, new)
    with pytest.raises(CatalogError, match=re.escape(message)):
        load_catalog(directory)


def test_unchanged_copy_loads(edit: Edit) -> None:
    directory = edit("fred.yml", "provider: fred", "provider: fred")
    assert load_catalog(directory) == load_catalog()


def test_empty_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"no \.yml file"):
        load_catalog(tmp_path)


def test_two_coins_may_share_a_symbol() -> None:
    symbols = [asset.symbol for asset in load_catalog().assets]
    assert symbols.count("USDF") == 2


def test_loading_is_quick() -> None:
    load_catalog()
    start = time.perf_counter()
    load_catalog()
    assert time.perf_counter() - start < 0.5


def test_import_stays_light() -> None:
    code = "import sys, orchestration.catalog; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=DIRECTORY.parents[1], capture_output=True, text=True
    )
    assert not {"pandas", "numpy", "exchange_calendars", "dagster", "duckdb", "requests"} & set(run.stdout.split())
