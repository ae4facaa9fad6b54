"""Statistics on gated marts: plain functions on DataFrames. No Dagster, no SQL of meaning."""
