"""Runs: the harness, one run from task to record, final training, estimates."""
