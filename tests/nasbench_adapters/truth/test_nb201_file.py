import pickle

import nas_201_api
import pytest
import torch

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth import nb201_file
from archselect.nasbench_adapters.truth.nb201_file import (
    SCHEDULES,
    import_file,
    import_folder,
    load_plain,
)


@pytest.fixture(scope="module")
def content(benchmark_content):
    return benchmark_content(nas_201_api, SCHEDULES)


@pytest.mark.parametrize("zipped", [False, True], ids=["as released", "zip"])
def test_equals_what_the_package_says(content, space, agrees, tmp_path, zipped):
    path = tmp_path / "NAS-Bench-201-v1_1.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        pickle.UnpicklingError
    ):  # the trap: what the package's own loader does
        torch.load(path)
    api = nas_201_api.NASBench201API(content, verbose=False)
    assert agrees(import_file(path, "t"), api, space) > 50


def test_folder_equals_file(content, tmp_path):
    torch.save(content, tmp_path / "all.pth")
    for index, infos in content["arch2infos"].items():
        trial = infos["full"]["all_results"]["cifar10", 777]
        weighted = infos | {"weights": torch.ones(3), "trial": trial}
        torch.save(
            weighted,
            tmp_path / f"{index:06d}-FULL.pth",
            _use_new_zipfile_serialization=bool(index % 2),
        )
    assert (
        import_folder(tmp_path, "t").checksum
        != import_file(tmp_path / "all.pth", "t").checksum
    )  # the origins
    folder, file = import_folder(tmp_path, "t"), import_file(tmp_path / "all.pth", "t")
    assert folder._header["arrays"] == file._header["arrays"]


@pytest.mark.parametrize("zipped", [False, True])
def test_code_is_refused(canary, tmp_path, zipped):
    path = tmp_path / "evil.pth"
    torch.save({"arch2infos": canary}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"refused: it asks for \w+\.system"):
        import_file(path, "t")
    assert not canary.path.exists()


def test_the_environment_cannot_lift_the_refusal(canary, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save(canary, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="refused"):
        load_plain(tmp_path / "evil.pth")
    assert not canary.path.exists()


def test_names_are_allowed_while_reading_only(content, tmp_path):
    torch.save(content, tmp_path / "a.pth")
    before = torch.serialization.get_safe_globals()
    load_plain(tmp_path / "a.pth")
    assert set(torch.serialization.get_safe_globals()) == set(before)


def test_memory_is_checked_first(content, tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    torch.save(content, path)
    monkeypatch.setattr(
        "archselect.nasbench_adapters.truth.benchmark_results.available_memory",
        lambda: 1000,
    )
    monkeypatch.setattr(
        nb201_file, "load_plain", lambda path: pytest.fail("read without the memory")
    )
    with pytest.raises(
        UserError, match=r"needs about .* GB of memory \(6 times the file\)"
    ):
        import_file(path, "t")
    monkeypatch.undo()
    assert len(import_file(path, "t", force=True)) == 4


def test_damaged_or_foreign(content, tmp_path):
    path = tmp_path / "a.pth"
    torch.save(content, path)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"a\.pth"):
            import_file(path, "t")
    torch.save({"weight": torch.ones(2)}, path)
    with pytest.raises(UserError, match="does not have the benchmark's form"):
        import_file(path, "t")
    with pytest.raises(UserError, match="holds no trial"):
        import_folder(tmp_path, "t")


def test_truncated_anywhere(tmp_path):
    path = tmp_path / "a.pth"
    for zipped in (False, True):
        torch.save(
            {"arch2infos": {0: [1, 2.5, "text"]}},
            path,
            _use_new_zipfile_serialization=zipped,
        )
        whole = path.read_bytes()
        for size in range(0, len(whole) - 4, 7):
            path.write_bytes(whole[:size])
            with pytest.raises(UserError, match=r"a\.pth"):
                load_plain(path)
