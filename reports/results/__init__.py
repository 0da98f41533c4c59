"""A folder's results as groups of runs, and the values for tables and figures."""
