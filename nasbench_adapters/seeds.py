"""Random streams by purpose: every use of randomness has a seed of its own, so that adding one changes no other."""

from __future__ import annotations

import hashlib


def stream_seed(purpose: str, *keys: int | str) -> int:
    """A seed (0 ..

    2^63 - 1) that depends on the purpose and the keys and on nothing else.

    `stream_seed("weights", 3)` and `stream_seed("order", 3)` are unrelated, on every
    machine and in every process.
    """
    text = "/".join([purpose, *map(str, keys)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
