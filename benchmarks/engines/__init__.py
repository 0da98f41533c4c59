"""Engines, which run calls: local processes, or workers of a Dask or Slurm cluster."""
