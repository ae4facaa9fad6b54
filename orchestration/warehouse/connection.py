"""Opening DuckDB: read-write for the pipeline, read-only for everybody else, always closed again.

DuckDB allows one read-write process or many readers on a file, never both; who comes second waits here, then is told who
holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

# Nothing is ever downloaded: with the default, a query on an https:// path fetches an extension first.
CONFIG = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}

# DuckDB's words for a file held by another process. Searching for "lock" alone is not enough: the text of a failed
# checksum says "in block at location", and any path may contain it.
LOCKED = re.compile(r"Could not set lock|Conflicting lock|being used by another process")
DAMAGED = re.compile(r"Corrupt database file|Could not read enough bytes|Corrupt WAL file")


class WarehouseError(Exception):
    """A warehouse file that cannot be used as it is."""


class WarehouseBusyError(WarehouseError):
    """Another process holds the warehouse."""


@contextmanager
def connect(
    path: Path, *, read_only: bool = False, wait_seconds: float = 30.0, sandboxed: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in UTC, closed at the end whatever happens.

    Args:
        path: the database file; created with its folder when opened for writing.
        read_only: open beside other readers.
        wait_seconds: how long to wait for another process to let go.
        sandboxed: deny reading and writing of other files and any change of settings: for SQL typed by a person.

    Raises:
        WarehouseBusyError: it stayed busy; the text names the process that holds it.
        WarehouseError: the file is missing, damaged or of a newer DuckDB.
    """
    if read_only and not path.exists():
        raise WarehouseError(f"{path}: there is no warehouse here yet: run `tidegauge run` or `tidegauge demo` first")
    if not read_only:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(
                f"{path.parent}: cannot be made ({error.strerror}): set TIDEGAUGE_HOME to a folder of your own"
            ) from None
    retrying = Retrying(
        retry=retry_if_exception_type(WarehouseBusyError),
        stop=stop_after_delay(wait_seconds),
        wait=wait_random(0.05, 0.5),
        reraise=True,
    )
    con = retrying(_open, path, read_only)
    try:
        con.execute("set TimeZone = 'UTC'")
        if sandboxed:
            con.execute("set enable_external_access = false")
            con.execute("set lock_configuration = true")
        yield con
    except duckdb.Error as error:
        # Damage of a data block shows only when the block is read.
        if DAMAGED.search(str(error)):
            raise _damaged(path, str(error)) from None
        raise
    finally:
        con.close()


def open_for_reading(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection in UTC, without access to other files, that the caller closes: for notebooks.

    Its other settings stay free, and it can be opened again while the first is open, as when a cell is run twice.

    Raises:
        WarehouseBusyError: a process is writing to the file (never to a release).
        WarehouseError: the file is damaged or of a newer DuckDB.
    """
    con = _open(path, read_only=True)
    con.execute("set TimeZone = 'UTC'")
    # DuckDB refuses to turn it on again, so the configuration need not be locked.
    con.execute("set enable_external_access = false")
    return con


@contextmanager
def connect_to_copy_from(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in UTC that reads `path` and may write other files: a read-only one may not."""
    with duckdb.connect(config=dict(CONFIG)) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"""attach '{str(path).replace("'", "''")}' as original (read_only)""")
        con.execute("use original")
        yield con


def _open(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path), read_only=read_only, config=dict(CONFIG))
    except duckdb.Error as error:
        text = str(error)
        if LOCKED.search(text):
            holder = re.search(r"PID (\d+)", text)
            who = f"process {holder[1]}" if holder else "another process"
            raise WarehouseBusyError(f"{path}: in use by {who}: wait for it, or stop it") from None
        if "different configuration" in text:
            raise WarehouseBusyError(f"{path}: in use in this process: close the other connection first") from None
        raise _damaged(path, text) from None


def _damaged(path: Path, text: str) -> WarehouseError:
    return WarehouseError(
        f"{path}: cannot be read ({text.splitlines()[0][:200]}): keep the file aside and rebuild it with "
        "`tidegauge replay`, the archive holds everything that was fetched"
    )
