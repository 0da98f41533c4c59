"""The checksums of TFRecord files; damaged files are in `test_nb101_file.py`."""

from hypothesis import given
from hypothesis import strategies as st
from support.checksums import slow_crc32c, slow_masked

from archselect.nasbench_adapters.truth.tfrecord import crc32c, masked


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8))
def test_checksums_are_those_computed_bit_by_bit(payloads):
    assert crc32c(payloads).tolist() == [slow_crc32c(data) for data in payloads]
    assert masked(crc32c(payloads)).tolist() == [slow_masked(data) for data in payloads]


def test_the_checksum_has_its_standards_check_value():
    assert crc32c([b"123456789"]).tolist() == [0xE3069283]
