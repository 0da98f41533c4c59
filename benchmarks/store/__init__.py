"""The folder of records: what is kept of every run, and how it is read, written, joined and followed. No torch here."""
