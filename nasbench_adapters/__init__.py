"""Search spaces as data, supernets behind one interface, ground-truth tables and image data sets.

`space`, `spaces`, `errors` and `truth` need no torch; `networks` and `images` do.
"""
