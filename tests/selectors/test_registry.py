"""Selectors and proxies by name."""

import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.selectors.proxies import PROXIES, get_proxy
from archselect.selectors.registry import SELECTORS, get_selector


def test_the_built_in_selectors_are_registered():
    assert set(SELECTORS) == {
        "random",
        "magnitude",
        "threshold",
        "darts-pt",
        "sgas",
        "is-darts",
        "zero-cost-pt",
        "operation-scores",
        "random-search",
        "evolution",
        "local-search",
        "conservative",
        "predictor-search",
        "seminas",
        "random-pruning",
        "radars-style",
        "zero-cost-pt-macro",
    }


@pytest.mark.parametrize("name", SELECTORS)
def test_a_selector_is_found_by_its_own_name_and_says_what_it_is(name):
    selector = get_selector(name)
    assert selector.name == name
    assert selector.summary
    assert selector.__doc__
    assert len(selector.summary.splitlines()) == 1
    # Every selector runs as its paper does without being told anything.
    assert selector().model_dump() == {
        key: field.default for key, field in selector.model_fields.items()
    }


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_is_found_by_its_own_name_and_has_a_direction(name):
    proxy = get_proxy(name)
    assert proxy.name == name
    assert proxy.better in ("higher", "lower")
    assert proxy.summary
    assert proxy.paper
    assert proxy.domain.needs and proxy.domain.undefined and proxy.domain.because


def test_the_page_has_the_domain_of_every_proxy(root):
    page = (root / "docs" / "proxies.md").read_text(encoding="utf-8")
    for name, proxy in PROXIES.items():
        domain = proxy.domain
        values = {"real": "any finite number", "non-negative": "0 or more"}[
            domain.values
        ]
        row = f"| `{name}` | {domain.needs} | {values} | {domain.undefined} | {domain.equal}: {domain.because} |"
        assert row in page


@pytest.mark.parametrize(
    ("get", "typo", "meant"),
    [(get_selector, "dartspt", "darts-pt"), (get_proxy, "nwt", "nwot")],
)
def test_an_unknown_name_is_met_with_the_nearest(get, typo, meant):
    with pytest.raises(UserError, match=f"did you mean '{meant}'"):
        get(typo)
