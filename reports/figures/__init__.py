"""The figures, as SVG text."""
