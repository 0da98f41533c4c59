"""Two folders of records compared: snapshots, differences, gates, text forms."""
