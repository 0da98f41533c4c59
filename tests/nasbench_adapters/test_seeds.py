"""Seeds by purpose: the same everywhere, unrelated to one another."""

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.seeds import stream_seed

keys = st.lists(st.integers(-10, 2**40), max_size=3)


def test_seeds_are_the_same_in_another_process():
    code = "from archselect.nasbench_adapters.seeds import stream_seed; print(stream_seed('weights', 3))"
    seeds = {
        int(
            subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                check=True,
                env=os.environ | {"PYTHONHASHSEED": hash_seed},
            ).stdout
        )
        for hash_seed in ("1", "2")
    }
    assert seeds == {stream_seed("weights", 3)}


def test_seeds_never_change():
    # The first eight bytes of SHA-256 of "weights/3", halved. If this fails, every
    # cached supernet is another.
    assert stream_seed("weights", 3) == 2699259285799249755


@given(st.text(), keys)
def test_a_seed_fits_a_signed_integer_of_64_bits(purpose, keys):
    assert 0 <= stream_seed(purpose, *keys) < 2**63


@given(
    st.sampled_from(["weights", "order"]),
    keys,
    st.sampled_from(["weights", "order"]),
    keys,
)
def test_another_purpose_or_key_gives_another_seed(
    purpose, keys, other_purpose, other_keys
):
    same = (purpose, keys) == (other_purpose, other_keys)
    assert (
        stream_seed(purpose, *keys) == stream_seed(other_purpose, *other_keys)
    ) == same


def test_seeds_are_spread_over_the_whole_range():
    seeds = [stream_seed("spread", key) for key in range(2000)]
    assert len(set(seeds)) == 2000
    halves = sum(seed >= 2**62 for seed in seeds)
    # Five standard deviations of a fair coin.
    assert abs(halves - 1000) < 5 * 500**0.5
