"""Uniform paths; weights alone."""

import torch

from archselect.benchmarks.optimisers.spos import Spos


def test_every_operation_is_drawn_as_often_whatever_the_alphas_say(new_trainer, batch):
    trainer = new_trainer(Spos(), scale=10.0)
    loss, counts, before = (
        trainer.loss,
        torch.zeros(6, 5),
        trainer.alphas[0].detach().clone(),
    )

    def watched(batch, mixture):
        counts.add_(mixture.weights[0])
        return loss(batch, mixture)

    trainer.loss = watched
    for _ in range(100):
        trainer.optimiser.step(trainer, batch("all"))
    assert torch.equal(counts.sum(1), torch.full((6,), 100.0))
    # Twenty are expected; a binomial of this many lies within in all but one of 10,000
    # entries.
    assert int(counts.min()) >= 5 and int(counts.max()) <= 37
    assert (
        torch.equal(trainer.alphas[0].detach(), before)
        and trainer.alphas[0].grad is None
    )
