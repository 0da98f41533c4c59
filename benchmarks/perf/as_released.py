"""The plain formulation as the papers' code runs it, in a process of its own.

A line in is one piece of work, and gives a line out.

Beside what the plain formulation computes, the code of Zero-Cost-PT copies the network
for every score, keeps the graph for gradients, and has autograd look for anomalies; and
the C library gives back freed memory to the system, as it does unless it is asked not
to.

    PYTHONPATH=tests python as_released.py {iteration,edge,step} THREADS
"""

import copy
import json
import sys

import torch
from support.paper_size import (
    SupernetPair,
    candidate_mixtures,
    forward_and_backward,
    new_nb201,
    released_kernel,
)
from torch.nn.functional import cross_entropy

from archselect.nasbench_adapters.networks import Mixture


def iteration(pair: SupernetPair) -> list[float]:
    """Return the scores of one iteration of Zero-Cost-PT."""
    pair.plain.eval()
    images = pair.images.contiguous()
    scores = []
    for mixtures in candidate_mixtures(pair):
        for mixture in mixtures:
            scores.append(_score(pair, mixture, images))
    return scores


def _score(pair: SupernetPair, mixture: Mixture, images: torch.Tensor) -> float:
    """Return NWOT's score of one candidate."""
    network = copy.deepcopy(pair.plain)
    weights = mixture.weights[0].clone().requires_grad_()

    def forward(batch: torch.Tensor) -> torch.Tensor:
        return network(batch, weights)

    with torch.enable_grad(), torch.autograd.set_detect_anomaly(True):
        kernel = released_kernel(network, forward, images)
    return float(torch.linalg.slogdet(kernel).logabsdet)


def edge(pair: SupernetPair) -> list[float]:
    """Return the losses of DARTS-PT's scoring of one edge."""
    pair.plain.train()
    images = pair.images.contiguous()
    losses = []
    with torch.no_grad():
        for mixture in next(candidate_mixtures(pair)):
            logits = pair.plain(images, mixture.weights[0])
            losses.append(float(cross_entropy(logits, pair.labels)))
    return losses


def training_step(pair: SupernetPair) -> list[float]:
    """Return the loss of a forward and a backward."""
    pair.plain.train()
    images = pair.images.contiguous()

    def forward() -> torch.Tensor:
        return pair.plain(images, pair.weights()[0])

    loss, _ = forward_and_backward(pair.plain, pair.alphas, forward, pair.labels)
    return [float(loss)]


WORK = {"iteration": iteration, "edge": edge, "step": training_step}

if __name__ == "__main__":
    _, name, threads = sys.argv
    torch.set_num_threads(int(threads))
    pair_of_nb201 = new_nb201()
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(WORK[name](pair_of_nb201)) + "\n")
        sys.stdout.flush()
