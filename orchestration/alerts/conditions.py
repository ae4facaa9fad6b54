"""What is worth an alert, each condition as a function that returns the causes which stand now.

Thresholds come from the settings; whether a cause was told before is the memory's business.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from orchestration.alerts.models import Alert, RunEnded
from orchestration.catalog.tables import RAW_TABLES
from orchestration.quality import frames, store
from orchestration.quality.checks import GATES

if TYPE_CHECKING:
    import duckdb

TOLD_AS_GATE = frozenset({"DagsterAssetCheckFailedError", "GateError"})
"""Errors that end a run because a gate closed: the stored results tell that better, as `gate_closed`."""

NO_FAILURE = frozenset({"WarehouseBusyError"})
"""A run that found the home in use did nothing and broke nothing."""

TGA_DAYS = 10
"""Balances up to this many days old are news: a long weekend, or a machine that was off for a week, loses none."""


def run_failed(run: RunEnded, at: datetime) -> list[Alert]:
    """What failed in a run: one cause per step and error, for sources one per source; nothing where a gate closed.

    Counts, times and ids are no part of a cause: a schedule that fails every hour for one reason has one cause.
    """
    found = []
    for failure in run.failures:
        if failure.error_class in TOLD_AS_GATE | NO_FAILURE:
            continue
        by_source = failure.error_class == "SourceFailedError"
        for what, message in (
            _by_source(failure.message) if by_source else [(_stable(failure.message), failure.message)]
        ):
            look = f"`tidegauge doctor --only {what}`" if by_source else "the run in `tidegauge ui`"
            found.append(
                Alert(
                    kind="run_failed",
                    cause=" ".join(part for part in (run.job, failure.step, failure.error_class, what) if part),
                    severity="error",
                    title=f"{run.job} failed: {what if by_source else failure.step or 'the run died'}",
                    text=message,
                    remedy=f"The last release is untouched; {look} says more.",
                    subject=f"run {run.run_id}",
                    at=at,
                    facts={
                        "job": run.job,
                        "run_id": run.run_id,
                        "step": failure.step,
                        "error": failure.error_class,
                        "ended_at": run.ended_at.isoformat(),
                    },
                )
            )
    return list({alert.key: alert for alert in found}.values())


def _by_source(message: str) -> list[tuple[str, str]]:
    """The lines of a SourceFailedError, `provider: request: problem`, per provider."""
    lines: dict[str, list[str]] = {}
    for line in message.splitlines():
        if line.strip():
            lines.setdefault(line.split(":", 1)[0].strip(), []).append(line.strip())
    shown = {source: found[:3] + [f"and {len(found) - 3} more"] * (len(found) > 3) for source, found in lines.items()}
    return [(source, "\n".join(found)) for source, found in shown.items()]


def _stable(message: str) -> str:
    """The first line of a message without what differs from run to run: numbers, and ids of eight digits or more."""
    first = (message.strip().splitlines() or [""])[0]
    return re.sub(r"\b[0-9a-f]{8}[0-9a-f-]*\b|\d+", "#", first)[:160]


def gate_closed(con: duckdb.DuckDBPyConnection, at: datetime) -> list[Alert]:
    """Each gate whose last evaluation has failing checks of error severity; another set of checks is another cause."""
    found = []
    for gate in GATES:
        failed = [row for row in store.last_results(con, gate) if not row["is_passed"] and row["severity"] == "error"]
        if not failed:
            continue
        names = sorted(f"{row['asset']} {row['name']}" for row in failed)
        found.append(
            Alert(
                kind="gate_closed",
                cause=f"{gate}: {', '.join(names)}",
                severity="error",
                title=f"The {gate} gate is closed: {', '.join(names)}",
                text="\n".join(store.describe(row) for row in failed),
                remedy="The last release is untouched; look at the failing rows in `tidegauge status` or the UI.",
                subject=f"{gate} gate",
                at=at,
                facts={
                    "gate": gate,
                    "checks": names,
                    "failing_rows": sum(row["failing_count"] for row in failed),
                    "run_id": failed[0]["run_id"],
                    "evaluated_at": failed[0]["evaluated_at"].isoformat(),
                },
            )
        )
    return found


def source_stale(con: duckdb.DuckDBPyConnection, at: datetime) -> list[Alert]:
    """Each series that owes a figure by its release rule and grace, as `tidegauge status` counts it.

    Severity: error where releases depend on the series, else warning.
    """
    with frames.observations(con, RAW_TABLES):
        ages = frames.series_rows(con, at)
    found = []
    late = ages[ages["days_late"] > 0].sort_values(["is_required", "series_id"], ascending=[False, True])
    for row in late.to_dict("records"):
        series, owed, source = row["series_id"], f"{row['next_period']:%Y-%m-%d}", RAW_TABLES[row["dataset"]].provider
        due, required = row["due_at"].tz_convert("UTC"), bool(row["is_required"])
        found.append(
            Alert(
                kind="source_stale",
                cause=f"{series} {owed}",
                severity="error" if required else "warning",
                title=f"{source} is late: {series}",
                text=(
                    f"{series}{' (required)' if required else ''}: the figure of {owed} was due by "
                    f"{due:%Y-%m-%d %H:%M} UTC, the newest is of {row['newest']:%Y-%m-%d}"
                ),
                remedy=f"`tidegauge doctor --only {source}` says whether the source answers, and how new it is.",
                subject=source,
                at=at,
                facts={
                    "source": source,
                    "series_id": series,
                    "is_required": required,
                    "owed_period": owed,
                    "newest_period": f"{row['newest']:%Y-%m-%d}",
                    "due_at": due.isoformat(),
                    "release_rule": row["release_rule"],
                },
            )
        )
    return found


# Grouped like marts.events: all recipients that one source serves on one day are one unlock; sources are never added up.
# Of a linear segment, whose whole amount may be years, counts what comes free within the window after its start.
_UNLOCKS = """
with ahead as (
    select
        token_id, source, kind, cast(unlock_at as date) as day, unlock_at, recipient, value_now_usd, amount_tokens,
        circulating_denominator_id, circulating_denominator_tokens,
        case kind
            when 'cliff' then amount_tokens
            else least(coalesce(amount_tokens, cast('infinity' as double)), rate_tokens_per_day * $days)
        end as tokens
    from marts.unlocks
    where unlock_at > $at and unlock_at <= $at + to_days($days) and coalesce(amount_tokens, 1) > 0
)
select
    token_id, source, kind, day, min(unlock_at) as unlock_at, sum(tokens) as tokens,
    100 * sum(tokens / circulating_denominator_tokens) as share_pct, any_value(circulating_denominator_id) as denominator,
    sum(value_now_usd * tokens / amount_tokens) as value_usd,
    string_agg(distinct recipient, ', ' order by recipient) as recipients
from ahead
group by token_id, source, kind, day
having share_pct > $share_pct
order by unlock_at, token_id, source
"""


def unlock_ahead(con: duckdb.DuckDBPyConnection, at: datetime, *, days: int, share_pct: float) -> list[Alert]:
    """Each unlock scheduled within `days` of more than `share_pct` of the circulating supply.

    Args:
        con: connection on a release: its schedule is gated, and holds what sources still list.
        at: the window starts here.
        days: its length.
        share_pct: percent of the circulating supply; an unlock whose supply is unknown is not judged.
    """
    rows = con.execute(_UNLOCKS, {"at": at, "days": days, "share_pct": share_pct}).fetchall()
    found = []
    for token, source, kind, day, unlock_at, tokens, share, denominator, value, recipients in rows:
        when = f"{unlock_at.astimezone(UTC):%Y-%m-%d}"
        worth = f", {value / 1e6:,.0f} million USD at the build's price" if value is not None else ""
        start = "" if kind == "cliff" else f", the first {days} days of a linear unlock that starts"
        found.append(
            Alert(
                kind="unlock_ahead",
                # The id of the same unlock in marts.events.
                cause=f"unlock:{source}:{token}:{kind}:{day}",
                severity="warning",
                title=f"Unlock ahead: {token} {share:.1f} % of supply on {when}",
                text=(
                    f"{source}: {token} unlocks {tokens:,.0f} tokens, {share:.2f} % of its circulating supply{worth}{start} on "
                    f"{when} ({recipients})"
                ),
                remedy="Scheduled, not sold: see marts.unlocks and marts.unlock_pressure.",
                subject=f"unlock:{source}:{token}:{kind}:{day}",
                at=at,
                facts={
                    "token_id": token,
                    "source": source,
                    "unlock_kind": kind,
                    "unlock_at": unlock_at.astimezone(UTC).isoformat(),
                    "tokens": tokens,
                    "circulating_pct": share,
                    "circulating_denominator_id": denominator,
                    "value_now_usd": value,
                    "recipients": recipients,
                },
            )
        )
    return found


_TGA = """
with closes as (
    select
        day, tga_daily_close_usd as close_usd, lag(day) over (order by day) as previous_day,
        lag(tga_daily_close_usd) over (order by day) as previous_usd
    from marts.liquidity
    where tga_daily_close_age_days = 0
)
select day, close_usd, previous_day, previous_usd, close_usd - previous_usd as change_usd
from closes
where day > $since and abs(change_usd) > $change_usd
order by day
"""


def tga_change(con: duckdb.DuckDBPyConnection, at: datetime, *, change_usd: float) -> list[Alert]:
    """Each recent day on which the Treasury's closing balance moved by more than `change_usd` since the close before.

    Args:
        con: connection on a release.
        at: balances of the `TGA_DAYS` before it are judged.
        change_usd: US dollars, up or down.
    """
    since = (at - timedelta(days=TGA_DAYS)).astimezone(UTC).date()
    found = []
    for day, close, previous_day, previous, change in con.execute(
        _TGA, {"since": since, "change_usd": change_usd}
    ).fetchall():
        verb, effect = ("rose", "drains") if change > 0 else ("fell", "adds to")
        found.append(
            Alert(
                kind="tga_change",
                cause=f"{day}",
                severity="warning",
                title=f"TGA {verb} by {abs(change) / 1e9:,.0f} billion USD on {day}",
                text=(
                    f"fiscaldata: the Treasury's closing balance {verb} by {abs(change) / 1e9:,.1f} billion USD on {day}, "
                    f"from {previous / 1e9:,.1f} ({previous_day}) to {close / 1e9:,.1f}: that {effect} bank reserves"
                ),
                remedy="See marts.liquidity, and marts.treasury_settlements for what was issued and redeemed.",
                subject=f"tga {day}",
                at=at,
                facts={
                    "day": f"{day}",
                    "close_usd": close,
                    "previous_day": f"{previous_day}",
                    "previous_close_usd": previous,
                    "change_usd": change,
                },
            )
        )
    return found
