"""Tidegauge: macro liquidity x crypto, from raw HTTP responses to a gated, released warehouse."""

__version__ = "0.1.0"
