"""Zero-cost proxies: scores of an untrained supernet or network, one file each."""

from __future__ import annotations

from collections.abc import Iterable

from archselect.nasbench_adapters.plugins.user_files import UserObjects
from archselect.selectors.proxies.az_expressivity import AZ_EXPRESSIVITY
from archselect.selectors.proxies.az_progressivity import AZ_PROGRESSIVITY
from archselect.selectors.proxies.az_trainability import AZ_TRAINABILITY
from archselect.selectors.proxies.base import Proxy
from archselect.selectors.proxies.epe_nas import EPE_NAS
from archselect.selectors.proxies.fisher import FISHER
from archselect.selectors.proxies.flops import FLOPS
from archselect.selectors.proxies.grad_norm import GRAD_NORM
from archselect.selectors.proxies.grasp import GRASP
from archselect.selectors.proxies.jacob_cov import JACOB_COV
from archselect.selectors.proxies.l2_norm import L2_NORM
from archselect.selectors.proxies.meco import MECO, MECO_AS_RELEASED
from archselect.selectors.proxies.nwot import NWOT
from archselect.selectors.proxies.params import PARAMS
from archselect.selectors.proxies.plain import PLAIN
from archselect.selectors.proxies.snip import SNIP
from archselect.selectors.proxies.swap import SWAP
from archselect.selectors.proxies.synflow import SYNFLOW
from archselect.selectors.proxies.zen import ZEN
from archselect.selectors.proxies.zico import ZICO, ZICO_AS_RELEASED

PROXIES: dict[str, Proxy] = {
    proxy.name: proxy
    for proxy in (
        NWOT,
        SYNFLOW,
        SNIP,
        GRASP,
        FISHER,
        GRAD_NORM,
        JACOB_COV,
        EPE_NAS,
        ZEN,
        PLAIN,
        L2_NORM,
        PARAMS,
        FLOPS,
        ZICO,
        ZICO_AS_RELEASED,
        MECO,
        MECO_AS_RELEASED,
        SWAP,
        AZ_EXPRESSIVITY,
        AZ_PROGRESSIVITY,
        AZ_TRAINABILITY,
    )
}


registry: UserObjects[Proxy] = UserObjects(
    "proxy",
    "proxies",
    "archselect.proxies",
    PROXIES,
    Proxy,
    {"naswot": NWOT.name},
)
"""Registry of all proxies: built-in, of installed packages, and of users' files."""


def get_proxy(name: str) -> Proxy:
    """Return the proxy with a name, or of FILE.py:OBJECT.

    Raises UserError, which suggests the nearest name, if there is no such proxy.
    """
    return registry.get(name)


def proxy_source(names: Iterable[str]) -> str | None:
    """Return which files or packages of others some proxies come from.

    Returns None if all are archselect's.
    """
    sources = map(registry.source, names)
    return "; ".join(dict.fromkeys(filter(None, sources))) or None
