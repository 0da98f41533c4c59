"""Supernets and stand-alone networks (torch)."""

from archselect.nasbench_adapters.networks.mixture import Mixture, mixture_of, new_alphas, one_hot
from archselect.nasbench_adapters.networks.network import Network, Supernet, scoring

__all__ = ["Mixture", "Network", "Supernet", "mixture_of", "new_alphas", "one_hot", "scoring"]
