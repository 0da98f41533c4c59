import bz2
import pickle

import pytest
from nats_bench import NATStopology, api_utils

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth.nats import import_file, import_folder

SCHEDULES = {"12": 12, "200": 200}


@pytest.fixture(scope="module")
def content(benchmark_content):
    return benchmark_content(api_utils, SCHEDULES)


@pytest.fixture(scope="module")
def folder(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("NATS-tss-v1_0-3ffb9-simple")
    api_utils.pickle_save({"meta_archs": content["meta_archs"]}, folder / "meta.pickle")
    for index, infos in content["arch2infos"].items():
        api_utils.pickle_save(infos, folder / f"{index:06d}.pickle")
    return folder


def test_folder_equals_what_the_package_says(folder, space, agrees):
    api = NATStopology(str(folder), fast_mode=True, verbose=False)
    assert agrees(import_folder(folder, "t"), api, space) > 50


def test_file_equals_what_the_package_says(content, space, agrees, tmp_path):
    api_utils.pickle_save(content, tmp_path / "NATS-tss.pickle")
    path = tmp_path / "NATS-tss.pickle.pbz2"
    api = NATStopology(str(path), fast_mode=False, verbose=False)
    assert agrees(import_file(path, "t"), api, space) > 50


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_refused(canary, tmp_path, protocol):
    path = tmp_path / "000000.pickle.pbz2"
    path.write_bytes(bz2.compress(pickle.dumps({"200": canary}, protocol=protocol)))
    for refused in (
        lambda: import_file(path, "t"),
        lambda: import_folder(tmp_path, "t"),
    ):
        with pytest.raises(UserError, match=r"refused: it asks for \w+\.system"):
            refused()
    assert not canary.path.exists()


def test_damaged_or_foreign(folder, tmp_path):
    whole = (folder / "000000.pickle.pbz2").read_bytes()
    path = tmp_path / "000000.pickle.pbz2"
    for content in (
        b"",
        whole[:100],
        whole[:-20],
        b"not bz2",
        bz2.compress(b"no pickle"),
        bz2.compress(b""),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match="000000"):
            import_folder(tmp_path, "t")
    for foreign in (
        {"200": {}},
        {"200": 1},
        {"long": {"arch_str": "x"}},
        [1],
        {"200": {"arch_str": "|none~0|"}},
    ):
        path.write_bytes(bz2.compress(pickle.dumps(foreign)))
        with pytest.raises(
            UserError,
            match=r"000000.*(does not have the benchmark's form|malformed NAS-Bench-201 cell)",
        ):
            import_folder(tmp_path, "t")


def test_memory_is_checked_first(content, tmp_path, monkeypatch):
    api_utils.pickle_save(content, tmp_path / "a.pickle")
    monkeypatch.setattr(
        "archselect.nasbench_adapters.truth.benchmark_results.available_memory",
        lambda: 1000,
    )
    with pytest.raises(UserError, match="GB of memory"):
        import_file(tmp_path / "a.pickle.pbz2", "t")
    assert len(import_file(tmp_path / "a.pickle.pbz2", "t", force=True)) == 4


def test_a_text_in_place_of_results_is_no_path(folder, canary, tmp_path):
    """The package would load the pickle that the text names, unrestricted."""
    trap = tmp_path / "trap.pickle.pbz2"
    trap.write_bytes(bz2.compress(pickle.dumps(canary)))
    path = tmp_path / "000000.pickle.pbz2"
    path.write_bytes(bz2.compress(pickle.dumps({"200": str(trap)})))
    with pytest.raises(
        UserError,
        match=r"000000\.pickle\.pbz2 does not have the benchmark's form \(TypeError: results",
    ):
        import_folder(tmp_path, "t")
    assert not canary.path.exists()
