"""The conditions of the alerts on a release that a whole run has made."""

from __future__ import annotations

from datetime import date

import pytest

from orchestration.alerts import conditions
from orchestration.warehouse import release


@pytest.mark.slow
def test_the_marts_of_a_real_release_have_what_the_conditions_read(demo):
    settings, _ = demo
    with release.open_release(release.current(settings.releases_dir)) as con:
        unlocks = conditions.unlock_ahead(con, settings.now(), days=60, share_pct=0.5)
        [events] = con.execute("select list(event_id) from marts.events where kind = 'unlock'").fetchone()
        moves = conditions.tga_change(con, settings.now(), change_usd=1e9)
        closes = dict(con.execute("select day, tga_daily_close_usd from marts.liquidity").fetchall())
    assert {alert.cause for alert in unlocks} <= set(events)
    assert unlocks
    assert moves
    for alert in moves:
        before, after = (date.fromisoformat(alert.facts[name]) for name in ("previous_day", "day"))
        assert alert.facts["change_usd"] == closes[after] - closes[before]
