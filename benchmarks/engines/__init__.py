"""Where runs are done: in processes here, or on the workers of a Dask or Slurm cluster."""
