"""What installed packages declare: found by name, named when broken, never in the way of archselect's own."""

import warnings
from importlib.metadata import EntryPoint

import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.plugins import registry as module
from archselect.nasbench_adapters.plugins.registry import PluginWarning, Registry

OWN = {"one": 1, "two": 2}


class Distribution:
    name, version = "some-package", "0.3"


@pytest.fixture
def registry(monkeypatch):
    """`registry(name=value, …)` of whole numbers, with these entry points."""

    def accept(name, found):
        if not isinstance(found, int):
            raise ValueError("it is no whole number")
        return found

    def make(**points):
        declared = []
        for name, value in points.items():
            point = EntryPoint(name.replace("_", "-"), value, "numbers")
            vars(point)["dist"] = Distribution
            declared.append(point)
        monkeypatch.setattr(
            module, "entry_points", lambda group: declared if group == "numbers" else []
        )
        return Registry("number", "numbers", OWN, accept)

    return make


def test_archselects_own_and_a_packages(registry):
    found = registry(largest="sys:maxsize")
    assert found.get("one") == 1 and found.get("largest") > 2
    assert list(found.all()) == found.names == ["one", "two", "largest"]
    assert found.source("one") is None and found.source("nothing") is None
    assert found.source("largest") == "some-package 0.3"


def test_an_unknown_name_has_the_nearest_known_one(registry):
    with pytest.raises(
        UserError, match="unknown number 'larges': did you mean 'largest'"
    ):
        registry(largest="sys:maxsize").get("larges")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module:x", "ModuleNotFoundError: No module named 'no_such_module'"),
        (
            "sys:no_such_name",
            "AttributeError: module 'sys' has no attribute 'no_such_name'",
        ),
        ("sys:version", "it is no whole number"),
    ],
)
def test_a_broken_one_is_named_and_the_others_work(registry, value, why):
    found = registry(broken=value, largest="sys:maxsize")
    called = f"number 'broken' of package some-package 0.3 ({value})"
    with pytest.raises(UserError) as caught:
        found.get("broken")
    assert str(caught.value) == f"{called} cannot be used: {why}"
    with pytest.warns(PluginWarning) as warned:
        assert list(found.all()) == ["one", "two", "largest"]
    assert [str(one.message) for one in warned] == [f"{called} is left out: {why}"]


def test_a_package_does_not_take_the_place_of_another(registry):
    with pytest.warns(
        PluginWarning,
        match="'one' .* is left out: another number already has that name",
    ):
        assert (
            registry(one="sys:maxsize").get("one") == 1
            and registry(one="sys:maxsize").all()["one"] == 1
        )


def test_nothing_is_imported_before_it_is_asked_for(registry):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert registry(broken="no_such_module:x").get("two") == 2
