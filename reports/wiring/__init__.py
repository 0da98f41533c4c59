"""Evolution of the cells' wiring during supernet training, computed from traces.

"Edges from inputs" start at an input of the cell; all others are "edges between nodes".
An edge with the operation `none` does not exist in the cell.
"""
