"""Intervals, paired tests, rank correlations and margins: each exactly once."""
