"""Ways of training a supernet, one file each."""
