"""Search spaces, supernets behind one interface, ground truths and image data sets.

`space`, `spaces`, `errors` and `truth` need no torch; `networks` and `images` do.
"""
