"""SemiNAS' network: chance comes from one place, the decoder agrees with itself, and it learns."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.predictors.base import standardised
from archselect.selectors.predictors.candidates import take_unseen, uphill
from archselect.selectors.predictors.epd import (
    Decoder,
    Encoder,
    EncoderPredictorDecoder,
    ValueHead,
    summary,
)

NB201 = get_space("nb201")


def network_of(space, seed=0):
    return EncoderPredictorDecoder(space, np.random.default_rng(seed))


def shuffled(space, seed=0):
    cells = list(space.representatives)
    np.random.default_rng(seed).shuffle(cells)
    return cells


def quiet(module):
    """A module without dropout."""
    return module.eval()


def test_chance_comes_from_the_generator_alone(made_up_worth):
    cells = shuffled(NB201)[:120]
    values = standardised([made_up_worth(NB201)(cell) for cell in cells])
    predictions = []
    for torch_seed, seed in ((1, 0), (2, 0), (1, 1)):
        torch.manual_seed(torch_seed)
        before = torch.get_rng_state()
        network = network_of(NB201, seed)
        network.fit(cells, values, 3)
        predictions.append(network.predict(cells))
        assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(predictions[0], predictions[1])
    assert not np.array_equal(predictions[0], predictions[2])


def test_weights_are_carried_on_and_no_steps_change_nothing(made_up_worth):
    cells = shuffled(NB201)[:50]
    values = standardised([made_up_worth(NB201)(cell) for cell in cells])
    network = network_of(NB201)
    errors = []
    for steps in (0, 60, 0, 60):
        before = network.predict(cells)
        network.fit(cells, values, steps)
        after = network.predict(cells)
        assert np.array_equal(before, after) == (steps == 0)
        errors.append(np.mean((after - values) ** 2))
    assert errors[3] < errors[1] < errors[0]


def test_states_and_codes_have_length_one():
    encoder = quiet(Encoder(9))
    states = encoder(torch.randint(9, (5, 4)))
    assert states.shape == (5, 4, 64)
    ones = torch.ones(5, 4)
    torch.testing.assert_close(states.norm(dim=-1), ones)
    torch.testing.assert_close(summary(states).norm(dim=-1), ones[:, 0])


def test_values_are_the_linear_map_of_the_scaled_residual_sum():
    head = quiet(ValueHead())
    codes = torch.randn(3, 64)
    first, _, _, second, _, _ = head.hidden
    hidden = F.relu(
        F.relu(codes @ first.weight.T + first.bias) @ second.weight.T + second.bias
    )
    expected = (codes + hidden) / 2**0.5 @ head.value.weight[0] + head.value.bias
    torch.testing.assert_close(head(codes), expected)


def test_the_decoder_writes_what_is_likeliest_given_what_it_wrote():
    decoder = quiet(Decoder(9))
    states = F.normalize(torch.randn(6, 5, 64), dim=-1)
    written = decoder.write(states)
    before = torch.cat((torch.zeros(6, 1, dtype=torch.int64), written[:, :-1]), dim=1)
    logits, _ = decoder(before, states, decoder.start(states))
    assert torch.equal(logits.argmax(-1), written)


def test_the_loss_is_that_of_values_and_of_tokens(made_up_worth):
    """With dropout off: 0.8 times the squared error, and 0.2 times the mean over tokens."""
    network = network_of(NB201)
    quiet(network._network)
    cells = shuffled(NB201)[:7]
    targets = torch.randn(7)
    tokens = network._encode(cells)
    states = network._encoder(tokens)
    error = (torch.from_numpy(network.predict(cells)) - targets.double()) ** 2
    likelihoods = []
    for state, row in zip(states, tokens, strict=True):
        before = torch.tensor([[0, *row[:-1].tolist()]])
        state = state.unsqueeze(0)
        logits, _ = network._decoder(before, state, network._decoder.start(state))
        likelihoods += [
            logits[0, k].log_softmax(0)[token] for k, token in enumerate(row)
        ]
    expected = 0.8 * error.mean() - 0.2 * torch.stack(likelihoods).mean()
    torch.testing.assert_close(network._loss(tokens, targets).double(), expected)


@pytest.mark.parametrize("name", ["nb201", "nbgraph", "darts", "nb101"])
def test_proposals_are_architectures_of_the_space_or_none(name):
    space = get_space(name)
    rng = np.random.default_rng(0)
    cells = [space.sample(rng) for _ in range(60)]
    network = network_of(space)
    network.fit(cells, np.zeros(60), 40)
    for strength in (0.0, 1.0, 100.0):
        proposals = network.propose(cells[:20], strength)
        assert len(proposals) == 20
        for cell in proposals:
            assert cell is None or space.parse(space.format(cell)) == cell


@pytest.mark.parametrize("name", ["nbgraph", "darts", "nb101"])
def test_a_few_architectures_are_learned_by_heart(name):
    space = get_space(name)
    rng = np.random.default_rng(0)
    cells = [space.sample(rng) for _ in range(2)]
    network = network_of(space)
    network.fit(cells, np.array([-1.0, 1.0]), 200)
    assert network.propose(cells, 0.0) == cells
    low, high = network.predict(cells)
    assert low < -0.5 < 0.5 < high


STEPS = 600
"""On batches of 100. Measured on four seeds after them: 99.25 % to 100 % of unseen cells written again, a rank
correlation of .992 to .995, 42 to 63 proposals, better than changed cells by .9 to 2.0 with errors of .15.
"""


@pytest.fixture(scope="module")
def trained(made_up_worth):
    """A network that has learned from 1,000 cells, the others, and the reward."""
    reward = made_up_worth(NB201)
    cells = shuffled(NB201)
    network = network_of(NB201)
    values = standardised([reward(cell) for cell in cells[:1000]])
    network.fit(cells[:1000], values, STEPS)
    return network, cells, reward


@pytest.mark.slow
def test_cells_that_it_never_saw_are_written_again(trained):
    network, cells, _ = trained
    unseen = cells[1000:3000]
    written = network.propose(unseen, 0.0)
    same = sum(cell == seed for cell, seed in zip(written, unseen, strict=True))
    assert same >= 0.98 * len(unseen)


@pytest.mark.slow
def test_cells_that_it_never_saw_are_ranked(trained, agree):
    network, cells, reward = trained
    unseen = cells[1000:3000]
    values = [reward(cell) for cell in unseen]
    assert agree(network.predict(unseen), values) > 0.95


def one_edge_changed(space, cell, rng):
    (row,) = cell.choices
    row = list(row)
    edge = int(rng.integers(len(row)))
    others = [c for c in range(len(space.cells[0].operations[edge])) if c != row[edge]]
    row[edge] = others[int(rng.integers(len(others)))]
    return type(cell)((tuple(row),))


@pytest.mark.slow
def test_proposals_are_better_than_random_changes_of_one_edge(trained):
    network, cells, reward = trained
    rng = np.random.default_rng(3)
    seeds = sorted(cells[:1000], key=reward)[-100:]
    known = cells[:1000]
    taken = take_unseen(uphill(network, seeds), 100, known, NB201.format)
    proposed = [reward(cell) for cell in taken]
    changed = [reward(one_edge_changed(NB201, seed, rng)) for seed in seeds]
    assert len(proposed) > 20
    assert np.mean(proposed) > np.mean(changed) + 2 * np.std(changed) / 10
