"""How the wiring of supernets' cells evolves in training: quantities, verdicts, figures, drawings. From traces alone.

"Edges from inputs" leave an input of the cell; all others are "edges between nodes".
`none` on an edge is its absence.
"""
