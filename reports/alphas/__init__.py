"""How the weights of operations end, and what three choices about alphas change.

The choices are the activation, the schedule and the proximity penalty; the claims on
them are those of Maile et al., DARTS-PRIME, arXiv 2106.11655.
"""
