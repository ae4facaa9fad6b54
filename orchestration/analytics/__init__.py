"""Statistics on gated marts: plain functions on DataFrames, and the claims ledger. No Dagster."""
