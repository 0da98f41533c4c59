"""Reads files of every kind that have been spoiled, so many of each, and sees that all are read or refused in one line.

    python -m support.fuzz 1000 0              # cases of each kind, first seed
    python -m support.fuzz 1000 0 study truth  # of these kinds only

A case writes valid files, spoils one of them (see `mutations.py`), and does with them
what a user does. It must end well or with a UserError of one line that names a file;
run nothing that a file holds; write nothing outside of its folder; and take neither
long nor much memory. At the first case that does not, its files are kept and the
command that repeats it is printed: case n of seed s is case 0 of seed s + n.
"""

from __future__ import annotations

import base64
import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from archselect.benchmarks.optimisers import supernets
from archselect.benchmarks.plan.jobs import TrainingJob, plan_runs
from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs.journal import Journal
from archselect.benchmarks.runs.runner import Runner
from archselect.benchmarks.runs.training import NetworkTrainer
from archselect.benchmarks.scoring import operation_files, populations
from archselect.benchmarks.store import compaction, merging, status, traces
from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Failure, Record, SupernetInputs
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import (
    cifar,
    imagenet,
    imagenet16,
    load_images,
    svhn,
)
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.fetch import Sums
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.nasbench_adapters.truth import (
    hpo_bench,
    landscape,
    list_truths,
    long_csv,
    open_truth,
    rank,
    sealed_arrays,
    surrogate,
)
from archselect.nasbench_adapters.truth.importing import import_truth
from archselect.nasbench_adapters.truth.plain_csv import PlainColumns
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder
from archselect.nasbench_adapters.truth.tfrecord import crc32c, masked
from archselect.reports.comparison.comparison import compare_snapshots
from archselect.reports.comparison.exports import to_json, to_junit
from archselect.reports.comparison.gate import parse_gate
from archselect.reports.comparison.markdown import to_markdown
from archselect.reports.comparison.snapshot import read_snapshot, write_baseline
from archselect.reports.page import scores, sections, write
from archselect.reports.results import results
from archselect.reports.results import wiring_quantities as quantities
from archselect.reports.wiring import verdicts
from support import mutations, small, study_folder
from support.benchmark_results import arch_results
from support.final_trainings import write_final_training
from support.made_surrogates import made_surrogate
from support.nb101_records import payload, record, some_modules
from support.quick_trainings import quick_training
from support.score_folder import DIRECTIONS, make_scores
from support.svhn_files import COUNTS, known_file, write_svhn

TESTS = Path(__file__).parents[1]
SECONDS = 30
MEMORY = 1 << 30
"""Bytes that a case may take beyond those taken before."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        make: writes valid files into the folder that is the current one.
        read: does there what a user does with them.
        spoil: which files are spoiled.
        seal: after that, makes checksums fit again; told the file's path.
        names: whether a refusal must name a file.
    """

    make: Callable[[], None]
    read: Callable[[random.Random], object]
    spoil: str = "**/*"
    seal: Callable[[Path], None] | None = None
    names: bool = True


class Slow(BaseException):
    """A case takes long."""


class Fault(Exception):
    """What a case should not have done."""


def _stop(*_: object) -> None:
    raise Slow(f"more than {SECONDS} seconds")


@contextmanager
def _at(folder: Path) -> Iterator[None]:
    """Within the folder, which is the user's, too."""
    before, user = (
        Path.cwd(),
        {name: os.environ.get(name) for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME")},
    )
    os.environ |= dict.fromkeys(user, str(folder / "user"))
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        for name, value in user.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


_valid: dict[str, dict[str, bytes]] = {}


def valid(name: str) -> dict[str, bytes]:
    """The files of a kind, unspoiled, by path."""
    if name not in _valid:
        with tempfile.TemporaryDirectory() as made, _at(Path(made)):
            KINDS[name].make()
            files = sorted(path for path in Path().rglob("*") if path.is_file())
            _valid[name] = {str(path): path.read_bytes() for path in files}
    return _valid[name]


def case(name: str, seed: int, folder: Path) -> bool:
    """Do a case within an empty folder: whether it was refused.

    Raises Fault if it went wrong.
    """
    kind, rng = KINDS[name], random.Random(f"{name} {seed}")
    home, evil = folder / "a" / "home", folder / "evil"
    for path, content in valid(name).items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(content)
    spoiled = home / rng.choice(
        sorted(
            path
            for path in valid(name)
            if Path(path).match(kind.spoil.replace("**/", ""))
        )
    )
    spoiled.write_bytes(
        mutations.spoiled(spoiled.name, spoiled.read_bytes(), mutations.Draw(rng, evil))
    )
    evil.unlink(missing_ok=True)
    # Files that a spoiled one may name, for a reader that would load them.
    trap = mutations.pickle.dumps(mutations.Canary(evil))
    (folder / "trap").write_bytes(mutations.bz2.compress(trap))
    if kind.seal and rng.random() < 0.9:
        with suppress(Exception):  # what is no such file any more has nothing to seal
            kind.seal(spoiled)
    before, memory = _outside(folder, home), _memory()
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(SECONDS)
    try:
        with _at(home), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.errstate(all="ignore"):
                kind.read(rng)
        refused = False
    except UserError as error:
        refused = True
        _check_words(str(error), kind, home)
    except (Exception, Slow) as error:
        raise Fault("".join(traceback.format_exception(error))) from error
    finally:
        signal.alarm(0)
    if (there := _outside(folder, home)) != before:
        raise Fault(f"outside of its folder there are {there - before}")
    if _memory() - memory > MEMORY:
        raise Fault(f"it took {(_memory() - memory) / 1e9:.1f} GB of memory")
    return refused


def _memory() -> int:
    """The most that this process took so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def _outside(folder: Path, home: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_relative_to(home)}


def _check_words(text: str, kind: Kind, home: Path) -> None:
    heading, *faults = text.split("\n")
    several = (
        bool(faults) and heading == f"found {len(faults)} faults; nothing was started:"
    )
    if (faults and not several) or "\r" in text or len(text) > 5_000:
        raise Fault(
            f"a refusal of more than one line, or of {len(text)} letters: {text[:5000]!r}"
        )
    files = {path.name.partition(".")[0] for path in home.rglob("*")}
    if (
        kind.names
        and "data set" not in text
        and not any(name in text for name in files)
    ):
        raise Fault(f"a refusal that names no file: {text}")


# --- studies and architectures


def _make_study() -> None:
    small.truth_table().save("made-up.npz")
    text = small.study_text(
        "made-up.npz",
        (
            'tables = ["tau",',
            'description = "x"\nreference = "random"\ntables = ["tau",',
        ),
    )
    text += 'label = "zc"\n\n[[reproduces]]\npaper = "DARTS-PT"\ntable = "Table 4"\nmethod = "darts+darts-pt"\n'
    text += 'selector = "darts-pt"\n'
    train = 'train = [{ protocol = "tiny", seeds = [0, 1], epochs = 1, skeleton = { channels = 2 } }]\nsplit ='
    Path("small.toml").write_text(text.replace("split =", train, 1), encoding="utf-8")


def _make_texts() -> None:
    rng = np.random.default_rng(0)
    for name in SPACES:
        space = get_space(name)
        Path(f"{name}.txt").write_text(
            space.format(space.sample(rng)), encoding="utf-8"
        )


def _read_texts(rng: random.Random) -> None:
    """What is taken is the architecture that it is then called by."""
    other = rng.choice([None] * 8 + list(SPACES))
    for path in sorted(Path().glob("*.txt")):
        space = get_space(other or path.stem)
        found = space.parse(path.read_bytes().decode(errors="surrogateescape"))
        assert space.parse(space.format(found)) == found


# --- folders of records


def _make_records() -> None:
    root = study_folder.make_folder(Path("study"), 2, ["magnitude", "zero-cost-pt"])
    folder = Folder(root)
    records = list(folder.read_all(Record))
    study_folder.fail(root, records[0])
    write_final_training(root, records[1].selected.architecture, 1000)
    write_fact(folder.selection(records[0].id), records[0])
    failure = next(folder.read_all(Failure))
    write_fact(
        folder.study_path,
        folder.study().model_copy(
            update={"references": ["magnitude"], "tables": TABLES}
        ),
    )
    assert failure.id not in {record.id for record in folder.read_all(Record)}
    compaction.compact(folder, fewest=1)
    write_baseline(read_snapshot(root), Path("baseline.json"))
    for path in root.glob(
        "records/*.json"
    ):  # a row of the file counts while its file is as it was
        os.utime(path, (0, 0))
    (root / "records.parquet").unlink()
    compaction.compact(folder, fewest=1)


TABLES = [
    "tau",
    "accuracy",
    "differences",
    "time",
    "cells",
    "operations",
    "reproduction",
]


def _read_records(rng: random.Random) -> None:
    root = Path("study")
    for path in root.glob("records/*.json"):
        os.utime(path, (0, 0))
    match rng.randrange(10):
        case 0:
            status.read_status(root)
        case 1:
            merging.merge_folders([root], Path("merged"))
            results.load(Path("merged"))
        case 2:
            compaction.compact(Folder(root), fewest=1)
            list(compaction.read_records(Folder(root)))
        case 3 | 4:
            write.write_report(root)
        case 5 | 6:
            _compare(Path("baseline.json"), root)
        case _:
            found = results.load(root)
            for name in TABLES:
                sections.tables(
                    replace(
                        found, info=found.info.model_copy(update={"tables": [name]})
                    )
                )


def _compare(base: Path, new: Path) -> None:
    gates = [
        parse_gate(text)
        for text in ("accuracy_drop>0.5pt", "score_forwards_increase>10%")
    ]
    found = compare_snapshots(read_snapshot(base), read_snapshot(new), gates)
    for form in (to_markdown, to_json, to_junit):
        form(found).encode()


def _make_scores() -> None:
    make_scores(Path("scores"), size=24, part=8)


def _read_scores(_: random.Random) -> None:
    scores.write_scores(Path("scores"), DIRECTIONS)


def _make_run() -> None:
    """A run that was interrupted: supernet and journal, and the checkpoint of a supernet's training."""
    job = _run_job()
    runner = Runner(Folder(Path("run")), torch.device("cpu"), None)
    runner.make_supernet(job.supernet)
    runner.run(job)


@cache
def _run_job() -> Any:
    with tempfile.TemporaryDirectory() as made, _at(Path(made)):
        _make_study()
        job = next(
            job
            for job in plan_runs(read_study("small.toml"), None)
            if job.label == "darts-pt"
        )
        return replace(job, data=job.data.model_copy(update={"truth": []}))


def _read_run(_: random.Random) -> None:
    Runner(Folder(Path("run")), torch.device("cpu"), None).run(_run_job())


def _read_supernet(_: random.Random) -> None:
    (path,) = Path("run/supernets").glob("*.pt")
    supernets.load_supernet(path)


def _make_trace() -> None:
    recipe = supernets.Recipe.model_validate(
        {"recipe": "darts", "epochs": 1, "batch_size": 16, "trace": True}
    )
    inputs = SupernetInputs(
        recipe="darts", settings=recipe.settings(), skeleton={"channels": 2, "cells": 1}
    )
    trace = supernets.make_supernet(
        recipe, get_space("nb201"), inputs, _digits(), 0
    ).trace
    assert trace is not None
    traces.write_trace(Path(f"traces/{trace.info.id}.npz"), trace)


def _read_trace(_: random.Random) -> None:
    """As a report reads it."""
    (path,) = Path("traces").iterdir()
    wiring = quantities.SupernetWiring(traces.read_trace(path))
    for claim in verdicts.CLAIMS[:2]:
        claim.measure(wiring, None)
    for cell in wiring.cells:
        quantities.mean_costs(cell, slice(None))
        repr((cell.names, cell.changes, cell.depth, cell.entropy, wiring.learns))


def _read_journal(rng: random.Random) -> None:
    Journal(Path("run/progress") / _run_job().inputs.id, _run_job().inputs.id)
    if rng.random() < 0.5:
        _read_run(rng)


def _train_supernet() -> None:
    recipe = supernets.Recipe.model_validate(
        {"recipe": "darts", "epochs": 2, "batch_size": 16, "trace": True}
    )
    inputs = SupernetInputs(
        recipe="darts", settings=recipe.settings(), skeleton={"channels": 2, "cells": 1}
    )
    kept, supernets.CHECKPOINT_EPOCHS = supernets.CHECKPOINT_EPOCHS, 1
    try:
        supernets.make_supernet(
            recipe, get_space("nb201"), inputs, _digits(), 0, target=Path("supernet.pt")
        )
    finally:
        supernets.CHECKPOINT_EPOCHS = kept


@cache
def _digits() -> Images:
    return Images(load_images("digits"), torch.device("cpu"), split="first", limit=32)


@cache
def _training() -> tuple[TrainingJob, Images]:
    made = quick_training()
    return made.job, made.images


def _make_training() -> None:
    trainer = NetworkTrainer(*_training(), Path("training.pt"))
    trainer.epoch()
    trainer.save()


def _read_training(_: random.Random) -> None:
    trainer = NetworkTrainer(*_training(), Path("training.pt"))
    with suppress(FloatingPointError):  # weights that diverge are weights
        trainer.epoch()


# --- truths


def _small_table() -> TruthTable:
    space, rng = get_space("nb201"), np.random.default_rng(0)
    builder = TableBuilder(space)
    for cell in dict.fromkeys(space.sample(rng) for _ in range(8)):
        for dataset, split in (("d", "test"), ("e", "valid")):
            for seed in "ab":
                builder.add(
                    cell, dataset, split, 12, seed, round(float(rng.uniform(20, 90)), 2)
                )
    return builder.table("t", origin="a test", licence="MIT")


def _use_truth(name: str, rng: random.Random) -> None:
    truth = open_truth(name)
    for column in truth.columns:
        landscape(truth, *column.key)
        cell = truth.space.sample(np.random.default_rng(rng.randrange(3)))
        if truth.mean(cell, *column.key) is not None:
            truth.lookup(cell, *column.key)
            rank(truth, cell, *column.key)
    truth.describe_provenance()
    repr(truth)
    if not truth.predicts:
        truth.save(Path("again.npz"))


def _make_table() -> None:
    _small_table().save("table.npz")


def _make_surrogate() -> None:
    made_surrogate("nb201")[0].save("surrogate.npz")


def _seal_truth(path: Path) -> None:
    """The checksums of a table or a surrogate; now and then of a header that was spoiled, too."""
    content = {
        name.removesuffix(".npy"): own
        for name, own in mutations.members(path.read_bytes()).items()
    }
    arrays = {
        name: np.load(mutations.io.BytesIO(own), allow_pickle=False)
        for name, own in content.items()
    }
    rng = random.Random(path.read_bytes())
    for name in ("table_header", "header", "surrogate"):
        if name not in arrays:
            continue
        header = json.loads(arrays[name].tobytes())
        if rng.random() < 0.5:
            header = mutations.spoil_value(
                header, mutations.Draw(rng, path.parents[2] / "evil")
            )
        if name == "surrogate":
            header["arrays"] = sealed_arrays.digest_all(
                surrogate.sealed_part(
                    {key: own for key, own in arrays.items() if key != name}
                )
            )
            header["checksum"] = sealed_arrays.header_checksum(header)
        else:
            prefix = name.removesuffix("header")
            digests = {
                key.removeprefix(prefix): sealed_arrays.digest(own)
                for key, own in arrays.items()
            }
            header["arrays"] = {
                key: digests.get(key, digest)
                for key, digest in header["arrays"].items()
            }
            header["checksum"] = sealed_arrays.header_checksum(header)
        arrays[name] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(path, **arrays)


def _make_long() -> None:
    frame = long_csv.to_long(_small_table())
    frame.to_csv("long.csv", index=False)
    frame.to_csv("long2.csv.gz", index=False)
    frame.to_parquet("long3.parquet")
    cells = [str(cell) for cell in some_modules(6)]
    rows = [
        dict(zip(("adjacency", "ops"), text.split(":"), strict=True)) for text in cells
    ]
    shares = {
        f"{name}{trial}": np.linspace(0.2, 0.9, 6)
        for name in ("val", "test")
        for trial in (1, 2)
    }
    pd.DataFrame(rows).assign(**shares).to_csv("cells.csv", index=False)


def _importing(**options: Any) -> Callable[[random.Random], None]:
    """Imports what there is, and uses it."""

    def read(rng: random.Random) -> None:
        for place, path in enumerate(
            sorted(path for path in Path().iterdir() if path.name != "user")
        ):
            import_truth(path, name=f"t{place}", replace=True, **options)
            list_truths()
            _use_truth(f"t{place}", rng)

    return read


def _make_plain() -> None:
    frame = long_csv.to_long(_small_table()).drop_duplicates("arch")[
        ["arch", "accuracy"]
    ]
    frame.to_csv("plain.csv", index=False)
    frame.to_parquet("plain2.parquet")


def _make_macro() -> None:
    trials = {"00000000": [45.32, 45.33, 45.44], "22212220": [93.13, 93.13, 93.12]}
    content = {text: {"test_acc": values} for text, values in trials.items()}
    Path("macro.json").write_text(json.dumps(content))
    lines = ["arch,test1,test2,test3"]
    for text, values in trials.items():
        lines.append(",".join([text, *map(str, values)]))
    Path("macro.csv").write_text("\n".join(lines) + "\n")


def _benchmark(classes: Any, schedules: dict[str, int]) -> dict[Any, Any]:
    space = get_space("nb201")
    rng = np.random.default_rng(0)
    texts = [space.format(space.sample(rng)) for _ in range(2)]
    short = {schedule: min(epochs, 12) for schedule, epochs in schedules.items()}
    return {
        place: {
            key: arch_results(classes, rng, place, text, epochs).state_dict()
            for key, epochs in short.items()
        }
        for place, text in enumerate(texts)
    }


def _make_nats() -> None:
    from nats_bench import api_utils

    infos = _benchmark(api_utils, {"12": 12})
    Path("simple").mkdir()
    for place, own in infos.items():
        Path(f"simple/{place:06d}.pickle.pbz2").write_bytes(
            mutations.bz2.compress(mutations.pickle.dumps(own))
        )
    content = {"meta_archs": [], "arch2infos": infos, "evaluated_indexes": set(infos)}
    Path("nats.pickle.pbz2").write_bytes(
        mutations.bz2.compress(mutations.pickle.dumps(content))
    )


def _make_nb201() -> None:
    import nas_201_api

    infos = _benchmark(nas_201_api, {"less": 12})
    infos = {
        place: own | {"full": _as_full(own["less"])} for place, own in infos.items()
    }
    Path("archive").mkdir()
    for place, own in infos.items():
        torch.save(
            own,
            f"archive/{place:06d}-FULL.pth",
            _use_new_zipfile_serialization=bool(place),
        )
    torch.save(
        {"meta_archs": [], "arch2infos": infos, "evaluated_indexes": set(infos)},
        "nb201.pth",
    )


def _as_full(less: dict[str, Any]) -> dict[str, Any]:
    """A state without trials, of which no schedule complains."""
    return less | {"all_results": {}, "dataset_seed": {}}


def _make_nb101() -> None:
    parts = [
        record(payload(cell, epochs, 0.5, 0.25))
        for cell in some_modules(3)
        for epochs in (4, 108)
    ]
    Path("nasbench.tfrecord").write_bytes(b"".join(parts))


def _seal_nb101(path: Path) -> None:
    """A file of records, one of whose payloads is spoiled and its checksum right; the file was spoiled as a whole."""
    rng = random.Random(path.read_bytes())
    content, payloads = valid("nb101")[path.name], []
    while content:
        (length,) = mutations.struct.unpack_from("<Q", content)
        payloads.append(content[12 : 12 + length])
        content = content[16 + length :]
    at = rng.randrange(len(payloads))
    draw = mutations.Draw(rng, path.parents[2] / "evil")
    if rng.random() < 0.5:
        payloads[at] = mutations.spoil_json(payloads[at], draw)
    else:
        fields = json.loads(payloads[at])
        metrics = mutations.spoil_bytes(base64.b64decode(fields[4]), draw)
        payloads[at] = json.dumps(
            [*fields[:4], base64.b64encode(metrics).decode()]
        ).encode()
    sums = masked(crc32c(payloads)).tolist()
    lengths = [len(payload).to_bytes(8, "little") for payload in payloads]
    heads = masked(crc32c(lengths)).tolist()
    path.write_bytes(
        b"".join(
            length + head.to_bytes(4, "little") + payload + total.to_bytes(4, "little")
            for length, head, payload, total in zip(
                lengths, heads, payloads, sums, strict=True
            )
        )
    )


def _make_nb301() -> None:
    source = TESTS / "nasbench_adapters" / "truth" / "nb301"
    for version in ("xgboost-0.90", "xgboost-1.4.2"):
        shutil.copytree(
            source / version / "ensemble_member_0", Path(version) / "ensemble_member_0"
        )
        Path(version, "ensemble_member_0", "model_config.json").write_text(
            '{"model": "xgb"}'
        )


def _make_hpo() -> None:
    space, rng = get_space("nb201"), np.random.default_rng(0)
    Path("hpo").mkdir()
    for name in hpo_bench.DATASETS:
        cells = ["".join(map(str, space.sample(rng).choices[0])) for _ in range(3)]
        content = {cell: {"val_acc": [50.5, 51.25], "time": [1.0]} for cell in cells}
        Path(f"hpo/{name}.pkl").write_bytes(mutations.pickle.dumps(content))


# --- images


def _pictures(count: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(count).integers(
        0, 256, (count, size, size, 3), dtype=np.uint8
    )


def _make_npz() -> None:
    labels = np.arange(6) % 3
    np.savez_compressed(
        "pictures.npz",
        train_images=_pictures(6),
        train_labels=labels,
        test_images=_pictures(4),
        test_labels=labels[:4],
        classes=np.array(3),
        mean=np.array([0.5, 0.5, 0.5]),
        std=np.array([0.2, 0.2, 0.2]),
        flip=np.array(True),
        pad=np.array(1),
    )


def _use_images(dataset: Any) -> None:
    dataset.checksum  # noqa: B018 (computes it)
    for augment in (False, True):
        images = Images(dataset, torch.device("cpu"), split="first")
        images.describe()
        next(iter(images.epoch("train", 2, torch.Generator().manual_seed(0), augment)))


SMALL_CIFAR = replace(
    cifar.CIFAR10,
    train=(cifar.BinaryFile("data_batch_1.bin", 4),),
    test=(cifar.BinaryFile("test_batch.bin", 3),),
)


def _cifar_files() -> dict[str, bytes]:
    rng = random.Random(0)
    return {
        name: b"".join(
            bytes([place % 10]) + rng.randbytes(3 * 32 * 32) for place in range(count)
        )
        for name, count in SMALL_CIFAR.train + SMALL_CIFAR.test
    }


def _make_cifar() -> None:
    archive = mutations.io.BytesIO()
    with mutations.tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in _cifar_files().items():
            member = mutations.tarfile.TarInfo(f"{SMALL_CIFAR.folder}/{name}")
            member.size = len(content)
            tar.addfile(member, mutations.io.BytesIO(content))
    Path("archive").mkdir()
    Path("archive", SMALL_CIFAR.archive).write_bytes(archive.getvalue())
    for name, content in _cifar_files().items():
        path = Path("plain", SMALL_CIFAR.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _sums(path: Path) -> Sums:
    content = path.read_bytes()
    return Sums(
        md5(content, usedforsecurity=False).hexdigest(), sha256(content).hexdigest()
    )


def _read_cifar(_: random.Random) -> None:
    archive = Path("archive", SMALL_CIFAR.archive)
    _use_images(cifar.read(replace(SMALL_CIFAR, sums=_sums(archive)), Path("archive")))
    _use_images(cifar.read(SMALL_CIFAR, Path("plain")))


def _make_svhn() -> None:
    for name in COUNTS:
        write_svhn(Path(), name)


def _read_svhn(_: random.Random) -> None:
    files = [known_file(Path(), name) for name in ("train_32x32.mat", "test_32x32.mat")]
    _use_images(svhn.read(Path(), None, *files))


def _make_imagenet16() -> None:
    Path(imagenet16.FOLDER).mkdir()
    for name in (*imagenet16.TRAIN, *imagenet16.TEST):
        content = {"data": _pictures(3, 16).reshape(3, -1), "labels": [1, 120, 121]}
        Path(imagenet16.FOLDER, name).write_bytes(mutations.pickle.dumps(content))


def _make_imagenet() -> None:
    Path(imagenet.FOLDER).mkdir()
    for name, count in zip(imagenet.FILES, (4, 4, 3, 3), strict=True):
        array = _pictures(count) if "images" in name else np.arange(count)
        np.save(Path(imagenet.FOLDER, name), array)


# --- what commands take


def _make_operations() -> None:
    space = get_space("nb201")
    (cell,) = space.cells
    rows = [
        {
            "source_node": a,
            "target_node": b,
            "operation": name,
            "scorer": "s",
            "score": 0.5 * k,
            "better": "higher",
        }
        for a, b in cell.edges
        for k, name in enumerate(cell.operations[0])
    ]
    pd.DataFrame(rows).to_csv("operations.csv", index=False)
    pd.DataFrame(rows).assign(cell="cell").to_parquet("operations2.parquet")


def _read_operations(_: random.Random) -> None:
    for path in (Path("operations.csv"), Path("operations2.parquet")):
        operation_files.read_operation_scores(path, get_space("nb201"))


def _make_population() -> None:
    _make_plain()
    for path, read, end in (
        ("plain.csv", pd.read_csv, "to_csv"),
        ("plain2.parquet", pd.read_parquet, "to_parquet"),
    ):
        getattr(read(path).assign(synflow=[1.5, *[None] * 7][: len(read(path))]), end)(
            path, index=False
        )
    _small_table().save("table.npz")


def _read_population(_: random.Random) -> None:
    space, truth = (
        get_space("nb201"),
        TruthPart(table="table.npz", dataset="d", split="test", epochs=12),
    )
    for path in ("plain.csv", "plain2.parquet"):
        populations.populate(
            space, path, accuracy_column="accuracy", proxies=("synflow",)
        )
    populations.populate(space, "top:0.5", truth=truth)
    populations.populate(space, "plain.csv", truth=truth)


PLAIN = PlainColumns("arch", "accuracy", "d", "test", 12)

KINDS: dict[str, Kind] = {
    "study": Kind(
        _make_study, lambda rng: plan_runs(read_study("small.toml"), None), "*.toml"
    ),
    "architecture": Kind(_make_texts, _read_texts, names=False),
    "records": Kind(_make_records, _read_records, "study/**/*"),
    "baseline": Kind(
        _make_records,
        lambda rng: _compare(Path("baseline.json"), Path("study")),
        "baseline.json",
    ),
    "scores": Kind(_make_scores, _read_scores),
    "journal": Kind(_make_run, _read_journal, "progress/*"),
    "supernet": Kind(_make_run, _read_supernet, "supernets/*"),
    "trace": Kind(_make_trace, _read_trace),
    "supernet checkpoint": Kind(_train_supernet, lambda rng: _train_supernet()),
    "training checkpoint": Kind(_make_training, _read_training),
    "truth": Kind(
        _make_table, lambda rng: _use_truth("table.npz", rng), seal=_seal_truth
    ),
    "surrogate": Kind(
        _make_surrogate, lambda rng: _use_truth("surrogate.npz", rng), seal=_seal_truth
    ),
    "long and cells": Kind(_make_long, lambda rng: _read_long(rng)),
    "plain": Kind(_make_plain, _importing(plain=PLAIN)),
    "nats": Kind(_make_nats, _importing()),
    "nb201": Kind(_make_nb201, _importing()),
    "nb101": Kind(_make_nb101, _importing(), seal=_seal_nb101),
    "macro": Kind(_make_macro, _importing()),
    "nb301": Kind(_make_nb301, _importing(format="nb301")),
    "hpo": Kind(_make_hpo, lambda rng: hpo_bench.convert(Path("hpo"), "1")),
    "images": Kind(_make_npz, lambda rng: _use_images(load_images("pictures.npz"))),
    "cifar": Kind(_make_cifar, _read_cifar),
    "svhn": Kind(_make_svhn, _read_svhn),
    "imagenet16": Kind(
        _make_imagenet16, lambda rng: _use_images(imagenet16.read(Path()))
    ),
    "imagenet": Kind(_make_imagenet, lambda rng: _use_imagenet()),
    "operation scores": Kind(_make_operations, _read_operations),
    "population": Kind(_make_population, _read_population, "plain*"),
}


def _read_long(rng: random.Random) -> None:
    _importing()(rng)


def _use_imagenet() -> None:
    imagenet.read(Path()).checksum  # noqa: B018 (computes it)


def main(count: int, seed: int, names: Sequence[str]) -> None:
    """Do so many cases of each kind."""
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, resource.RLIM_INFINITY))
    torch.set_num_threads(1)
    print("kind | cases | refused | accepted")
    for name in names or KINDS:
        refused = 0
        for own in range(seed, seed + count):
            faulthandler.dump_traceback_later(4 * SECONDS, exit=True)
            with tempfile.TemporaryDirectory() as made:
                try:
                    refused += case(name, own, Path(made))
                except Fault as fault:
                    kept = Path(f"fuzz-{name.replace(' ', '-')}-{own}")
                    shutil.copytree(made, kept, dirs_exist_ok=True)
                    print(
                        f"{fault}\nIts files are in {kept}; again: {sys.argv[0]} 1 {own} '{name}'"
                    )
                    sys.exit(1)
        print(f"{name} | {count} | {refused} | {count - refused}", flush=True)
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 100,
        int(sys.argv[2]) if len(sys.argv) > 2 else 0,
        sys.argv[3:],
    )
