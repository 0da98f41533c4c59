"""A reward that is written wrong is named as the file has it, without a tag of the code."""

import pytest

from archselect.benchmarks.plan.reading import read_study
from archselect.nasbench_adapters.errors import UserError

STUDY = """
name = "wrong"
title = "A wrong reward"
tables = ["accuracy"]
seeds = {{ supernet = [0] }}
spaces = [{{ name = "nb201" }}]
selectors = [{{ name = "random-search" }}]

[[data]]
name = "digits"
queries = 3
reward = {reward}
truth = [{{ table = "nb201-digits", dataset = "digits", split = "test", epochs = 10 }}]
"""
TABLE = 'table = "nb201-digits", dataset = "digits", split = "valid"'


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (
            f'{{ {TABLE}, epochs = 10, trail = "first" }}',
            "unknown key 'data.0.reward.trail': did you mean 'trial'?",
        ),
        (
            '{ source = "supernet", nrm = "batch" }',
            "unknown key 'data.0.reward.nrm': did you mean 'norm'?",
        ),
        (
            '{ source = "supernat" }',
            "data.0.reward: unknown source 'supernat'; known: 'table', 'supernet', ",
        ),
        (f'{{ {TABLE}, epochs = "x" }}', "data.0.reward.epochs: Input should be"),
    ],
)
def test_a_wrong_reward_is_named(tmp_path, reward, message):
    path = tmp_path / "wrong.toml"
    path.write_text(STUDY.format(reward=reward), encoding="utf-8")
    with pytest.raises(UserError) as refused:
        read_study(str(path))
    assert message in str(refused.value)
    assert "from " not in str(refused.value)
