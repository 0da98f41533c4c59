"""`python -m archselect`: the command line, as the command `archselect`."""

import os
import sys

# Python looks for modules in the working folder first, where a user's `selectors.py` or
# `torch.py` would hide the module that others mean. The command `archselect` does not
# look there either.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 (as Python wrote it)
    del sys.path[0]

from archselect.benchmarks.cli import main

if __name__ == "__main__":
    main()
