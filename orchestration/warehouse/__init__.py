"""The DuckDB file: the one place that opens it, raw versions, catalog tables, the ledger, and releases. No Dagster."""

from orchestration.warehouse.connection import WarehouseBusyError, WarehouseError, connect

__all__ = ["WarehouseBusyError", "WarehouseError", "connect"]
