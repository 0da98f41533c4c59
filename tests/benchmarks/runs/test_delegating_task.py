"""A task that wraps another one hands on every question as it is."""

import inspect

import pytest

from archselect.benchmarks.runs.delegating_task import DelegatingTask
from archselect.selectors.base import Task


class Listener:
    """Notes what is asked, and gives the same answer to every question."""

    space = supernet = alphas = activation = rng = None

    def __init__(self):
        self.asked = []

    def __getattr__(self, name):
        def answer(*arguments):
            self.asked.append((name, arguments))
            return "answer"

        return answer


@pytest.mark.parametrize("question", sorted(Task.__abstractmethods__))
def test_every_question_is_handed_on_with_all_its_arguments(question):
    _, *parameters = inspect.signature(getattr(Task, question)).parameters.values()
    given = [p.name for p in parameters if p.default is p.empty]
    defaults = [p.default for p in parameters if p.default is not p.empty]
    listener = Listener()
    answer = getattr(DelegatingTask(listener), question)(*given)
    assert listener.asked == [(question, (*given, *defaults))]
    assert answer == (None if question == "tune" else "answer")
