"""The engine `slurm`: a call is a job, and jobs are submitted in arrays.

`options` turns settings into a batch script. `folder` keeps the files that a command
and its jobs exchange. `job` is what runs on a node. `programs` runs `sbatch`, `squeue`,
`sacct` and `scancel`. A thread of `queue` looks after the jobs: `ledger` has the calls,
`submitter` submits them, `watch` finds out which jobs are gone. `pace` has the times,
`notices` the messages while jobs run, `endings` those for jobs that fail.
"""
