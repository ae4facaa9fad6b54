"""What the catalog promises its readers: ids, units, limits, terms, tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.catalog import Catalog, load_catalog
from orchestration.catalog.tables import RAW_TABLES

KNOWN_IDS = Path(__file__).with_name("known_ids.txt")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def known() -> set[str]:
    return set(KNOWN_IDS.read_text(encoding="utf-8").splitlines())


def test_no_id_disappears_without_being_retired(catalog: Catalog) -> None:
    gone = known() - set(catalog.known_ids()) - set(catalog.retired_ids())
    assert not gone, f"list under retired: in the provider's YAML, with day and reason: {sorted(gone)}"


def test_new_ids_are_recorded(catalog: Catalog) -> None:
    new = set(catalog.known_ids()) - known()
    assert not new, f"add to {KNOWN_IDS.name}: {sorted(new)}"


def test_retired_ids_were_known(catalog: Catalog) -> None:
    assert set(catalog.retired_ids()) <= known()


def test_series_the_marts_rest_on(catalog: Catalog) -> None:
    fred = "WALCL WTREGEN WDTGAL RRPONTSYD DFF DFEDTARU DFEDTARL EFFR SOFR DGS2 DGS10 DFII10 T10YIE M2SL"
    yahoo = "^GSPC ^IXIC ^KS11 000001.SS 000300.SS ^N225 DX-Y.NYB ^VIX KRW=X CNY=X JPY=X"
    charts = "CRYPTOCAP:TOTAL CRYPTOCAP:TOTAL3 CRYPTOCAP:BTC.D CRYPTOCAP:ETH.D TVC:DXY"
    wanted = {f"fred.{key}" for key in [*fred.split(), "CPIAUCSL", "VIXCLS", "DTWEXBGS", "SP500"]}
    wanted |= {f"yahoo.{key}" for key in yahoo.split()} | {f"tradingview.{key}" for key in charts.split()}
    wanted |= {"fiscaldata.TGA_CLOSE", "stablecoins.total_usd", "cboe.VIX", "ecos.KOSPI"}
    wanted |= {f"coinmarketcap.{key}" for key in ("TOTAL", "ALTCOINS", "BTC.D", "ETH.D")}
    others = {s.series_id for s in catalog.series if s.provider != "coinmetrics"}
    assert others == wanted


def test_only_stated_sources_are_required(catalog: Catalog) -> None:
    fred = "WALCL WTREGEN WDTGAL RRPONTSYD DFEDTARU DFEDTARL EFFR DGS10 CPIAUCSL"
    wanted = {f"fred.{key}" for key in fred.split()} | {
        "fiscaldata.TGA_CLOSE",
        "coinmetrics.btc.price",
        "coinmetrics.btc.cap",
        "stablecoins.total_usd",
        "yahoo.^GSPC",
        "cboe.VIX",
    }
    assert {s.series_id for s in catalog.series if s.required} == wanted
    assert not catalog.provider("llama").is_required
    assert not catalog.provider("tradingview").is_required
    assert catalog.provider("coingecko").is_required


@pytest.mark.parametrize(
    ("series_id", "native", "usd"),
    [
        ("fred.WALCL", 6_572_706, 6.572706e12),
        ("fred.WTREGEN", 957_990, 957.99e9),
        ("fred.WDTGAL", 983_859, 983.859e9),
        ("fiscaldata.TGA_CLOSE", 983_859, 983.859e9),
        ("fred.RRPONTSYD", 12.814, 12.814e9),
        ("fred.M2SL", 22_212.4, 22.2124e12),
    ],
)
def test_units_of_money_series(catalog: Catalog, series_id: str, native: float, usd: float) -> None:
    series = catalog.find(series_id)
    assert series.unit == "usd"
    assert native * series.scale == pytest.approx(usd)
    assert series.plausible_min <= native <= series.plausible_max


def jumps(catalog: Catalog, series_id: str, before: float, after: float) -> bool:
    """True when the step fails the series' range or its jump rule."""
    s = catalog.find(series_id)
    if not s.plausible_min <= after <= s.plausible_max:
        return True
    step = abs(after - before) if s.jump_kind == "absolute" else abs(after / before - 1)
    return step > s.jump_limit


@pytest.mark.parametrize(
    ("series_id", "before", "after"),
    [
        ("fred.WTREGEN", 951_000, 95_799),  # the ten-fold slip of the article
        ("fred.WTREGEN", 951_000, 9_579_900),
        ("fiscaldata.TGA_CLOSE", 983_859, 98_385.9),
        ("fred.WALCL", 6_589_000, 658_900),
        ("fred.RRPONTSYD", 51.8, 51_800),  # millions where billions are due
        ("fred.M2SL", 22_195, 22_195_000),
        ("fred.EFFR", 3.87, 0.387),
        ("fred.DGS10", 4.1, 41.0),
        ("fred.CPIAUCSL", 323.4, 32.4),
        ("cboe.VIX", 17.0, 1.7),
        ("cboe.VIX", 17.0, 170.0),
        ("coinmetrics.btc.price", 104_000, 10_400),
        ("coinmetrics.btc.price", 104_000, 1_040_000),
        ("stablecoins.total_usd", 3.08e11, 3.08e10),
        ("yahoo.^GSPC", 6_850, 685),
        ("yahoo.KRW=X", 1_460, 14_600),
    ],
)
def test_slip_of_scale_is_caught(catalog: Catalog, series_id: str, before: float, after: float) -> None:
    assert jumps(catalog, series_id, before, after)


@pytest.mark.parametrize(
    ("series_id", "before", "after"),
    [
        ("cboe.VIX", 17.31, 37.32),  # 2018-02-05
        ("cboe.VIX", 57.83, 82.69),  # 2020-03-16
        ("fred.SOFR", 2.43, 5.25),  # 2019-09-17
        ("fred.DFEDTARU", 1.25, 0.25),  # 2020-03-16
        ("fred.EFFR", 1.10, 0.25),
        ("yahoo.^GSPC", 2_711.02, 2_386.13),
        ("yahoo.^N225", 35_909.70, 31_458.42),  # 2024-08-05
    ],
)
def test_real_shocks_pass(catalog: Catalog, series_id: str, before: float, after: float) -> None:
    assert not jumps(catalog, series_id, before, after)


def test_datasets_are_raw_tables_of_their_provider(catalog: Catalog) -> None:
    declared = {dataset.name: name for name, provider in catalog.providers.items() for dataset in provider.datasets}
    assert declared == {table.name: table.provider for table in RAW_TABLES.values()}


def test_look_back_covers_revisions(catalog: Catalog) -> None:
    least = {"daily": 14, "daily_7d": 14, "weekly": 45, "monthly": 100}
    short = [s.series_id for s in catalog.series if s.look_back_days < least[s.frequency]]
    assert not short


def test_fallback_serves_the_series_of_fred(catalog: Catalog) -> None:
    assert catalog.series_of("fredgraph") == catalog.series_of("fred")
    assert catalog.provider("fredgraph").key.policy == "none"
    assert not [s for s in catalog.series if s.provider == "fredgraph"]


def test_third_party_series_in_fred_keep_their_owners_terms(catalog: Catalog) -> None:
    assert catalog.find("fred.WALCL").terms.redistribution == "allowed"
    assert catalog.find("fred.VIXCLS").terms.redistribution == "forbidden"
    assert catalog.find("fred.SP500").terms.redistribution == "forbidden"
    assert catalog.find("coinmetrics.btc.cap").terms.redistribution == "restricted"


def test_usdt_is_counted_once(catalog: Catalog) -> None:
    assert not {"usdt_eth", "usdt_trx", "usdt_omni"} & set(catalog.provider("coinmetrics").assets)
    assert "usdt" in catalog.provider("coinmetrics").assets


def test_classes_of_assets(catalog: Catalog) -> None:
    classes = {i: asset.asset_class for asset in catalog.assets for i in asset.ids.get("coingecko", ())}
    assert classes["bitcoin"] == "btc"
    assert classes["ethereum"] == "eth"
    for stable in [
        "tether",
        "usd-coin",
        "dai",
        "binance-usd",
        "true-usd",
        "paxos-standard",
        "first-digital-usd",
        "ethena-usde",
        "usds",
    ]:
        assert classes[stable] == "stablecoin", stable
    for wrapped in [
        "wrapped-bitcoin",
        "staked-ether",
        "wrapped-steth",
        "weth",
        "wrapped-eeth",
        "coinbase-wrapped-btc",
        "rocket-pool-eth",
    ]:
        assert classes[wrapped] == "wrapped", wrapped
    assert classes["solana"] == "other"
    assert classes["pax-gold"] == "other"
    assert [a.asset_id for a in catalog.assets if a.asset_class in ("btc", "eth")] == ["bitcoin", "ethereum"]


def test_every_unlock_token_has_a_price_id(catalog: Catalog) -> None:
    slugs = {slug for asset in catalog.assets if "coingecko" in asset.ids for slug in asset.ids.get("llama", ())}
    assert set(catalog.provider("llama").slugs) == slugs
    assert {"hyperliquid", "arbitrum"} <= slugs


def test_frames_have_the_tables_columns_and_keys(catalog: Catalog) -> None:
    series = catalog.series_frame()
    assert series["series_id"].is_unique
    assert (series["series_id"] == series["provider"] + "." + series["provider_key"]).all()
    assert series.notna().all().all()
    assert str(series["scale"].dtype) == "float64"
    assert str(series["is_required"].dtype) == "bool"
    assert catalog.assets_frame()["asset_id"].is_unique
    ids = catalog.asset_ids_frame()
    assert not ids.duplicated(["provider", "provider_asset_id"]).any()
    assert set(ids["asset_id"]) <= set(catalog.assets_frame()["asset_id"])
    assert catalog.sources_frame()["provider"].tolist() == list(catalog.providers)
    exceptions = catalog.release_exceptions_frame()
    assert set(exceptions["series_id"]) <= set(series["series_id"])
    assert str(exceptions["known_at"].dt.tz) == "UTC"


def test_every_source_states_terms(catalog: Catalog) -> None:
    sources = catalog.sources_frame()
    for column in ("licence", "attribution", "terms_url"):
        assert (sources[column].str.len() > 5).all(), column
