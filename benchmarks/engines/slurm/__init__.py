"""The engine `slurm`: a call is a job, and jobs are submitted in arrays.

`options` turns settings into a batch script, `place` keeps the files that a command and
its jobs exchange, `job` is what runs on a node, `programs` calls `sbatch`, `squeue`,
`sacct` and `scancel`. A thread of `queue` looks after jobs: `ledger` has the calls,
`submitter` submits them, `watch` finds out which jobs are gone.
"""
