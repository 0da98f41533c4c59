"""Drawings of cells, and the colours of all drawings and figures."""
