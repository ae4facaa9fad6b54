"""The report: ten pictures, five sentences and the ledger as one self-contained page, drawn from gated tables.

Reads through a connection of the warehouse; computes no statistic and knows no Dagster.
"""
