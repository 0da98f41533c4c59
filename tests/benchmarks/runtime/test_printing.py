"""Streams that fail nothing: replaced letters, readers that are gone, full disks."""

import errno
import io
import os
import sys

import pytest

from archselect.benchmarks.runtime.printing import (
    READABLE,
    GuardedStream,
    fault_of_output,
    guarded_streams,
    to_ascii,
    to_output_encoding,
)


class Failing(io.StringIO):
    """A stream that fails with an error from a number of letters on, in a file of its own."""

    def __init__(self, error, room, file):
        super().__init__()
        self._error, self._room, self._file = error, room, file

    def write(self, text):
        self._room -= len(text)
        if self._room < 0:
            raise OSError(self._error, os.strerror(self._error))
        return super().write(text)

    def fileno(self):
        return self._file


def text_stream(encoding, errors="strict"):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors, newline="")


def test_every_mark_has_a_form_in_ascii():
    for letter, form in READABLE.items():
        assert form.isascii() and len(letter) == 1 and not letter.isascii()
    assert to_ascii("✅ Ł é ü −3 ± 1 ↑ τ 中 x̂") == "[ok] L e u -3 +/- 1 ^ tau ? x"


def test_every_mark_of_the_product_has_a_form(root):
    """What reports and commands may print: no "?" stands for a mark of ours."""
    files = [
        *(root / "reports").rglob("*.py"),
        *(root / "benchmarks" / "cli").glob("*.py"),
    ]
    files.remove(root / "reports" / "escaping.py")  # letters of other people's texts
    used = {
        letter
        for file in files
        for letter in file.read_text(encoding="utf-8")
        if not letter.isascii()
    }
    assert len(used) > 10
    assert {letter for letter in used if "?" in to_ascii(letter)} == set()


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "[ok] e +/- ^"),
        ("latin-1", "[ok] é ± ^"),
        ("cp1252", "[ok] é ± ^"),
        ("utf-8", "✅ é ± ↑"),
    ],
)
def test_letters_that_an_encoding_lacks_are_replaced(monkeypatch, encoding, shown):
    inner = text_stream(encoding)
    stream = GuardedStream(inner)
    monkeypatch.setattr(sys, "stdout", stream)
    assert to_output_encoding("✅ é ± ↑") == shown
    stream.write("✅ é ± ↑")
    stream.flush()
    assert inner.buffer.getvalue() == shown.encode(encoding)


def test_bytes_of_a_files_name_are_printed_as_they_are():
    for errors in ("strict", "surrogateescape"):
        for encoding in ("utf-8", "ascii"):
            inner = text_stream(encoding, errors)
            stream = GuardedStream(inner)
            stream.write(b"a\xff.csv".decode(errors="surrogateescape"))
            stream.flush()
            assert inner.buffer.getvalue() == b"a\xff.csv"


@pytest.mark.parametrize(
    ("error", "is_told"),
    [(errno.EPIPE, False), (errno.ENOSPC, True), (errno.EBADF, True)],
)
def test_a_stream_that_fails_is_given_up(monkeypatch, tmp_path, error, is_told):
    with (tmp_path / "file").open("w") as file:
        inner = Failing(error, 5, file.fileno())
        monkeypatch.setattr(sys, "stdout", inner)
        with guarded_streams():
            for text in ("four", "five", "more"):
                assert sys.stdout.write(text) == 4
            sys.stdout.flush()
            sys.stdout.writelines(["a", "b"])
            fault = fault_of_output()
            assert (
                (fault is not None and fault.errno == error)
                if is_told
                else fault is None
            )
        assert sys.stdout is inner and inner.getvalue() == "four"
        # What Python still sends at its end goes nowhere.
        assert os.fstat(file.fileno()).st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116


def test_streams_are_as_before_afterwards(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    before = sys.stderr
    with guarded_streams():
        assert sys.stdout is None and isinstance(sys.stderr, GuardedStream)
        assert (
            sys.stderr.encoding == before.encoding
            and sys.stderr.isatty() == before.isatty()
        )
        with guarded_streams():
            pass
        assert isinstance(sys.stderr, GuardedStream) and fault_of_output() is None
    assert sys.stderr is before and sys.stdout is None


def test_no_buffer_beside_a_stream_in_ascii():
    assert not hasattr(GuardedStream(text_stream("ascii")), "buffer")
    assert hasattr(GuardedStream(text_stream("utf-8")), "buffer")


@pytest.mark.parametrize(
    ("texts", "printed"),
    [
        (["::error file=a::forged\n"], "\\u003a:error file=a::forged\n"),
        (
            ["a\n", "  ::set-output name=result::holds\n"],
            "a\n  \\u003a:set-output name=result::holds\n",
        ),
        (["  ", "::stop-commands::x\n"], "  \\u003a:stop-commands::x\n"),
        (["a\r::add-mask::x\n"], "a\r\\u003a:add-mask::x\n"),
        (
            ["a ##[set-output name=result]holds\n"],
            "a \\u0023#[set-output name=result]holds\n",
        ),
        (
            ["a", "::b c10::Error\n", "mine.py:Mine\n"],
            "a::b c10::Error\nmine.py:Mine\n",
        ),
    ],
)
def test_what_is_printed_is_no_command_to_a_runner_of_github(texts, printed):
    inner = io.StringIO()
    stream = GuardedStream(inner)
    stream.writelines(texts)
    assert inner.getvalue() == printed
