"""The engine `slurm`: a call is a job, and jobs are submitted in arrays.

`options` turns settings into a batch script. `folder` holds the files that a command
and its jobs exchange. `job` runs on a node. `programs` calls `sbatch`, `squeue`,
`sacct` and `scancel`. A thread of `queue` manages the jobs: `ledger` lists the calls,
`submitter` submits them, and `watch` finds lost jobs. `pace` has the waiting times,
`notices` the messages while jobs run, and `endings` the messages for failed jobs.
"""
