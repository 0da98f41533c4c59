"""All downloads of a study are announced before the first one starts."""

from archselect.benchmarks.plan.preflight import describe_downloads
from archselect.nasbench_adapters.images import DATASETS, svhn


def test_all_downloads_are_in_one_sentence(tmp_path):
    names = ["digits", "cifar10", "cifar10@16", "svhn", "mine.npz"]
    (sentence,) = describe_downloads(names, tmp_path)
    assert sentence == (
        f"fetching into {tmp_path}: cifar10 (162 MiB from {DATASETS['cifar10'].address}), "
        f"svhn (235 MiB from {svhn.URL})"
    )
    assert describe_downloads(["digits", "mine.npz"], tmp_path) == []


def test_what_is_there_is_not_fetched(tmp_path):
    for file in (svhn.TRAIN, svhn.TEST):
        (tmp_path / file.name).touch()
    sentences = describe_downloads(["svhn", "cifar100"], tmp_path)
    assert len(sentences) == 1 and "svhn" not in sentences[0]
