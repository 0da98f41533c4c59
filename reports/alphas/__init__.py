"""Final operation weights, and the effects of activation, schedule and penalty.

The claims about the three choices are those of Maile et al., DARTS-PRIME,
arXiv 2106.11655.
"""
