"""Search spaces, supernets, ground truths, costs and image data sets.

`space`, `spaces`, `errors` and `truth` do not need torch; `networks` and `images` do.
"""
