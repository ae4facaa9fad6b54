"""The two gates: frames in, Great Expectations' verdicts out, one CheckResult for every check of the gate.

Nothing is written here (`store` keeps results) and nothing is blocked here (`store.require_open` and Dagster do that).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import pandas as pd

from orchestration.quality import frames
from orchestration.quality.checks import (
    MART_CHECKS,
    RAW_CHECKS,
    SHOWN_ROWS,
    CheckResult,
    CheckSpec,
    GateError,
    Severity,
)
from orchestration.quality.suites import AtLeast, Between, Rule, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

# Differences older than this many days before a rule's newest row are shown but do not close the gate: providers
# restate the past (Cboe changed 8 closes of 2008 in August 2024) and the copy elsewhere keeps the old figure.
RECENT_DAYS = 400
SLIP_FACTOR = 7.0


@dataclass(frozen=True)
class Reconciliation:
    """How far two figures may differ: `relative` |a/b - 1|, `absolute` |a - b|, `ratio` a/b."""

    measure: Literal["relative", "absolute", "ratio"]
    limit: float
    mostly: float = 1.0
    severity: Severity = "error"


RECONCILIATIONS: dict[str, Reconciliation] = {
    "wtregen_matches_dts": Reconciliation("relative", 0.002),
    "wdtgal_matches_dts": Reconciliation("relative", 0.002),
    "vix_matches_cboe": Reconciliation("absolute", 0.02),
    "sp500_matches_yahoo": Reconciliation("relative", 0.001),
    # Yahoo is unofficial and has had wrong closes; the index of the two that the marts use is Yahoo's.
    "kospi_matches_yahoo": Reconciliation("relative", 0.001, severity="warn"),
    "btc_matches_coinmetrics": Reconciliation("relative", 0.2),
    "cap_is_price_times_supply": Reconciliation("relative", 0.2, mostly=0.9),
    # How a schedule is booked is the provider's opinion, not a measurement: shown, never blocking.
    "schedule_within_total": Reconciliation("ratio", 1.05, severity="warn"),
}


@dataclass(frozen=True)
class _Finding:
    """A verdict before it is joined with its check's texts."""

    passed: bool
    severity: Severity = "error"
    note: str = ""
    observed: Mapping[str, Any] | None = None
    failing: pd.DataFrame | None = None
    failing_count: int | None = None


def _not_applicable(why: str) -> _Finding:
    return _Finding(passed=True, severity="warn", note=f"not applicable: {why}")


# ------------------------------------------------------------------ raw gate


def evaluate_raw_gate(con: duckdb.DuckDBPyConnection, now: datetime) -> list[CheckResult]:
    """Judge the current raw tables; one result for every check in RAW_CHECKS, in that order.

    now: the clock that freshness is measured against, with time zone.

    Raises:
        GateError: the gate could not be evaluated, which counts as closed.
    """
    with _evaluating("raw"):
        tables = frames.raw_tables(con)
        complete = tables.loc[tables["missing_count"] == 0, "table"].tolist()
        with frames.observations(con, complete):
            observed = frames.observation_rows(con)
            series = frames.series_rows(con, now)
            reconciled = frames.reconciliation_rows(con, complete)
        findings = {
            **_judge_tables(con, tables),
            **_judge_observations(observed),
            **_judge_series(series),
            **_judge_reconciliations(reconciled),
        }
    broken = set(tables["table"]) - set(complete)
    results = []
    for spec in RAW_CHECKS:
        table = spec.asset.removeprefix("raw/")
        if table in broken and spec.name != "columns":
            finding = _Finding(passed=False, note="not evaluated: columns are missing")
        else:
            finding = findings.get((table, spec.name)) or _not_applicable("no data in this table yet")
        results.append(_result(spec, finding))
    return results


def _judge_tables(con: duckdb.DuckDBPyConnection, tables: pd.DataFrame) -> dict[tuple[str, str], _Finding]:
    verdicts = judge(
        tables,
        [
            Between("columns", "missing_count", maximum=0),
            Between("keys", "duplicate_keys", maximum=0),
            AtLeast("quarantine", "quarantine_limit", "quarantined_share"),
        ],
        what="raw_tables",
    )
    found: dict[tuple[str, str], _Finding] = {}
    for position, row in enumerate(tables.to_dict("records")):
        name = str(row["table"])
        columns_bad, keys_bad, quarantine_bad = (
            position in verdicts[rule].positions for rule in ("columns", "keys", "quarantine")
        )
        found[name, "columns"] = _Finding(
            not columns_bad,
            observed={"missing_columns": row["missing_columns"]},
            failing=pd.DataFrame({"missing_column": row["missing_columns"].split(", ")}) if columns_bad else None,
        )
        found[name, "keys"] = _Finding(
            not keys_bad,
            observed={"duplicate_keys": row["duplicate_keys"]},
            failing=frames.duplicate_keys(con, name, SHOWN_ROWS) if keys_bad else None,
            failing_count=int(row["duplicate_keys"]) if keys_bad else 0,
        )
        if pd.isna(row["seen"]):
            found[name, "quarantine"] = _not_applicable("nothing was ever loaded")
            continue
        found[name, "quarantine"] = _Finding(
            not quarantine_bad,
            observed={
                "rows_seen": row["seen"],
                "rows_quarantined": row["quarantined"],
                "share": row["quarantined_share"],
                "limit": row["quarantine_limit"],
            },
            failing=frames.quarantined(con, name, SHOWN_ROWS) if quarantine_bad else None,
            failing_count=int(row["quarantined"]) if quarantine_bad else 0,
        )
    return found


def _judge_observations(observed: pd.DataFrame) -> dict[tuple[str, str], _Finding]:
    verdicts = judge(
        observed,
        [
            AtLeast("above_minimum", "value", "plausible_min"),
            AtLeast("below_maximum", "plausible_max", "value"),
            AtLeast("jump", "jump_limit", "jump"),
            Between("slip", "slip_factor", maximum=SLIP_FACTOR),
        ],
        what="observations",
    )
    out_of_range = sorted({*verdicts["above_minimum"].positions, *verdicts["below_maximum"].positions})
    shown = {
        "range": (out_of_range, ["series_id", "period_date", "value", "plausible_min", "plausible_max"]),
        "jump": (
            verdicts["jump"].positions,
            ["series_id", "period_date", "value", "previous", "previous_date", "jump", "jump_limit"],
        ),
        "slip": (
            verdicts["slip"].positions,
            ["series_id", "period_date", "value", "previous", "previous_date", "slip_factor"],
        ),
    }
    found: dict[tuple[str, str], _Finding] = {}
    counts = observed["dataset"].value_counts()
    for check, (positions, columns) in shown.items():
        bad = _without_echoes(observed.iloc[positions]) if check != "range" else observed.iloc[positions]
        for table, count in counts.items():
            failing = bad.loc[bad["dataset"] == table, columns]
            found[str(table), check] = _Finding(
                failing.empty, observed={"observations": int(count)}, failing=failing, failing_count=len(failing)
            )
    return found


def _without_echoes(bad: pd.DataFrame) -> pd.DataFrame:
    """Rows that differ from their predecessor because that one is wrong say nothing new: show the wrong one."""
    wrong = set(zip(bad["dataset"], bad["series_id"], bad["period_date"], strict=True))
    echo = [key in wrong for key in zip(bad["dataset"], bad["series_id"], bad["previous_date"], strict=True)]
    return bad[~pd.Series(echo, index=bad.index, dtype=bool)]


def _judge_series(series: pd.DataFrame) -> dict[tuple[str, str], _Finding]:
    # A series whose release cannot be dated is never fresh: its rule is missing from the calendar.
    undated = series["newest"].notna() & series["due_at"].isna()
    series = series.assign(
        expected_observations=[0.0 if empty else 1.0 for empty in series["may_be_empty"]],
        days_late=series["days_late"].mask(undated, math.inf),
    )
    verdicts = judge(
        series,
        [
            AtLeast("presence", "observations", "expected_observations"),
            Between("freshness", "days_late", maximum=0),
        ],
        what="series",
    )
    shown = {
        "presence": ["series_id", "is_required"],
        "freshness": ["series_id", "is_required", "newest", "next_period", "due_at", "days_late", "release_rule"],
    }
    found: dict[tuple[str, str], _Finding] = {}
    for check, columns in shown.items():
        bad = series.iloc[verdicts[check].positions]
        for table, members in series.groupby("dataset"):
            failing = bad.loc[bad["dataset"] == table, columns].sort_values(
                ["is_required", "series_id"], ascending=[False, True]
            )
            judged = members if check == "presence" else members[members["newest"].notna()]
            if judged.empty:
                found[str(table), check] = _not_applicable("no series of this table has arrived")
                continue
            found[str(table), check] = _Finding(
                failing.empty,
                severity="error" if failing.empty or failing["is_required"].any() else "warn",
                observed={"series": len(judged), "failing_series": len(failing)},
                failing=failing,
                failing_count=len(failing),
            )
    return found


def _judge_reconciliations(reconciled: pd.DataFrame) -> dict[tuple[str, str], _Finding]:
    homes = {spec.name: spec.asset.removeprefix("raw/") for spec in RAW_CHECKS if spec.name in RECONCILIATIONS}
    frame = reconciled.assign(
        deviation=[
            _deviation(RECONCILIATIONS[rule].measure, reported, compared)
            for rule, reported, compared in zip(
                reconciled["rule"], reconciled["reported"], reconciled["compared"], strict=True
            )
        ]
    )
    # One column per rule, filled only in that rule's rows: one validation judges all of them with their own share.
    rules: list[Rule] = []
    for name, rule in RECONCILIATIONS.items():
        frame[f"deviation_{name}"] = pd.to_numeric(frame["deviation"].where(frame["rule"] == name))
        rules.append(Between(name, f"deviation_{name}", maximum=rule.limit, mostly=rule.mostly))
    verdicts = judge(frame, rules, what="reconciliations")
    found: dict[tuple[str, str], _Finding] = {}
    for name, rule in RECONCILIATIONS.items():
        members = frame[frame["rule"] == name]
        if members.empty:
            found[homes[name], name] = _not_applicable("one of the two sources is absent, or they share no day")
            continue
        bad = frame.iloc[verdicts[name].positions].sort_values("period_date", ascending=False)
        found[homes[name], name] = _reconciled(rule, verdicts[name], members, bad)
    return found


def _reconciled(rule: Reconciliation, verdict: Verdict, members: pd.DataFrame, bad: pd.DataFrame) -> _Finding:
    severity: Severity = rule.severity
    periods = members["period_date"].dropna()
    if not verdict.passed and not periods.empty:
        since = pd.Timestamp(periods.max()) - pd.Timedelta(days=RECENT_DAYS)
        if (pd.to_datetime(bad["period_date"]) < since).all():
            severity = "warn"
    columns = ["period_date", "reported", "compared", "deviation"]
    columns = ["item", *columns] if bad["item"].notna().any() else columns
    return _Finding(
        verdict.passed,
        severity=severity,
        observed={
            "compared": len(members),
            "outside": len(bad),
            "worst": members["deviation"].max(),
            "limit": rule.limit,
            "share_required": rule.mostly,
        },
        failing=None if verdict.passed else bad[columns],
        failing_count=0 if verdict.passed else len(bad),
    )


def _deviation(measure: str, reported: float, compared: float) -> float:
    if pd.isna(reported) or pd.isna(compared):
        return math.nan
    if measure == "absolute":
        return abs(reported - compared)
    if compared == 0:
        return 0.0 if reported == 0 else math.inf
    return reported / compared if measure == "ratio" else abs(reported / compared - 1)


# ------------------------------------------------------------------ mart gate

# Plausible limits in the mart's own unit: wide enough for history since 1990, narrow enough for a wrong unit.
LIQUIDITY_LIMITS: dict[str, tuple[float, float]] = {
    "fed_assets_usd": (1e11, 2e13),
    "released_fed_assets_usd": (1e11, 2e13),
    "tga_daily_close_usd": (0, 4e12),
    "tga_wednesday_usd": (0, 4e12),
    "tga_week_average_usd": (0, 4e12),
    "rrp_usd": (0, 5e12),
    "net_liquidity_daily_usd": (1e11, 2e13),
    "net_liquidity_wednesday_usd": (1e11, 2e13),
    "net_liquidity_week_average_usd": (1e11, 2e13),
    "m2_usd": (1e12, 1e14),
    "stablecoins_usd": (0, 5e12),
    "policy_rate_lower_pct": (-2, 25),
    "policy_rate_upper_pct": (-2, 25),
    "effr_pct": (-2, 25),
    "sofr_pct": (-2, 25),
    "yield_2y_pct": (-2, 25),
    "yield_10y_pct": (-2, 25),
    "real_yield_10y_pct": (-5, 15),
    "breakeven_10y_pct": (-5, 15),
    "inflation_12m_pct": (-15, 30),
    "cpi_index": (10, 2000),
    "dollar_broad_index": (50, 250),
    "dollar_dxy_index": (50, 250),
    "vix_index": (5, 150),
}
# Coin Metrics' community tier lists some dozens of coins and drops them over time: its sum is partial by design.
PARTIAL_SOURCES = frozenset({"tidegauge_coinmetrics"})
COVERAGE_PCT = (70.0, 130.0)

_MART_RULES: dict[str, dict[str, list[Rule]]] = {
    "market_caps": {
        "values": [
            Between("not_negative", "lowest", minimum=0),
            # CoinGecko rounds price and supply and stamps them a little apart.
            Between("cap", "cap_deviation", maximum=0.01, mostly=0.97),
            Between("cap_far", "cap_deviation", maximum=0.5, mostly=0.995),
        ]
    },
    "market_cap_totals": {"values": [Between("positive", "market_cap_usd", minimum=1)]},
    "market_cap_changes": {
        "values": [
            Between("positive", "market_cap_usd", minimum=1),
            Between("price_index", "price_index", minimum=1e-6),
            Between("equal_weight_index", "equal_weight_index", minimum=1e-6),
            Between("exit", "exit_effect_usd", maximum=0),
            Between("split", "split_cap_pct", minimum=0, maximum=100 + 1e-6),
            Between("below", "below_year_ago_pct", minimum=0, maximum=100),
            # Providers restate the supply of a coin now and then; most of a total at once is a slip.
            Between("supply", "supply_share", maximum=0.5, mostly=0.99),
        ],
        "residual": [
            Between("residual", "residual_share", maximum=1e-9),
            Between("totals", "total_deviation", maximum=1e-9),
        ],
    },
    "liquidity": {
        "values": [Between(name, name, *limits) for name, limits in LIQUIDITY_LIMITS.items()],
        "net_liquidity": [
            Between(name, f"{name}_difference", maximum=1) for name in ("daily", "wednesday", "week_average")
        ],
    },
    "unlocks": {
        "values": [
            Between("circulating", "circulating_pct", minimum=-100, maximum=1000, mostly=0.99),
            Between("max_supply", "max_supply_pct", minimum=-105, maximum=105),
        ]
    },
    "equity_returns": {"values": [Between("close", "close_local", minimum=0.01), Between("move", "move", maximum=0.3)]},
    "events": {
        "values": [
            Between("length", "length_days", minimum=0),
            Between("instants", "length_seconds", minimum=0),
            Between("instant_within_days", "hours_outside", maximum=14),
            Between("kind", "unknown_kind", maximum=0),
            Between("precision", "wrong_precision", maximum=0),
            Between("conflict", "unexplained_conflict", maximum=0),
            Between("lower", "target_lower_pct", minimum=-2, maximum=25),
            Between("width", "target_width_pct", minimum=0.25, maximum=0.25),
            Between("announced", "announced_after_known_seconds", maximum=0),
        ]
    },
}
_TIME_RULES: list[Rule] = [
    Between("known", "known_ahead_seconds", maximum=0),
    Between("day", "days_ahead", maximum=0),
]


def evaluate_mart_gate(
    con: duckdb.DuckDBPyConnection, now: datetime, *, as_of: datetime | None = None
) -> list[CheckResult]:
    """Judge the marts; one result for every check in MART_CHECKS, in that order.

    as_of: the instant the marts were built for; nothing in them may be known later. None: `now`.

    Raises:
        GateError: the gate could not be evaluated, which counts as closed.
    """
    findings: dict[tuple[str, str], _Finding] = {}
    with _evaluating("mart"):
        instant = frames.newest_instant(con, now, as_of)
        for mart, rules in _MART_RULES.items():
            findings |= _judge_mart(mart, frames.mart_rows(con, mart, instant), rules)
        findings["market_cap_totals", "parts"] = _judge_parts(frames.total_parts(con))
        findings["liquidity", "freshness"] = _judge_ages(frames.liquidity_ages(con, instant))
    return [_result(spec, findings[spec.asset.removeprefix("marts/"), spec.name]) for spec in MART_CHECKS]


def _judge_mart(mart: str, rows: pd.DataFrame, rules: Mapping[str, Sequence[Rule]]) -> dict[tuple[str, str], _Finding]:
    checks: dict[str, list[Rule]] = {"keys": [Between("keys", "copies", maximum=1)], "time": list(_TIME_RULES)}
    checks |= {name: list(each) for name, each in rules.items()}
    if mart == "market_cap_totals":
        checks["coverage"] = [Between("coverage", "coverage_pct", *COVERAGE_PCT)]
    if rows.empty:
        return {(mart, name): _empty_mart(mart) for name in checks}
    verdicts = judge(rows, [rule for each in checks.values() for rule in each], what=f"marts_{mart}")
    found = {}
    for name, each in checks.items():
        failing = _failing_rows(rows, mart, each, verdicts)
        severity: Severity = "error"
        note = ""
        if name == "coverage":
            compared = rows["coverage_pct"].notna()
            if not compared.any():
                found[mart, name] = _not_applicable("no published total shares a day with ours")
                continue
            if not failing.empty and set(failing["source"]) <= PARTIAL_SOURCES:
                severity, note = "warn", "only sums that are partial by design lie outside"
        found[mart, name] = _Finding(
            failing.empty,
            severity=severity,
            note=note,
            observed={"rows": len(rows)},
            failing=failing,
            failing_count=len(failing),
        )
    return found


def _empty_mart(mart: str) -> _Finding:
    if mart in {"liquidity", "market_caps"}:
        return _Finding(passed=False, note="the mart is empty")
    return _not_applicable("the mart is empty: its sources are optional")


def _failing_rows(
    rows: pd.DataFrame, mart: str, rules: Sequence[Rule], verdicts: Mapping[str, Verdict]
) -> pd.DataFrame:
    """Key, offending column and value of every row that breaks a rule which does not hold as a whole."""
    key = list(frames.MART_KEYS[mart])
    parts = []
    for rule in rules:
        if verdicts[rule.name].passed or not isinstance(rule, Between):
            continue
        bad = rows.iloc[verdicts[rule.name].positions]
        parts.append(bad[key].assign(column=rule.column, value=bad[rule.column], known_at=bad["known_at"]))
    return pd.concat(parts) if parts else rows.iloc[:0][key]


def _judge_parts(parts: pd.DataFrame) -> _Finding:
    if parts.empty:
        return _not_applicable("no totals yet")
    rules: list[Rule] = [
        AtLeast("total_total2", "total", "total2"),
        AtLeast("total2_total3", "total2", "total3"),
        AtLeast("total_totales", "total", "totales"),
        AtLeast("total3_total3es", "total3", "total3es"),
        Between("sum", "sum_deviation", maximum=1e-6),
    ]
    verdicts = judge(parts, rules, what="marts_total_parts")
    bad = parts.iloc[sorted({position for verdict in verdicts.values() for position in verdict.positions})]
    return _Finding(
        bad.empty,
        observed={"days": len(parts), "worst_sum_deviation": parts["sum_deviation"].max()},
        failing=bad,
        failing_count=len(bad),
    )


def _judge_ages(ages: pd.DataFrame) -> _Finding:
    # An empty mart has no age; that is as stale as can be.
    ages = ages.assign(
        age_days=ages["age_days"].astype(float).fillna(math.inf),
        net_liquidity_age_days=ages["net_liquidity_age_days"].astype(float).fillna(math.inf),
    )
    verdicts = judge(
        ages,
        [Between("day", "age_days", maximum=7), Between("net_liquidity", "net_liquidity_age_days", maximum=10)],
        what="marts_liquidity_ages",
    )
    passed = all(verdict.passed for verdict in verdicts.values())
    return _Finding(
        passed, observed=dict(ages.iloc[0]), failing=None if passed else ages, failing_count=0 if passed else 1
    )


# ------------------------------------------------------------------ results


class _evaluating:
    """Turns whatever goes wrong while evaluating into GateError, so that no caller can take it for a pass."""

    def __init__(self, gate: str) -> None:
        self.gate = gate

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: Any) -> None:
        if isinstance(problem, Exception) and not isinstance(problem, GateError):
            raise GateError(
                f"{self.gate} gate could not be evaluated: {type(problem).__name__}: {problem}"
            ) from problem


def _result(spec: CheckSpec, finding: _Finding) -> CheckResult:
    failing = finding.failing
    listed = [] if failing is None else [_plain(row) for row in failing.head(SHOWN_ROWS).to_dict("records")]
    count = finding.failing_count
    return CheckResult(
        gate=spec.gate,
        name=spec.name,
        asset=spec.asset,
        passed=finding.passed,
        severity=finding.severity,
        description=spec.description,
        remedy=spec.remedy,
        observed=_plain(finding.observed or {}),
        failing_rows=listed,
        failing_count=len(listed) if count is None else count,
        note=finding.note,
    )


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): _plain_value(value) for key, value in row.items()}


def _plain_value(value: Any) -> Any:
    """A value JSON can carry: days as ISO text, whole numbers whole, no NaN."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, datetime):
        at_midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.date().isoformat() if value.tzinfo is None and at_midnight else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None if math.isnan(value) else str(value)
        return int(value) if value.is_integer() and abs(value) < 2**53 else float(f"{value:.10g}")
    return value if isinstance(value, bool | int | str) else str(value)
