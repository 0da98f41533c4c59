"""The plain formulation as the papers' code runs it, in a process of its own: a line in, one piece of work, a line out.

Beside what the plain formulation computes, the code of Zero-Cost-PT copies the network
for every score, keeps the graph for gradients, and has autograd look for anomalies; and
the C library gives back freed memory to the system, as it does unless it is asked not
to.

    python as_released.py {iteration,edge,step} THREADS
"""

import copy
import json
import sys

import torch
from conftest import forward_and_backward, kernel_of, new_nb201
from test_nb201_supernet import candidates
from torch.nn import functional as F


def iteration(world):
    """One iteration of Zero-Cost-PT: the scores."""
    world.plain.eval()
    images = world.images.contiguous()
    scores = []
    for mixture in (mixture for edge in candidates(world) for mixture in edge):
        net, weights = (
            copy.deepcopy(world.plain),
            mixture.weights[0].clone().requires_grad_(),
        )
        with torch.enable_grad(), torch.autograd.set_detect_anomaly(True):
            kernel = kernel_of(
                net, lambda x, net=net, weights=weights: net(x, weights), images
            )
        scores.append(float(torch.linalg.slogdet(kernel).logabsdet))
    return scores


def edge(world):
    """DARTS-PT's scoring of one edge: the losses."""
    world.plain.train()
    images = world.images.contiguous()
    with torch.no_grad():
        mixtures = next(candidates(world))
        return [
            float(F.cross_entropy(world.plain(images, m.weights[0]), world.labels))
            for m in mixtures
        ]


def training_step(world):
    """Forward and backward: the loss."""
    world.plain.train()
    images = world.images.contiguous()

    def forward():
        return world.plain(images, world.weights()[0])

    loss, _ = forward_and_backward(world.plain, world.alphas, forward, world.labels)
    return [float(loss)]


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    run, nb201 = (
        {"iteration": iteration, "edge": edge, "step": training_step}[sys.argv[1]],
        new_nb201(),
    )
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(run(nb201)) + "\n")
        sys.stdout.flush()
