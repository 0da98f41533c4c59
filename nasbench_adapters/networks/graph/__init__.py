"""Networks of NAS-Bench-Graph that train, built on PyTorch Geometric (torch).

The library is optional (:func:`.library.check_installed`).
"""
