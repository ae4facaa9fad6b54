"""Tidegauge: macro liquidity x crypto, from raw HTTP responses to a gated, released warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

__version__ = "0.1.0"


def open_release(path: Path | str | None = None, home: Path | str | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only connection on a release: `open_release().sql("from marts.liquidity").df()`.

    It has no access to other files, and keeps reading the same release while newer ones are published.

    Args:
        path: folder of one release; default: the home's current one.
        home: as `tidegauge --home`; default TIDEGAUGE_HOME, else data/live.

    Raises:
        orchestration.warehouse.release.ReleaseError: there is no release there.
    """
    from pathlib import Path

    from orchestration.settings import load_settings
    from orchestration.warehouse import release

    return release.open_release(Path(path) if path else release.current(load_settings(home=home).releases_dir))
