"""Zero-cost proxies: scores of an untrained supernet or network, one file each."""

from __future__ import annotations

from archselect.nasbench_adapters.errors import unknown
from archselect.selectors.proxies.base import Proxy
from archselect.selectors.proxies.nwot import NWOT

PROXIES: dict[str, Proxy] = {proxy.name: proxy for proxy in (NWOT,)}


def get_proxy(name: str) -> Proxy:
    """The proxy of that name. Raises UserError, with the nearest name, if there is none."""
    if name not in PROXIES:
        raise unknown("proxy", name, PROXIES)
    return PROXIES[name]
