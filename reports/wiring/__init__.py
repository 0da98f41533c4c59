"""How the wiring of supernets' cells evolves in training, from traces alone.

It has verdicts, tables, figures and drawings. "Edges from inputs" leave an input of the
cell; all others are "edges between nodes". `none` on an edge is its absence.
"""
