"""A folder of records as groups of seeds, and the values of tables and figures."""
