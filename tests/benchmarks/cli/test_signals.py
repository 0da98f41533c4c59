"""SIGTERM and SIGHUP end a command as Ctrl-C does, with exit codes of their own."""

import os
import signal
import threading

import pytest

from archselect.benchmarks.cli.signals import EndSignal, ended_by_signals, exit_code

ENDING = [
    pytest.param(getattr(signal, name), id=name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name) and os.name == "posix"
]
MESSAGE = (
    "archselect: interrupted; finished work is kept, rerun the command to resume\n"
)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_a_command_in_one_line(
    archselect, monkeypatch, write_quick, number
):
    before = signal.getsignal(number)
    monkeypatch.setattr(
        "archselect.running.run_study",
        lambda *_, **__: signal.raise_signal(number),
    )
    assert archselect("run", write_quick()) == (128 + number, "", MESSAGE)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", ENDING[1:])
def test_a_second_signal_does_not_cut_the_cleaning_up_short(number):
    cleaned = []
    with pytest.raises(EndSignal) as ended, ended_by_signals():
        try:
            signal.raise_signal(number)
        finally:
            for again in (signal.SIGTERM, signal.SIGHUP):
                signal.raise_signal(again)
            cleaned.append("all")
    assert cleaned == ["all"]
    assert exit_code(ended.value) == 128 + number


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_of_the_main_thread_nothing_changes():
    seen = []

    def look():
        with ended_by_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
