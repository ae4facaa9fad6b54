"""Thin Dagster wrappers around the plain rooms: what runs after what, and what the UI shows of it."""
