"""The catalog schema: definitions, identities, release instants and sessions beside the numbers they explain.

Replaced as a whole when the catalog changes; SQL and BI users read it, nothing else writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import duckdb

from orchestration.catalog import Catalog
from orchestration.catalog.events import Events, facts_frame, meetings_frame, releases_frame
from orchestration.catalog.release import release_calendar_frame
from orchestration.catalog.sessions import sessions_frame

if TYPE_CHECKING:
    import pandas as pd

TABLES: dict[str, str] = {
    "series": """
        series_id varchar, provider varchar, provider_key varchar, dataset varchar, title varchar, native_unit varchar,
        provider_units varchar, unit varchar, scale double, frequency varchar, calendar varchar, release_rule varchar,
        release_time varchar, release_zone varchar, look_back_days integer, carry_days integer, is_required boolean,
        may_be_empty boolean, is_retired boolean, revision_policy varchar, plausible_min double, plausible_max double,
        jump_limit double, jump_kind varchar, freshness_grace_days integer, licence varchar, redistribution varchar,
        attribution varchar""",
    "datasets": "provider varchar, dataset varchar, is_required boolean, quarantine_limit_pct double",
    "release_exceptions": "series_id varchar, period_date date, known_at timestamptz",
    "release_calendar": "release_rule varchar, period_date date, known_at timestamptz",
    "releases": """
        release_rule varchar, provider varchar, title varchar, description varchar, "precision" varchar,
        time_zone varchar, url varchar, period_date date, scheduled_at timestamptz, excepted_at timestamptz""",
    "fomc_meetings": """
        start_date date, end_date date, time_zone varchar, statement_at timestamptz, is_scheduled boolean,
        target_lower_pct double, target_upper_pct double, note varchar, url varchar, announced_at timestamptz""",
    "dated_facts": """
        fact_id varchar, kind varchar, title varchar, description varchar, start_date date, end_date date,
        time_zone varchar, announced_at timestamptz, end_announced_at timestamptz, url varchar""",
    "sessions": "calendar varchar, session_date date, open_at timestamptz, close_at timestamptz",
    "assets": "asset_id varchar, name varchar, symbol varchar, asset_class varchar, chain varchar, first_day date",
    "asset_ids": "asset_id varchar, provider varchar, provider_asset_id varchar",
    "sources": """
        provider varchar, name varchar, homepage varchar, licence varchar, redistribution varchar, attribution varchar,
        terms_url varchar, notes varchar""",
}

STATE = "create schema if not exists catalog; create table if not exists catalog.state (digest varchar)"


def frames(catalog: Catalog, events: Events, start: date, until: date) -> dict[str, pd.DataFrame]:
    """One frame for each table of TABLES; release instants and sessions from `start` to `until`."""
    sessions = sessions_frame(start, until)
    return {
        "series": catalog.series_frame(),
        "datasets": catalog.datasets_frame(),
        "assets": catalog.assets_frame(),
        "asset_ids": catalog.asset_ids_frame(),
        "sources": catalog.sources_frame(),
        "release_exceptions": catalog.release_exceptions_frame(),
        "release_calendar": release_calendar_frame(catalog.releases, start, until, sessions),
        "releases": releases_frame(catalog, start, until),
        "fomc_meetings": meetings_frame(events),
        "dated_facts": facts_frame(events),
        "sessions": sessions,
    }


def is_current(con: duckdb.DuckDBPyConnection, digest: str) -> bool:
    """True when the stored definitions were made from the same catalog."""
    con.execute(STATE)
    return con.execute("select count(*) from catalog.state where digest = ?", [digest]).fetchone() == (1,)


def rows(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of each catalog table."""
    counts = " union all ".join(f"select '{name}', count(*) from catalog.{name}" for name in TABLES)
    return dict(con.execute(counts).fetchall())


def replace(con: duckdb.DuckDBPyConnection, frames: Mapping[str, pd.DataFrame], digest: str) -> dict[str, int]:
    """Replace every catalog table in one transaction; returns rows per table.

    Raises:
        KeyError: a table of TABLES has no frame.
    """
    counts = {}
    con.begin()
    try:
        con.execute(STATE)
        for name, columns in TABLES.items():
            frame = frames[name]
            con.execute(f"create or replace table catalog.{name} ({columns})")
            con.register("frame", frame)
            con.execute(f"insert into catalog.{name} by name select * from frame")
            con.unregister("frame")
            counts[name] = len(frame)
        con.execute("delete from catalog.state")
        con.execute("insert into catalog.state values (?)", [digest])
        con.commit()
    except BaseException:
        con.rollback()
        raise
    return counts
