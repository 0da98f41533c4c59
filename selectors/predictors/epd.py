"""Encoder, predictor and decoder of SemiNAS, trained together.

Luo et al., NeurIPS 2020, section 3, with the hyperparameters of the released code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.selectors.predictors.base import BATCH, Predictor, check_examples
from archselect.selectors.predictors.tokens import PAD, tokens_of

WIDTH = 64
"""Width of embeddings and of the networks' states."""
NARROW = 16
"""Width of the predictor's hidden layer."""
DROPOUT = 0.1
VALUE_SHARE = 0.8
"""Weight of the value's loss; the decoder's loss has the rest."""
LEARNING_RATE = 1e-3
DECAY = 1e-4
CLIP = 5.0
"""Largest norm of a step's gradient; larger gradients are scaled down."""
MOST_AT_ONCE = 10_000
"""Largest number of architectures predicted at once, to limit memory."""


class Encoder(nn.Module):
    """Network from tokens to states, one state of norm 1 per token."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True, bidirectional=True)
        self.projection = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return states (sequences, length, WIDTH) of tokens (sequences, length)."""
        embedded = self.dropout(self.embedding(tokens))
        states, _ = self.lstm(embedded)
        return F.normalize(embedded + self.projection(states), dim=-1)


def summary(states: Tensor) -> Tensor:
    """Return the code of each sequence, (sequences, WIDTH), with norm 1."""
    return F.normalize(states.mean(1), dim=-1)


class ValueHead(nn.Module):
    """Network from codes to predicted values."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(WIDTH, NARROW),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(NARROW, WIDTH),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
        )
        self.value = nn.Linear(WIDTH, 1)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the values (sequences,) of codes (sequences, WIDTH)."""
        mixed = (codes + self.hidden(codes)) * 0.5**0.5
        return self.value(mixed).squeeze(-1)


class Decoder(nn.Module):
    """Network from states to tokens; each token depends on those before it."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.query = nn.Linear(WIDTH, WIDTH, bias=False)
        self.join = nn.Linear(2 * WIDTH, WIDTH, bias=False)
        self.logits = nn.Linear(WIDTH, vocabulary)

    def start(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the LSTM's memory before the first token: the states' code, twice."""
        code = summary(states).unsqueeze(0)
        return code, code

    def forward(
        self, before: Tensor, states: Tensor, memory: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the logits, (sequences, places, vocabulary), and the new memory.

        Args:
            before: the token before each place, (sequences, places).
            states: states of the encoder, (sequences, length, WIDTH).
            memory: memory before the first of these places, (1, sequences, WIDTH) each.
        """
        embedded = self.dropout(self.embedding(before))
        outputs, memory = self.lstm(embedded, memory)
        likeness = self.query(outputs) @ states.transpose(1, 2)
        context = likeness.softmax(-1) @ states
        joined = torch.cat((context, outputs), dim=-1)
        return self.logits(self.join(joined).tanh()), memory

    def write(self, states: Tensor) -> Tensor:
        """Return the most probable tokens, one after the other, (sequences, length)."""
        sequences, length, _ = states.shape
        memory = self.start(states)
        token = torch.full((sequences, 1), PAD)
        written = []
        for _ in range(length):
            logits, memory = self(token, states, memory)
            token = logits.argmax(-1)
            written.append(token)
        return torch.cat(written, dim=1)


class EncoderPredictorDecoder(Predictor):
    """The network of SemiNAS.

    An architecture is a sequence of tokens (:mod:`.tokens`). The encoder is a
    bidirectional LSTM, a small network on the mean of its states predicts the value,
    and an LSTM with attention reconstructs the sequence. The loss is 0.8 times the
    squared error of the value plus 0.2 times the negative log-likelihood of a token.
    Every :meth:`fit` starts with a new Adam optimiser and the weights of the last one.

    Values should be :func:`.standardised`. The network is small and stays on the CPU.
    """

    name: ClassVar[str] = "epd"
    summary: ClassVar[str] = (
        "SemiNAS' encoder, value head and decoder; can propose architectures"
    )
    proposes: ClassVar[bool] = True

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        super().__init__(space, rng)
        self._tokens = tokens_of(space)
        with _seeded(rng):
            self._encoder = Encoder(self._tokens.vocabulary)
            self._head = ValueHead()
            self._decoder = Decoder(self._tokens.vocabulary)
        self._network = nn.ModuleList([self._encoder, self._head, self._decoder])

    def fit(
        self, architectures: Sequence[Architecture], values: np.ndarray, steps: int
    ) -> None:
        """Train the network on examples, as :meth:`Predictor.fit` says."""
        check_examples(architectures, values)
        tokens = self._encode(architectures)
        targets = torch.tensor(values, dtype=torch.float32)
        optimiser = torch.optim.Adam(
            self._network.parameters(),
            lr=LEARNING_RATE,
            weight_decay=DECAY,
            fused=True,
        )
        self._network.train()
        with _seeded(self.rng):
            for batch in islice(self._batches(len(targets)), steps):
                loss = self._loss(tokens[batch], targets[batch])
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self._network.parameters(), CLIP)
                optimiser.step()
        self._network.eval()

    def predict(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return predicted values, (architectures,) of float64; more is better."""
        self._network.eval()
        parts = [np.empty(0)]
        with torch.no_grad():
            for tokens in self._encode(architectures).split(MOST_AT_ONCE):
                codes = summary(self._encoder(tokens))
                parts.append(self._head(codes).double().numpy())
        return np.concatenate(parts)

    def propose(
        self, seeds: Sequence[Architecture], strength: float
    ) -> list[Architecture | None]:
        """Return, for each seed, an architecture that is predicted to be better.

        The states of a seed are moved by `strength` times the gradient of its predicted
        value, scaled to norm 1, and decoded. With strength 0 the decoder reconstructs
        the seed. The result has None where the tokens are not a valid architecture.
        """
        self._network.eval()
        states = self._encoder(self._encode(seeds))
        total = self._head(summary(states)).sum()
        (gradient,) = torch.autograd.grad(total, states)
        with torch.no_grad():
            moved = F.normalize(states + strength * gradient, dim=-1)
            written = self._decoder.write(moved)
        return [self._tokens.decode(tokens) for tokens in written.tolist()]

    def _encode(self, architectures: Sequence[Architecture]) -> Tensor:
        """Return the tokens of architectures, (architectures, length)."""
        return torch.from_numpy(self._tokens.encode(architectures))

    def _loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the loss on a batch; the decoder gets the true tokens before each."""
        states = self._encoder(tokens)
        values = self._head(summary(states))
        before = F.pad(tokens[:, :-1], (1, 0), value=PAD)
        logits, _ = self._decoder(before, states, self._decoder.start(states))
        of_tokens = F.cross_entropy(logits.flatten(0, 1), tokens.flatten())
        of_values = F.mse_loss(values, targets)
        return VALUE_SHARE * of_values + (1 - VALUE_SHARE) * of_tokens

    def _batches(self, examples: int) -> Iterator[Tensor]:
        """Yield the indices of batches, epoch after epoch, each in a new order."""
        while True:
            order = torch.from_numpy(self.rng.permutation(examples))
            yield from order.split(BATCH)


@contextmanager
def _seeded(rng: np.random.Generator) -> Iterator[None]:
    """Seed torch from the generator inside the block, then restore torch's state."""
    seed = int(rng.integers(2**63))
    # The network is on the CPU, so the generators of accelerators stay untouched.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
