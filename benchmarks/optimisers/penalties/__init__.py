"""Penalties of the alphas: one file each."""
