"""The report of a study: its HTML page, its files and its citations."""
