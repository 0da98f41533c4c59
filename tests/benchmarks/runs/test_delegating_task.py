"""A task that wraps another one hands on every question as it is."""

import inspect

import pytest

from archselect.benchmarks.runs.delegating_task import DelegatingTask
from archselect.selectors.base import Task


class Echo:
    """Answers every question with its name and its arguments."""

    space = supernet = alphas = rng = None

    def __getattr__(self, name):
        return lambda *arguments: (name, arguments)


@pytest.mark.parametrize("question", sorted(Task.__abstractmethods__))
def test_every_question_is_handed_on_with_all_its_arguments(question):
    _, *parameters = inspect.signature(getattr(Task, question)).parameters.values()
    given = [p.name for p in parameters if p.default is p.empty]
    defaults = [p.default for p in parameters if p.default is not p.empty]
    answer = getattr(DelegatingTask(Echo()), question)(*given)
    assert answer == (question, (*given, *defaults))
