"""Seeds of random streams: each use of randomness has a separate stream.

So a new use does not change the random numbers of other uses.
"""

from __future__ import annotations

import hashlib

_SEED_BYTES = 8


def stream_seed(purpose: str, *keys: int | str) -> int:
    """Return a seed, 0 to 2^63 - 1, that depends only on the purpose and the keys.

    `stream_seed("weights", 3)` and `stream_seed("order", 3)` are unrelated. Each is the
    same on every machine and in every process.
    """
    text = "/".join([purpose, *map(str, keys)])
    digest = hashlib.sha256(text.encode()).digest()
    number = int.from_bytes(digest[:_SEED_BYTES], "big")
    return number >> 1
