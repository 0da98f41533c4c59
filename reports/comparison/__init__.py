"""Comparison of two folders of records: snapshots, changes, gates, output formats."""
