"""`python -m archselect`: the same command line as the command `archselect`."""

import os
import sys

# With -m, Python looks for modules in the working folder first. A user's `selectors.py`
# or `torch.py` there would hide the real module. The command `archselect` does not look
# there either.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 (as Python wrote it)
    del sys.path[0]

from archselect.benchmarks.cli import main

if __name__ == "__main__":
    main()
