"""Penalties on the alphas, one file each."""
