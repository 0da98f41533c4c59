"""Published numbers and oracles, and the protocols of their searches."""
