"""Rolling correlations: worked figures, planted and absent dependence, and what is too little to say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from orchestration.analytics.bootstrap import bootstrap_band, mean_block, resampled_rows
from orchestration.analytics.correlation import (
    BOOTSTRAP_COLUMNS,
    COLUMNS,
    CONCLUSION_COLUMNS,
    METHODS,
    WINDOWS,
    asynchronous,
    fisher_band,
    rolling_correlations,
    with_bootstrap_band,
    with_conclusions,
)
from orchestration.warehouse import connect
from orchestration.warehouse.analyses import CORRELATIONS, replace_table

Floats = Sequence[float] | np.ndarray


def pairs(x: Floats, y: Floats, asset: str = "BTC", bar: str = "nyse_session") -> pd.DataFrame:
    """Returns on consecutive weekdays, each public at 21:00 UTC."""
    days = pd.bdate_range("2020-01-01", periods=len(x))
    return pd.DataFrame(
        {
            "asset": asset,
            "benchmark": "SPX",
            "bar": bar,
            "session_date": days.date,
            "asset_log_return": np.asarray(x, dtype=float),
            "benchmark_log_return": np.asarray(y, dtype=float),
            "asset_close": 3e12 * np.exp(np.clip(np.nancumsum(np.asarray(x, dtype=float)), -50, 50)),
            "benchmark_close": 6000 * np.exp(np.nancumsum(np.asarray(y, dtype=float))),
            "known_at": (days.tz_localize("UTC") + pd.Timedelta(hours=21)).as_unit("us"),
        }
    )


def normal(seed: int, size: int, rho: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two daily return series of true correlation `rho`."""
    one, two = np.random.default_rng(seed).normal(0, 0.02, (2, size))
    return one, rho * one + np.sqrt(1 - rho**2) * two


# ------------------------------------------------------------------ the band


@pytest.mark.parametrize(
    ("n", "r", "low", "high"),
    [
        (22, 0.3, -0.14, 0.64),
        (22, 0.5, 0.10, 0.76),
        (60, 0.5, 0.28, 0.67),
        (250, 0.5, 0.40, 0.59),
        (22, -0.3, -0.64, 0.14),
        (22, 0.0, -0.42, 0.42),
    ],
)
def test_the_band_has_the_worked_figures(n: int, r: float, low: float, high: float) -> None:
    found = fisher_band(np.array([r]), np.array([n]))
    assert np.round(np.concatenate(found), 2).tolist() == [low, high]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_three_pairs_or_fewer_have_no_band(n: int) -> None:
    low, high = fisher_band(np.array([0.5]), np.array([n]))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


@pytest.mark.parametrize("r", [-1.0, 1.0])
def test_the_band_of_a_perfect_correlation_collapses_onto_it(r: float) -> None:
    assert [float(end[0]) for end in fisher_band(np.array([r]), np.array([22]))] == [r, r]


def test_an_undefined_correlation_has_an_undefined_band() -> None:
    assert all(np.isnan(end).all() for end in fisher_band(np.array([np.nan]), np.array([22])))


def test_the_band_narrows_with_n_and_holds_r() -> None:
    r, n = np.full(5, 0.4), np.array([4, 10, 50, 250, 10_000])
    low, high = fisher_band(r, n)
    assert (np.diff(high - low) < 0).all()
    assert ((low < r) & (r < high)).all()


# ------------------------------------------------------------------ the number


@pytest.mark.parametrize("window", WINDOWS)
def test_every_window_has_the_textbook_correlation_of_its_sessions(window: int) -> None:
    x, y = normal(1, 400, 0.4)
    found = rolling_correlations(pairs(x, y), [window])
    ends = range(window, 401)
    expected = [np.corrcoef(x[end - window : end], y[end - window : end])[0, 1] for end in ends]
    assert found["r"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert (found["n"] == window).all()
    assert found["session_date"].tolist() == pairs(x, y)["session_date"].iloc[window - 1 :].tolist()


@pytest.mark.parametrize("rho", [-0.6, 0.3, 0.5, 0.9])
def test_a_planted_correlation_is_recovered(rho: float) -> None:
    found = rolling_correlations(pairs(*normal(7, 5000, rho)), [5000])
    row = found.iloc[0]
    assert len(found) == 1
    assert row["r"] == pytest.approx(rho, abs=0.03)
    assert row["r_low_95"] < rho < row["r_high_95"]


@pytest.mark.parametrize(("window", "seed"), [(20, 11), (60, 12), (250, 13)])
def test_the_band_of_independent_noise_covers_zero_in_nineteen_of_twenty(window: int, seed: int) -> None:
    trials = 1000
    x, y = normal(seed, window * trials)
    found = rolling_correlations(pairs(x, y), [window]).iloc[::window]
    assert len(found) == trials, "windows that do not overlap"
    covered = int(((found["r_low_95"] < 0) & (found["r_high_95"] > 0)).sum())
    # 950 plus or minus four standard deviations of a binomial count.
    assert abs(covered - 950) <= 4 * np.sqrt(trials * 0.95 * 0.05)


@pytest.mark.parametrize(("window", "seed"), [(20, 21), (60, 22)])
def test_the_band_covers_a_true_correlation_in_nineteen_of_twenty(window: int, seed: int) -> None:
    trials = 1000
    found = rolling_correlations(pairs(*normal(seed, window * trials, 0.6)), [window]).iloc[::window]
    covered = int(((found["r_low_95"] < 0.6) & (found["r_high_95"] > 0.6)).sum())
    assert abs(covered - 950) <= 4 * np.sqrt(trials * 0.95 * 0.05)


@pytest.mark.parametrize(("slope", "r"), [(2.0, 1.0), (-0.5, -1.0)])
def test_a_perfect_correlation_is_one_and_its_band_collapses(slope: float, r: float) -> None:
    x, _ = normal(3, 300)
    found = rolling_correlations(pairs(x, slope * x + 0.001))
    assert len(found) == sum(300 - window + 1 for window in WINDOWS)
    for column in ("r", "r_low_95", "r_high_95"):
        assert found[column].to_numpy() == pytest.approx(np.full(len(found), r), abs=1e-7)
        assert found[column].abs().max() <= 1.0


@pytest.mark.parametrize("size", [1e-12, 1e6])
def test_the_size_of_returns_does_not_matter(size: float) -> None:
    x, y = normal(4, 100, 0.5)
    assert rolling_correlations(pairs(size * x, y), [20])["r"].to_numpy() == pytest.approx(
        rolling_correlations(pairs(x, y), [20])["r"].to_numpy(), abs=1e-6
    )


def test_a_wild_return_leaves_no_trace_after_it_left_the_window() -> None:
    x, y = normal(5, 200, 0.5)
    wild = x.copy()
    wild[50] = 25.0
    calm, shaken = (rolling_correlations(pairs(series, y), [20])["r"].to_numpy() for series in (x, wild))
    assert shaken[51:] == pytest.approx(calm[51:], abs=1e-6)
    assert np.abs(shaken[31:51] - calm[31:51]).max() > 0.1


# ------------------------------------------------------------------ too little to say


@pytest.mark.parametrize(("missing", "rows"), [(0, 1), (2, 1), (3, 0), (19, 0), (20, 0)])
def test_a_window_needs_nine_tenths_of_its_sessions(missing: int, rows: int) -> None:
    x, y = normal(6, 20)
    x[1 : 1 + missing] = np.nan
    found = rolling_correlations(pairs(x, y), [20])
    assert len(found) == rows
    assert found["n"].tolist() == [20 - missing] * rows


@pytest.mark.parametrize("window", WINDOWS)
def test_a_series_shorter_than_the_window_has_no_row(window: int) -> None:
    x, y = normal(6, window - 1)
    assert rolling_correlations(pairs(x, y), [window]).empty
    assert len(rolling_correlations(pairs(*normal(6, window)), [window])) == 1


@pytest.mark.parametrize("how", ["no row", "no asset return", "no benchmark return"])
def test_a_missing_session_is_missing_and_not_zero(how: str) -> None:
    x, y = normal(8, 40, 0.7)
    whole = pairs(x, y)
    gap = 25
    if how == "no row":
        # The session exists for the other asset, so the window still counts it.
        given = pd.concat([whole.drop(index=gap), whole.assign(asset="ETH")], ignore_index=True)
    else:
        column = "asset_log_return" if how == "no asset return" else "benchmark_log_return"
        given = whole.assign(**{column: whole[column].where(whole.index != gap)})
    found = rolling_correlations(given, [20])
    last = found[found["asset"] == "BTC"].iloc[-1]
    kept = [number for number in range(20, 40) if number != gap]
    assert last["n"] == 19
    assert last["r"] == pytest.approx(np.corrcoef(x[kept], y[kept])[0, 1], abs=1e-9)
    zeroed = x.copy()
    zeroed[gap] = 0.0
    assert last["r"] != pytest.approx(np.corrcoef(zeroed[20:], y[20:])[0, 1], abs=1e-4)
    low, high = fisher_band(np.array([last["r"]]), np.array([19]))
    assert (last["r_low_95"], last["r_high_95"]) == (low[0], high[0])


@pytest.mark.parametrize("constant", [0.0, 0.01, 0.1, 1 / 3, -1e-9])
@pytest.mark.parametrize("side", ["asset_log_return", "benchmark_log_return"])
@pytest.mark.parametrize("has_gaps", [False, True])
def test_a_constant_series_has_no_correlation(constant: float, side: str, has_gaps: bool) -> None:
    given = pairs(*normal(9, 60)).assign(**{side: constant})
    if has_gaps:
        given.loc[::15, side] = np.nan
    assert rolling_correlations(given, [20]).empty


def test_windows_beside_a_constant_stretch_are_kept_and_finite() -> None:
    x, y = normal(10, 120)
    x[40:80] = 0.013
    found = rolling_correlations(pairs(x, y), [20])
    assert len(found) == 101 - 21, "the windows wholly inside the stretch are missing"
    assert np.isfinite(found[["r", "r_low_95", "r_high_95"]].to_numpy()).all()
    assert found["r"].abs().max() < 0.95


@pytest.mark.parametrize("rows", [0, 5])
def test_too_little_of_everything_is_an_empty_frame_with_all_columns(rows: int) -> None:
    found = rolling_correlations(pairs(*normal(1, rows)))
    assert found.empty
    assert list(found.columns) == COLUMNS


def test_an_empty_frame_as_duckdb_returns_it_is_empty() -> None:
    empty = pairs([], []).astype({"asset": object, "benchmark": object, "bar": object})
    assert list(rolling_correlations(empty.assign(session_date=pd.to_datetime([]))).columns) == COLUMNS


# ------------------------------------------------------------------ groups and time


def test_assets_and_bars_are_judged_apart() -> None:
    x, y = normal(14, 60, 0.8)
    given = pd.concat(
        [pairs(x, y), pairs(-x, y, asset="ETH"), pairs(2 * x, y, bar="utc_day"), pairs(x[:10], y[:10], asset="TOTAL")]
    )
    found = rolling_correlations(given.sample(frac=1, random_state=1), [20]).set_index(["asset", "bar", "session_date"])
    btc, eth = found.loc[("BTC", "nyse_session")], found.loc[("ETH", "nyse_session")]
    assert btc["r"].to_numpy() == pytest.approx(-eth["r"].to_numpy(), abs=1e-9)
    assert btc["r"].to_numpy() == pytest.approx(found.loc[("BTC", "utc_day")]["r"].to_numpy(), abs=1e-9)
    assert set(found.index.get_level_values("asset")) == {"BTC", "ETH"}


def test_rows_carry_their_window_method_and_types() -> None:
    found = rolling_correlations(pairs(*normal(15, 100)))
    assert list(found.columns) == COLUMNS
    assert found["window_sessions"].value_counts().to_dict() == {20: 81, 60: 41, 90: 11}
    assert set(found["method"]) == {"pearson"}
    assert str(found["known_at"].dtype) == "datetime64[us, UTC]"
    assert found["n"].dtype == found["window_sessions"].dtype == np.dtype("int64")


def test_known_at_is_that_of_the_last_session_when_nothing_was_revised() -> None:
    given = pairs(*normal(16, 60))
    found = rolling_correlations(given, [20])
    assert found["known_at"].tolist() == given["known_at"].iloc[19:].tolist()


def test_known_at_is_the_newest_in_the_window_when_an_older_value_was_revised_late() -> None:
    given = pairs(*normal(16, 60))
    revised = pd.Timestamp("2024-05-05 12:34:56.789123", tz="UTC")
    given.loc[30, "known_at"] = revised
    found = rolling_correlations(given, [20])
    inside = (found.index >= 30 - 19) & (found.index <= 30)
    assert (found["known_at"][inside] == revised).all()
    assert found["known_at"][~inside].tolist() == [given["known_at"][row + 19] for row in found.index[~inside]]


def test_known_at_of_a_window_that_ends_in_a_gap_is_that_of_its_last_pair() -> None:
    given = pairs(*normal(17, 40))
    given.loc[39, "asset_log_return"] = np.nan
    last = rolling_correlations(given, [20]).iloc[-1]
    assert (last["n"], last["session_date"]) == (19, given["session_date"][39])
    assert last["known_at"] == given["known_at"][38]


def test_a_window_knows_nothing_of_later_sessions() -> None:
    given = pairs(*normal(18, 120, 0.5))
    whole = rolling_correlations(given)
    cut = rolling_correlations(given.iloc[:80])
    until = given["session_date"][79]
    earlier = whole[whole["session_date"] <= until].reset_index(drop=True)
    pd.testing.assert_frame_equal(earlier, cut.reset_index(drop=True))
    assert (cut["known_at"] <= given["known_at"][79]).all()


# ------------------------------------------------------------------ ranks


@pytest.mark.parametrize("window", [20, 250])
@pytest.mark.parametrize("has_ties", [False, True])
def test_every_window_has_scipys_rank_correlation_of_its_sessions(window: int, has_ties: bool) -> None:
    x, y = normal(31, 300, 0.5)
    if has_ties:
        x, y = x.round(2), y.round(2)
    found = rolling_correlations(pairs(x, y), [window], ["spearman"])
    expected = [spearmanr(x[end - window : end], y[end - window : end]).statistic for end in range(window, 301)]
    assert found["r"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert set(found["method"]) == {"spearman"}


def test_ranks_skip_a_missing_session_and_forget_the_size_of_a_wild_one() -> None:
    x, y = normal(32, 60, 0.7)
    wild = np.where(x == x[50:].max(), 25.0, x)
    wild[45] = np.nan
    last = rolling_correlations(pairs(wild, y), [20], ["spearman"]).iloc[-1]
    kept = [day for day in range(40, 60) if day != 45]
    assert last["n"] == 19
    assert last["r"] == pytest.approx(spearmanr(wild[kept], y[kept]).statistic, abs=1e-9)
    assert rolling_correlations(pairs(np.where(x > 1, np.nan, 0.01), y), [20], ["spearman"]).empty


@pytest.mark.parametrize(("rho", "seed"), [(0.0, 33), (0.8, 34)])
def test_the_band_of_ranks_covers_the_truth_in_nineteen_of_twenty(rho: float, seed: int) -> None:
    trials, window = 1000, 60
    truth = 6 / np.pi * np.arcsin(rho / 2)
    found = rolling_correlations(pairs(*normal(seed, window * trials, rho)), [window], ["spearman"]).iloc[::window]
    covered = int(((found["r_low_95"] < truth) & (found["r_high_95"] > truth)).sum())
    assert abs(covered - 950) <= 4 * np.sqrt(trials * 0.95 * 0.05)
    narrow = fisher_band(found["r"].to_numpy(), found["n"].to_numpy())
    assert int(((narrow[0] < truth) & (narrow[1] > truth)).sum()) <= (covered - 20 if rho else covered)


def test_methods_stand_beside_each_other_and_an_unknown_one_is_named() -> None:
    given = pairs(*normal(35, 80, 0.5))
    both = rolling_correlations(given, [20], METHODS)
    assert both["method"].value_counts().to_dict() == dict.fromkeys(METHODS, 61)
    pearson = both[both["method"] == "pearson"].reset_index(drop=True)
    pd.testing.assert_frame_equal(pearson, rolling_correlations(given, [20]))
    with pytest.raises(ValueError, match="kendall"):
        rolling_correlations(given, [20], ["kendall"])


# ------------------------------------------------------------------ the bootstrap band


def banded(given: pd.DataFrame, windows: Sequence[int] = (20, 60)) -> pd.DataFrame:
    return with_bootstrap_band(rolling_correlations(given, windows, METHODS), given)


def test_only_the_newest_session_of_each_window_has_a_bootstrap_band_and_it_repeats() -> None:
    given = pd.concat([pairs(*normal(41, 100, 0.5)), pairs(*normal(42, 100), asset="ETH")], ignore_index=True)
    found = banded(given)
    has_band = found["r_low_95_bootstrap"].notna()
    assert has_band.sum() == found["r_high_95_bootstrap"].notna().sum() == 2 * 2 * 3
    assert set(found["method"][has_band]) == {"pearson", "spearman", "pearson_async"}
    assert set(found["session_date"][has_band]) == {given["session_date"].iloc[-1]}
    assert (found["r_low_95_bootstrap"] < found["r"])[has_band].all()
    assert (found["r"] < found["r_high_95_bootstrap"])[has_band].all()
    pd.testing.assert_frame_equal(found[COLUMNS], rolling_correlations(given, (20, 60), METHODS))
    resampled_rows.cache_clear()
    pd.testing.assert_frame_equal(found, banded(given.sample(frac=1, random_state=1)))


def test_the_bootstrap_sees_the_pairs_of_its_window_only() -> None:
    x, y = normal(43, 100, 0.5)
    x[79], y[79] = 9.0, -9.0
    x[90] = np.nan
    found = banded(pairs(x, y), [20])
    last = found[found["method"] == "pearson"].iloc[-1]
    kept = [day for day in range(80, 100) if day != 90]
    expected = bootstrap_band(x[kept], y[kept])
    assert (last["r_low_95_bootstrap"], last["r_high_95_bootstrap"]) == expected


@pytest.mark.parametrize("is_ranked", [False, True])
def test_the_bootstrap_band_of_independent_noise_covers_zero_about_as_often_as_it_says(is_ranked: bool) -> None:
    trials, rng = 200, np.random.default_rng(44)
    bands = [bootstrap_band(*rng.normal(size=(2, 250)), is_ranked, repetitions=400) for _ in range(trials)]
    covered = sum(low < 0 < high for low, high in bands)
    assert abs(covered - trials * 0.95) <= 4 * np.sqrt(trials * 0.95 * 0.05)


def test_clustered_volatility_makes_fishers_band_too_narrow_and_the_bootstraps_less_so() -> None:
    trials, rng = 200, np.random.default_rng(45)
    by_fisher = by_bootstrap = 0
    for _ in range(trials):
        log_volatility = np.zeros(250)
        for day, shock in enumerate(rng.normal(0, 0.25, 249), start=1):
            log_volatility[day] = 0.95 * log_volatility[day - 1] + shock
        x, y = np.exp(log_volatility) * rng.normal(size=(2, 250))
        low, high = fisher_band(np.array([np.corrcoef(x, y)[0, 1]]), np.array([250]))
        by_fisher += low[0] < 0 < high[0]
        low_bootstrap, high_bootstrap = bootstrap_band(x, y, repetitions=400)
        by_bootstrap += low_bootstrap < 0 < high_bootstrap
    assert by_fisher < 0.85 * trials
    assert by_bootstrap > 0.85 * trials


def test_a_block_is_the_cube_root_of_n_on_average() -> None:
    rows = resampled_rows(216, 500, 1)
    continued = np.diff(rows, axis=1) % 216 == 1
    # A block ends with probability 1/6 at each row, and one in 216 new blocks begins where the last one ended.
    assert mean_block(216) == pytest.approx(6)
    assert continued.mean() == pytest.approx(1 - 1 / 6, abs=0.01)
    assert rows.shape == (500, 216)


def test_a_constant_series_has_no_bootstrap_band() -> None:
    assert np.isnan(bootstrap_band(np.ones(30), np.arange(30.0))).all()


def test_nothing_to_band_is_an_empty_frame_with_all_columns() -> None:
    found = banded(pairs(*normal(1, 5)))
    assert found.empty
    assert list(found.columns) == [*COLUMNS, *BOOTSTRAP_COLUMNS]


def test_a_window_does_not_reach_across_a_hole_in_the_data() -> None:
    """Two blocks of sessions with years of the calendar between them: no window mixes both."""
    given = pairs(*normal(21, 60))
    days = list(pd.bdate_range("2021-01-04", periods=30)) + list(pd.bdate_range("2024-01-01", periods=30))
    given["session_date"] = days
    calendar = [day.date() for day in pd.bdate_range("2021-01-04", days[-1])]
    blind = rolling_correlations(given, [20])
    aware = rolling_correlations(given, [20], sessions=calendar)
    assert len(blind) == 41
    assert len(aware) == 2 * 13
    assert (aware["n"] >= 18).all()


# ------------------------------------------------------------------ closes that lie hours apart


def half_a_day_apart(seed: int, size: int, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns of two markets whose true correlation is rho, one of which closes half a day after the other."""
    one, two = normal(seed, 2 * size + 1, rho)
    return one[:-1].reshape(-1, 2).sum(axis=1), two[1:].reshape(-1, 2).sum(axis=1)


def test_the_asynchronous_correlation_is_the_textbook_one() -> None:
    x, y = normal(51, 60, 0.4)
    inner = slice(1, -1)
    covariance = [np.cov(x[inner], neighbour)[0, 1] for neighbour in (y[inner], y[2:], y[:-2])]
    expected = sum(covariance) / np.sqrt(x[inner].var(ddof=1) * y[inner].var(ddof=1))
    found = rolling_correlations(pairs(x, y), [60], ["pearson_async"])
    assert found["r"].tolist() == pytest.approx([expected])
    assert found["n"].tolist() == [58]
    assert found[["r_low_95", "r_high_95"]].isna().all(axis=None), "Fisher's band is not its band"


@pytest.mark.parametrize("rho", [0.8, 0.0])
def test_closes_half_a_day_apart_hide_half_of_a_correlation_which_the_neighbours_bring_back(rho: float) -> None:
    found = rolling_correlations(pairs(*half_a_day_apart(52, 4000, rho)), [4000], METHODS).set_index("method")["r"]
    assert found["pearson"] == pytest.approx(rho / 2, abs=4 * np.sqrt(1 / 4000))
    assert found["pearson_async"] == pytest.approx(rho, abs=4 * np.sqrt(3 / 4000))


@pytest.mark.parametrize(("rho", "window"), [(0.0, 60), (0.8, 250)])
def test_the_asynchronous_band_covers_the_truth_about_as_often_as_it_says(rho: float, window: int) -> None:
    covered, trials = 0, 100
    for trial in range(trials):
        given = pairs(*half_a_day_apart(5300 + trial, window, rho))
        row = with_bootstrap_band(rolling_correlations(given, [window], ["pearson_async"]), given).iloc[0]
        covered += row["r_low_95_bootstrap"] < rho < row["r_high_95_bootstrap"]
    assert covered >= 0.88 * trials


def test_a_window_of_the_asynchronous_correlation_knows_nothing_of_the_next_session() -> None:
    x, y = normal(54, 80, 0.5)
    whole = rolling_correlations(pairs(x, y), [20], ["pearson_async"])
    cut = rolling_correlations(pairs(x[:50], y[:50]), [20], ["pearson_async"])
    pd.testing.assert_frame_equal(whole.iloc[:31], cut)


@pytest.mark.parametrize(("missing", "rows"), [([], 1), ([0], 1), ([7], 0)])
def test_a_missing_session_costs_the_asynchronous_correlation_its_neighbours_too(missing: list, rows: int) -> None:
    x, y = normal(55, 20)
    x[missing] = np.nan
    found = rolling_correlations(pairs(x, y), [20], ["pearson_async"])
    assert len(found) == rows
    assert found["n"].tolist() == [18 - len(missing)] * rows


def test_a_standing_series_has_no_asynchronous_correlation() -> None:
    x, y = normal(56, 40)
    assert rolling_correlations(pairs(np.full(40, 0.013), y), [20], ["pearson_async"]).empty
    assert rolling_correlations(pairs(x, np.full(40, 0.013)), [20], ["pearson_async"]).empty
    assert np.isnan(asynchronous(np.ones((1, 30)), y[None, :30], y[None, :30])).all()


# ------------------------------------------------------------------ levels


def test_levels_of_unrelated_series_correlate_which_is_why_they_carry_no_band_and_a_warning() -> None:
    strong = 0
    for trial in range(40):
        given = pairs(*normal(6000 + trial, 250))
        rolled = with_bootstrap_band(rolling_correlations(given, [250], ["pearson_levels"]), given)
        levels = with_conclusions(rolled, given, windows=[250], methods=["pearson_levels"]).iloc[0]
        strong += abs(levels["r"]) > 0.3
        assert levels[["r_low_95", "r_high_95", *BOOTSTRAP_COLUMNS]].isna().all()
        assert pd.isna(levels["verdict"])
        assert levels["note"].startswith("spurious-prone")
    assert strong >= 10, "at 250 independent pairs |r| > 0.3 is one in a million"


def test_levels_are_the_closes() -> None:
    given = pairs(*normal(61, 90, 0.5))
    found = rolling_correlations(given, [90], ["pearson_levels"])
    assert found["r"].tolist() == pytest.approx([given["asset_close"].corr(given["benchmark_close"])])


# ------------------------------------------------------------------ what a row concludes


def concluded(given: pd.DataFrame, windows: Sequence[int] = (20, 60)) -> pd.DataFrame:
    return with_conclusions(banded(given, windows), given, windows=windows)


def test_a_verdict_is_the_side_of_zero_on_which_the_band_lies() -> None:
    x, y = normal(71, 100)
    given = pd.concat([pairs(x, y + x), pairs(x, y - x, asset="ETH"), pairs(x, y - 0.1 * x, asset="TOTAL")])
    newest = concluded(given, [60]).groupby(["asset", "method"]).tail(1).set_index(["method", "asset"])["verdict"]
    for method in ("pearson", "spearman", "pearson_async"):
        assert newest[method].tolist() == ["positive", "negative", "inconclusive"], method


@pytest.mark.parametrize("rows", [1, 5, 19])
def test_too_few_pairs_are_a_row_with_n_and_inconclusive(rows: int) -> None:
    given = pairs(*normal(72, rows))
    found = concluded(given)
    assert list(found.columns) == [*COLUMNS, *BOOTSTRAP_COLUMNS, *CONCLUSION_COLUMNS]
    assert len(found) == 2 * len(METHODS)
    assert (found["n"] == rows).all()
    assert (found["verdict"] == "inconclusive").all()
    assert found[["r", "r_low_95", "r_high_95"]].isna().all(axis=None)
    assert (found["known_at"] == given["known_at"].iloc[-1]).all()


def test_only_the_windows_that_are_too_long_get_such_a_row() -> None:
    found = concluded(pairs(*normal(73, 40)))
    assert found[found["r"].isna()]["window_sessions"].tolist() == [60] * len(METHODS)
    assert found[found["window_sessions"] == 20]["r"].notna().all()


def test_the_table_holds_what_the_functions_return(tmp_path) -> None:
    assert list(CORRELATIONS) == [*COLUMNS, *BOOTSTRAP_COLUMNS, *CONCLUSION_COLUMNS]
    for name, rows in (("some", 40), ("little", 5), ("none", 0)):
        found = concluded(pairs(*normal(74, rows)))
        with connect(tmp_path / f"{name}.duckdb") as con:
            assert replace_table(con, "correlations", CORRELATIONS, found, build_id="b1") == len(found)
            stored = con.execute("select count(r), count(note), count(*) filter (isnan(r)) from analytics.correlations")
            assert stored.fetchone() == (found["r"].notna().sum(), found["note"].notna().sum(), 0)
