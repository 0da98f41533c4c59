"""The harness: studies, supernet training, runs, records and the command line."""
