"""Engines, which do runs: processes here, or workers of a Dask or Slurm cluster."""
