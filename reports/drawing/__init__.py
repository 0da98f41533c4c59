"""Cells as small drawings."""
