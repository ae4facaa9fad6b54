"""Asking the providers: requests, HTTP, the archive, parsers. No Dagster and no DuckDB in this room."""
