"""Confidence intervals, paired tests, rank correlations and margins."""
