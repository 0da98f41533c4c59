"""Two folders of records compared: snapshots, differences, gates, and their text forms."""
