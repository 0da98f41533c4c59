"""A folder of records as groups of seeds, and the values that tables and figures are made of."""
