"""Proxies over whole populations of architectures, and files of operation scores."""
