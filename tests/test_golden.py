"""No component's numbers change under its formulation number; see `tests/support/golden.py`."""

from dataclasses import replace

import pytest
from support import golden

COMPONENTS = golden.components()
KEPT = golden.read()


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_numbers_of_a_formulation_have_not_changed(name):
    component = COMPONENTS[name]
    fault = golden.complaint(name, component, component.result(), KEPT)
    assert fault is None, fault


def test_the_file_has_the_present_formulations_and_no_others():
    assert set(KEPT) == {component.key(name) for name, component in COMPONENTS.items()}


def test_a_changed_number_asks_for_another_formulation():
    component = COMPONENTS["proxy snip"]
    kept = KEPT[component.key("proxy snip")]
    rounded, changed = (
        {"scores": [value * (1 + by) for value in kept["scores"]]}
        for by in (1e-9, 1e-5)
    )
    assert golden.complaint("proxy snip", component, rounded, KEPT) is None
    fault = golden.complaint("proxy snip", component, changed, KEPT)
    assert (
        "raise `formulation` of proxy snip and write the golden file anew with `python -m support.golden`"
        in fault
    )
    raised = replace(component, formulation=component.formulation + 1)
    fault = golden.complaint("proxy snip", raised, changed, KEPT)
    assert fault.startswith("there is no golden result of proxy snip, formulation")


def test_another_choice_is_another_number():
    component = COMPONENTS["selector random"]
    kept = KEPT[component.key("selector random")]
    other = {
        **kept,
        "architecture": [kept["architecture"][0].replace("skip_connect", "none", 1)],
    }
    assert golden.complaint("selector random", component, other, KEPT) is not None


def test_a_changed_number_is_not_written_under_the_same_formulation(
    tmp_path, monkeypatch
):
    one = {"selector random": COMPONENTS["selector random"]}
    monkeypatch.setattr(golden, "components", lambda: one)
    monkeypatch.setattr(golden, "PATH", tmp_path / "golden.json")
    golden.write()
    before = golden.PATH.read_bytes()
    changed = replace(
        one["selector random"], compute=lambda: {"architecture": ["another"]}
    )
    one["selector random"] = changed
    with pytest.raises(SystemExit, match="raise `formulation` of selector random"):
        golden.write()
    assert golden.PATH.read_bytes() == before
    one["selector random"] = replace(changed, formulation=2)
    golden.write()
    assert golden.read() == {
        "selector random, formulation 2": {"architecture": ["another"]}
    }
