"""Intervals, paired tests, rank correlations, and agreement with published numbers: each exactly once."""
