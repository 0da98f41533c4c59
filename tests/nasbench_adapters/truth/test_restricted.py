import pickle
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth.restricted import NUMBERS, PLAIN, read_pickle

PLAIN_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(data=PLAIN_DATA, protocol=st.integers(2, 5))
def test_plain_data_is_read(data, protocol, tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "a.pkl"
    path.write_bytes(pickle.dumps(data, protocol=protocol))
    assert read_pickle(path, NUMBERS) == data


@pytest.mark.parametrize("protocol", range(2, 5))
def test_numbers_of_numpy_are_read(tmp_path, protocol):
    array = np.arange(6, dtype=">f4").reshape(2, 3)
    data = {
        "a": np.float64(1.5),
        "b": [np.int32(-3), np.bool_(True)],
        "c": array,
        "d": np.asfortranarray(array),
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(data, protocol=protocol))
    read = read_pickle(tmp_path / "a.pkl", NUMBERS)
    assert read["a"] == 1.5 and read["b"] == [-3, True]
    assert np.array_equal(read["c"].values, array) and np.array_equal(read["d"].values, array)


def test_containers_are_read(tmp_path):
    data = [OrderedDict(a=1), defaultdict(list, b=[2]), {3}]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(data))
    assert read_pickle(tmp_path / "a.pkl", NUMBERS) == data
    with pytest.raises(UserError, match="asks for collections"):
        read_pickle(tmp_path / "a.pkl", PLAIN)


@pytest.mark.parametrize(
    "data", [np.array([object()]), np.dtype("O"), np.datetime64("2020-01-01"), pytest, np.random.default_rng]
)
def test_all_else_is_refused(tmp_path, data):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(data) if data is not pytest else b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UserError, match="is refused"):
        read_pickle(path, NUMBERS)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        read_pickle(tmp_path / "no.pkl")
