"""Dagster's SQLite storage with an event log that keeps its connections open.

Dagster opens, fsyncs and closes a database three or four times for every event. A backfill of ten years writes some 1,800
of them, two for each month of each table: measured on two busy cores, 338 events took 42 s that way and 4 s this way.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.pool import StaticPool

OPEN_DATABASES = 16
"""Each run has a database of its own; a web server shows many runs."""


class EventLog(SqliteEventLogStorage):
    """One connection per database. In WAL mode without an fsync per commit: a power cut may lose the newest events, never
    damage older ones, and what a home holds does not depend on them."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> sa.Engine:
        if shard not in self._engines:
            if len(self._engines) >= OPEN_DATABASES:
                self._engines.popitem(last=False)[1].dispose()
            engine = sa.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                # Its one user at a time is whoever holds the lock, in whichever thread.
                connect_args={"timeout": 60, "check_same_thread": False},
            )
            sa.event.listen(engine, "connect", _without_fsync_per_commit)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def dispose(self) -> None:
        """Close every database."""
        super().dispose()
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()


def _without_fsync_per_commit(connection: Any, _: object) -> None:
    connection.execute("pragma synchronous=normal")


class Storage(DagsterSqliteStorage):
    """Runs, events and schedules as Dagster lays them out below `base_dir`, so that either class reads the other's files."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = EventLog(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Called by Dagster with the `config` of dagster.yaml."""
        return cls.from_local(inst_data=inst_data, **config_value)
