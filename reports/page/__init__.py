"""The report of a folder: its page, its files, what it cites."""
