"""Files of torch with the costs of one device each become a table, and nothing in them is executed."""

import numpy as np
import pytest
import torch

from archselect.nasbench_adapters.costs import device_files
from archselect.nasbench_adapters.costs.hpo_bench_costs import index_order
from archselect.nasbench_adapters.costs.importing import CostSource, import_costs
from archselect.nasbench_adapters.errors import UserError

CELLS = 15_625
NUMBERS = np.random.default_rng(0).uniform(1, 50, CELLS).round(3)
SOURCE = CostSource(space="nb201", unit="ms", origin="HELP", licence="MIT")


def source(**changes):
    return CostSource(**{**vars(SOURCE), **changes})


class CallOnLoad:
    """What is unpickled by a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def saved(tmp_path):
    """`saved(content, name)` writes a file of torch."""

    def save(content, name="phone.pt", **settings):
        path = tmp_path / name
        torch.save(content, path, **settings)
        return path

    return save


def in_index_order(table, column):
    """The numbers of a table's column in the order of the benchmark's index."""
    rows = {row.tobytes(): place for place, row in enumerate(table.architectures)}
    places = [rows[row.tobytes()] for row in index_order()]
    return table.stored(column)[places]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "as old versions"])
@pytest.mark.parametrize(
    "form",
    [
        list,
        lambda values: values.tolist(),
        tuple,
        torch.tensor,
        lambda values: torch.tensor(values, dtype=torch.float32),
        lambda values: torch.tensor(values).requires_grad_(),
        np.array,
    ],
    ids=["numpy numbers", "list", "tuple", "double", "float", "gradient", "array"],
)
def test_lists_and_tensors_are_read(saved, tmp_path, form, zipped):
    path = saved(form(NUMBERS), _use_new_zipfile_serialization=zipped)
    table = import_costs(path, SOURCE, out=tmp_path / "o.npz").table
    (column,) = table.columns
    assert (column.name, column.device, column.unit) == ("phone", "phone", "ms")
    assert np.array_equal(in_index_order(table, "phone"), NUMBERS.astype(np.float32))
    assert table.origin == "HELP, from phone.pt"


def test_several_files_are_columns_of_one_table(saved, tmp_path):
    paths = [saved(list(NUMBERS * n), f"device{n}.pt") for n in (1, 2, 3)]
    imported = import_costs(paths, SOURCE, out=tmp_path / "o.npz")
    names = [column.name for column in imported.table.columns]
    assert names == ["device1", "device2", "device3"]
    doubled = in_index_order(imported.table, "device2")
    assert np.array_equal(doubled, (2 * NUMBERS).astype(np.float32))
    assert imported.table.origin == "HELP, from device1.pt and 2 more"
    assert "NAS-Bench-201's own index" in imported.order


def test_only_the_devices_that_are_named_are_read(saved, tmp_path):
    paths = [saved(list(NUMBERS), "good.pt"), saved("not costs", "bad.pt")]
    out = tmp_path / "o.npz"
    table = import_costs(paths, source(columns=("good",)), out=out).table
    assert [column.name for column in table.columns] == ["good"]


def test_another_order_can_be_named(saved, tmp_path):
    path = saved(list(NUMBERS))
    table = import_costs(path, source(order="enumerated"), out=tmp_path / "o.npz").table
    assert np.array_equal(table.stored("phone"), NUMBERS.astype(np.float32))


def test_the_measured_devices_come_out_as_from_the_archive(
    latencies, shared_file, saved, tmp_path
):
    with np.load(shared_file("nb201_latency_27_devices.npz")) as file:
        devices = [str(name) for name in file["devices"]]
        measured = file["latency_ms"]
    paths = []
    for name in ("fpga", "pixel2"):
        values = measured[:, devices.index(name)]
        paths.append(saved(values.tolist(), f"{name}.pt"))
    table = import_costs(paths, SOURCE, out=tmp_path / "o.npz").table
    for name in ("fpga", "pixel2"):
        assert np.array_equal(table.stored(name), latencies.stored(name))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1.0] * 100, "has 100 numbers, but the space has 15,625 architectures"),
        (torch.ones(15_624), "has 15,624 numbers"),
        ([], "has 0 numbers"),
        (np.ones(3), "has 3 numbers"),
        ({"latency": [1.0]}, "holds a dict, not a list or tensor"),
        ("text", "holds a str"),
        (3.0, "holds a float"),
        ([1.0] * 15_624 + ["x"], "row 15625: wanted a number, found a str"),
        ([True] * 15_625, "row 1: wanted a number, found a bool"),
        ([[1.0]] * 15_625, "row 1: wanted a number, found a list"),
        ([10**400] * 15_625, "row 1: the number is too large"),
        (torch.ones(15_625, 2), r"with shape \(15625, 2\)"),
        (torch.ones(15_625, dtype=torch.bool), "a tensor of torch.bool"),
        (torch.ones(15_625, dtype=torch.complex64), "a tensor of torch.complex64"),
        (torch.ones(15_625).to_sparse(), "not a list of"),
        (torch.ones(1).expand(10**12), "has 1,000,000,000,000 numbers"),
        (np.ones((5, 5)), r"an array of float64 with shape \(5, 5\)"),
        ([-1.0] * 15_625, "phone"),
        ([float("inf")] * 15_625, "phone"),
    ],
    ids=str,
)
def test_other_contents_are_refused(saved, tmp_path, content, reason):
    path = saved(content)
    out = tmp_path / "o.npz"
    with pytest.raises(UserError, match=reason):
        import_costs(path, SOURCE, out=out)
    assert not out.exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "as old versions"])
@pytest.mark.parametrize(
    "call", [CallOnLoad(print, "executed"), CallOnLoad(bytearray, 10**12)]
)
def test_nothing_in_a_file_is_executed(saved, tmp_path, capsys, call, zipped):
    path = saved([call], _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match="is refused: it asks for"):
        import_costs(path, SOURCE, out=tmp_path / "o.npz")
    assert capsys.readouterr().out == ""


def test_what_is_no_file_of_torch_is_refused(tmp_path):
    path = tmp_path / "phone.pt"
    for content in (b"", b"nonsense", b"PK\x03\x04" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"phone\.pt") as raised:
            import_costs(path, SOURCE, out=tmp_path / "o.npz")
        assert "\n" not in str(raised.value)


def test_a_large_file_is_refused_before_it_is_read(saved, tmp_path, monkeypatch):
    path = saved(list(NUMBERS))
    monkeypatch.setattr(device_files, "MOST_COST_FILE_BYTES", 1000)
    monkeypatch.setattr(
        device_files, "load_plain", lambda path: pytest.fail("it is read")
    )
    with pytest.raises(UserError, match="more than 1,000 bytes"):
        import_costs(path, SOURCE, out=tmp_path / "o.npz")


def test_faults_of_the_request(saved, tmp_path):
    first = saved(list(NUMBERS), "a.pt")
    (tmp_path / "other").mkdir()
    again = saved(list(NUMBERS), "other/a.pt")
    text = tmp_path / "costs.csv"
    text.write_text("arch,a\n")
    out = tmp_path / "o.npz"
    with pytest.raises(UserError, match="are both for the device 'a': rename one"):
        import_costs([first, again], SOURCE, out=out)
    with pytest.raises(UserError, match=r"costs\.csv cannot be read together"):
        import_costs([first, text], SOURCE, out=out)
    with pytest.raises(UserError, match=r"there is no file of costs at .*b\.pt"):
        import_costs([first, tmp_path / "b.pt"], SOURCE, out=out)
    with pytest.raises(UserError, match="name at least one"):
        import_costs([], SOURCE, out=out)
    with pytest.raises(UserError, match="leave out --values"):
        import_costs(first, source(values="x"), out=out)
    with pytest.raises(UserError, match="exists for nb201 only, not darts"):
        import_costs(first, source(space="darts", order="nb201-index"), out=out)
    with pytest.raises(UserError, match=r"column of .*'b'"):
        import_costs(first, source(columns=("b",)), out=out)
    assert not out.exists()
