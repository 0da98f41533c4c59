"""What worker processes need, imported once: on Linux they are forked from a process that has imported this module.

Only imports may happen here. A process that computes, or asks CUDA anything, before it
forks leaves its children with threads and a device that do not work.
"""

import archselect.benchmarks.runs.run  # noqa: F401
