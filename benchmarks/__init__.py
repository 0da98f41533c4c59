"""The harness: studies, supernet training, runs, timing, records and the command line."""
