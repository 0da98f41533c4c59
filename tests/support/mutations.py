"""Spoils files: bytes of any, and within JSON, TOML, CSV, Parquet, archives, arrays and pickles their parts.

Every function takes a `Draw`, which says what is drawn and where a file would be that
must not come to be.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import io
import json
import pickle
import random
import re
import stat
import struct
import sys
import tarfile
import tomllib
import types
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

HUGE = 10**12


@dataclass(frozen=True)
class Draw:
    """What is drawn: `rng`, and `evil`, the path of the file that code or a name from a spoiled file would make."""

    rng: random.Random
    evil: Path

    def word(self) -> str:
        """A text that something may stumble over."""
        return self.rng.choice(
            [
                *(
                    "",
                    " ",
                    ".",
                    "..",
                    "../../evil",
                    "..\\..\\evil",
                    f"{self.evil}",
                    f"{self.evil.parent}/trap",
                    "a/b",
                    "a\0b",
                    "\ud800",
                    "中😀é",
                ),
                *(
                    "NaN",
                    "nan",
                    "inf",
                    "-1",
                    "1e999",
                    "007",
                    "<script>",
                    "%s{0}{x}",
                    "a\nb\r\nc",
                    "\x1b[31m",
                    "'\"\\",
                ),
                *(
                    "x" * 300,
                    "y" * 100_000,
                    "CON",
                    "none",
                    "|none~0|",
                    "null",
                    "[",
                    "{",
                    "$\\frac",
                    "=1+1",
                ),
            ]
        )

    def value(self) -> Any:
        """A value of JSON that may stand where another is expected."""
        numbers = [
            0,
            -1,
            1,
            2,
            255,
            2**31,
            2**63,
            -(2**63) - 1,
            10**30,
            10**400,
            HUGE,
            0.5,
            -0.0,
            1e-320,
            1e308,
        ]
        others = [
            None,
            True,
            False,
            float("nan"),
            float("inf"),
            float("-inf"),
            [],
            {},
            [[]],
            [None],
            {"": None},
        ]
        return self.rng.choice(
            [
                self.word(),
                self.rng.choice(numbers),
                self.rng.choice(others),
                _nested(300),
            ]
        )


class Canary:
    """A pickle of it makes a file when it is read by a reader that runs what a pickle names."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def _nested(depth: int) -> Any:
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


def spoiled(name: str, data: bytes, draw: Draw) -> bytes:
    """The content of a file of that name, spoiled once or a few times."""
    form = next(
        (form for suffix, form in FORMS.items() if name.endswith(suffix)), spoil_bytes
    )
    for again in range(draw.rng.choice([1, 1, 1, 2, 3])):
        # What was spoiled once may run code when it is loaded here.
        if draw.rng.random() < 0.3 or (again and form in LOADING):
            data = spoil_bytes(data, draw)
            continue
        try:
            data = form(data, draw)
        except Exception:  # it was spoiled before, or what was put in cannot be written
            data = spoil_bytes(data, draw)
    return data


def spoil_bytes(data: bytes, draw: Draw) -> bytes:
    """Bytes flipped, put in, left out, cut off, repeated."""
    rng = draw.rng
    at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    end = min(end, at + rng.choice([1, 4, 64, 4096]))
    piece = data[at:end]
    match rng.randrange(8):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[end:]
        case 2:
            return data[:end] + piece * rng.choice([1, 3, 100]) + data[end:]
        case 3:
            return data[:at] + rng.randbytes(end - at) + data[end:]
        case 4:
            return (
                data[:at]
                + rng.choice([b"\0", b"\xff", b"\n", b'"', b"," * 50, b"[" * 100_000])
                + data[at:]
            )
        case 5:
            return rng.choice(
                [
                    b"",
                    b"\0" * 100,
                    b"PK\x03\x04",
                    b"\x93NUMPY",
                    b"{}",
                    b"[]",
                    b"null",
                    data + data,
                ]
            )
        case _:
            changed = bytearray(data)
            for _ in range(rng.choice([1, 1, 2, 8]) if changed else 0):
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            return bytes(changed)


def spoil_value(
    content: Any, draw: Draw, foreign: Callable[[], Any] | None = None
) -> Any:
    """A copy of nested lists and dictionaries in which one place, drawn, is another; `foreign` may be put there."""
    path = _place(content, draw.rng)
    if not path:
        return draw.value()
    content = _copy(content)
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    _change(holder, path[-1], content, draw, foreign)
    return content


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return type(value)((key, _copy(own)) for key, own in value.items())
    return [_copy(own) for own in value] if isinstance(value, list | tuple) else value


def _place(value: Any, rng: random.Random) -> list[Any]:
    """The way to some place, drawn level by level: what few share is drawn as often as what many do."""
    path: list[Any] = []
    while (
        value
        and isinstance(value, dict | list | tuple)
        and not (path and rng.random() < 0.2)
    ):
        path.append(
            rng.choice(list(value))
            if isinstance(value, dict)
            else rng.randrange(len(value))
        )
        value = value[path[-1]]
    return path


def _change(
    holder: Any, key: Any, content: Any, draw: Draw, foreign: Callable[[], Any] | None
) -> None:
    rng, old = draw.rng, holder[key]
    match rng.randrange(10):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[draw.word()] = holder.pop(key)
        case 1:
            holder.insert(key, old)
        case 2 if isinstance(holder, dict):
            holder[draw.word()] = draw.value()
        case 2:
            holder.append(draw.value())
        case 3 if isinstance(old, int | float):
            holder[key] = rng.choice(
                [old + 1, old - 1, -old, old * 1000, float(old), str(old)]
            )
        case 3 if isinstance(old, str):
            at = rng.randrange(len(old) + 1)
            holder[key] = rng.choice(
                [old[:at], old[:at] + draw.word() + old[at:], old.upper(), old + old]
            )
        case 3 if isinstance(old, list):
            holder[key] = rng.choice([old[::-1], old[:1], old + old, [old], old * 50])
        case 4:
            holder[key] = _copy(_at(content, _place(content, rng)))
        case 5 if foreign is not None:
            holder[key] = foreign()
        case 6 | 7:
            holder[key] = draw.word()
        case _:
            holder[key] = draw.value()


def _at(content: Any, path: list[Any]) -> Any:
    for key in path:
        content = content[key]
    return content


def spoil_json(data: bytes, draw: Draw) -> bytes:
    """Another value somewhere; or the same key twice."""
    text = json.dumps(spoil_value(json.loads(data), draw))
    if draw.rng.random() < 0.05:
        text = text.replace("{", '{"id": "first", "id": 2, ', 1)
    return text.encode()


def spoil_lines(data: bytes, draw: Draw) -> bytes:
    """One of several lines of JSON."""
    lines = data.splitlines(keepends=True)
    at = draw.rng.randrange(len(lines))
    lines[at] = draw.rng.choice(
        [b"", lines[at] * 2, spoil_json(lines[at], draw) + b"\n"]
    )
    return b"".join(lines)


def spoil_toml(data: bytes, draw: Draw) -> bytes:
    """Another value somewhere."""
    content = spoil_value(tomllib.loads(data.decode()), draw)
    if not isinstance(content, dict):
        return _toml(content).encode(errors="surrogatepass")
    lines = [f"{json.dumps(key)} = {_toml(own)}" for key, own in content.items()]
    return "\n".join(lines).encode(errors="surrogatepass")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(
                f"{json.dumps(key)} = {_toml(own)}" for key, own in value.items()
            )
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=not f"{value}".isprintable())
    return "''" if value is None else repr(value)


def spoil_text(data: bytes, draw: Draw) -> bytes:
    """Words of a text in other places."""
    rng = draw.rng
    words = re.split(r"(\W)", data.decode())
    for _ in range(rng.choice([1, 1, 2])):
        at, other = rng.randrange(len(words)), rng.randrange(len(words))
        words[at] = rng.choice(
            [
                words[other],
                words[other],
                "",
                str(rng.randrange(9)),
                draw.word(),
                words[at] * 2,
            ]
        )
    return "".join(words).encode(errors="surrogatepass")


def spoil_csv(data: bytes, draw: Draw) -> bytes:
    """Cells, rows and columns."""
    rng = draw.rng
    rows = list(csv.reader(io.StringIO(data.decode())))
    at, column = rng.randrange(len(rows)), rng.randrange(len(rows[0]))
    match rng.randrange(6):
        case 0:
            rows.insert(at, rows[at])
        case 1:
            rows = [row[:column] + row[column + 1 :] for row in rows]
        case 2:
            rows[0][column] = rng.choice([draw.word(), rng.choice(rows[0])])
        case 3:
            rows[at] = rows[at][:column]
        case _:
            rows[at][column] = rng.choice(
                [
                    draw.word(),
                    str(draw.value()),
                    rng.choice(rows)[-1],
                    rng.choice(rows)[0],
                ]
            )
    text = io.StringIO()
    csv.writer(text, delimiter=rng.choice(",,,,;")).writerows(rows)
    return text.getvalue().encode(errors="surrogatepass")


def spoil_parquet(data: bytes, draw: Draw) -> bytes:
    """Cells, and the names and types of columns."""
    rng = draw.rng
    table = pq.read_table(io.BytesIO(data))
    at = rng.randrange(table.num_columns)
    name, values = table.column_names[at], table[at].to_pylist()
    match rng.randrange(5):
        case 0:
            table = table.remove_column(at)
        case 1:
            names = list(table.column_names)
            names[at] = rng.choice([_writable(draw.word()), rng.choice(names)])
            table = table.rename_columns(names)
        case 2:
            kinds: list[Callable[[Any], Any]] = [
                lambda v: None,
                lambda v: str(v).encode(),
                lambda v: [v],
                lambda v: {"a": v},
                lambda v: b"\xff\xfe",
                lambda v: True,
                lambda v: pd.Timestamp(0),
                lambda v: 10**18,
                lambda v: float("nan"),
            ]
            table = table.set_column(
                at, name, pa.array(list(map(rng.choice(kinds), values)))
            )
        case 3:
            values[rng.randrange(len(values))] = rng.choice(
                [None, values[0], _writable(draw.word())]
            )
            table = table.set_column(at, name, pa.array(values))
        case _:
            table = table.slice(0, rng.randrange(table.num_rows + 1))
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()


def npy(array: np.ndarray) -> bytes:
    """An array as a file; an array of objects as the pickle that it is."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def spoil_npy(data: bytes, draw: Draw) -> bytes:
    """Values, shape, type; a header that tells of more than there is."""
    rng = draw.rng
    array = np.load(io.BytesIO(data))
    if rng.random() < 0.2:
        shape = rng.choice(
            [(HUGE,), (HUGE, HUGE), (10**9, 8), (-1,), (2**62, 4), (0,) * 40]
        )
        header = repr(
            {
                "descr": rng.choice([array.dtype.str, "<f8", "|O", "<U99"]),
                "fortran_order": False,
            }
        )
        header = header[:-1] + f", 'shape': {shape}}}"
        padded = header.encode().ljust(118) + b"\n"
        return (
            b"\x93NUMPY\x01\x00"
            + struct.pack("<H", len(padded))
            + padded
            + array.tobytes()[:100]
        )
    match rng.randrange(7):
        case 0:
            return npy(
                array[: rng.randrange(len(array) + 1)] if array.ndim else array[None]
            )
        case 1:
            kind = rng.choice(
                [
                    "f8",
                    "i8",
                    "u1",
                    "i1",
                    "U5",
                    "S3",
                    "M8[s]",
                    "c16",
                    "f2",
                    "?",
                    ">i4",
                    "O",
                    "u8",
                ]
            )
            with np.errstate(all="ignore"):
                return npy(array.astype(kind))
        case 2:
            return npy(
                rng.choice(
                    [
                        array[None],
                        array.ravel(),
                        array.T,
                        np.zeros(()),
                        np.zeros((0, 3)),
                        array[..., :1],
                    ]
                )
            )
        case 3:
            return npy(np.array([Canary(draw.evil)], dtype=object))
        case 4:
            return npy(
                np.zeros(
                    len(array) if array.ndim else 1, dtype=[("a", "i4"), ("b", "O")]
                )
            )
    changed = array.copy().reshape(-1)
    if changed.size:
        extremes = (
            [0, 1, 127, 255]
            if array.dtype.kind in "bu"
            else [0, -1, 1, -2, 127, 2**31 - 1]
        )
        if array.dtype.kind == "f":
            extremes = [np.nan, np.inf, -np.inf, -1e308, 0, 101]
        many = rng.choice([1, 1, 3, changed.size])
        with np.errstate(all="ignore"):
            for at in rng.sample(range(changed.size), min(many, changed.size)):
                changed[at] = np.array(rng.choice(extremes)).astype(array.dtype)
    return npy(changed.reshape(array.shape))


def _without_warnings(form: Callable[..., bytes]) -> Callable[..., bytes]:
    """Two members of one name are meant."""

    @wraps(form)
    def quiet(*arguments: Any) -> bytes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return form(*arguments)

    return quiet


def members(data: bytes) -> dict[str, bytes]:
    """The members of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(content: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The archive of members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, own in content.items():
            archive.writestr(name, own)
    return file.getvalue()


@_without_warnings
def spoil_zip(data: bytes, draw: Draw, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A member; or its name, its kind, its size."""
    rng = draw.rng
    content = members(data)
    name = rng.choice(list(content))
    match rng.randrange(8):
        case 0:
            content[
                rng.choice(["../../evil.npy", f"{draw.evil}", "a\\..\\b.npy", ""])
            ] = content[name]
        case 1:
            content[rng.choice(["../../evil.npy", f"{draw.evil}.npy", draw.word()])] = (
                content.pop(name)
            )
        case 2:
            del content[name]
        case 3:
            file = io.BytesIO(zipped(content, kind))
            with zipfile.ZipFile(file, "a") as archive:
                link = zipfile.ZipInfo(rng.choice(["link.npy", name]))
                link.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(link, str(draw.evil))
            return file.getvalue()
        case 4:  # the size, where the archive's directory says it
            whole = bytearray(zipped(content, kind))
            at = whole.rfind(b"PK\x01\x02", 0, rng.randrange(len(whole)) + 4)
            struct.pack_into(
                "<I",
                whole,
                max(at, 0) + rng.choice([20, 24]),
                rng.choice([0, 1, 2**31, 2**32 - 2]),
            )
            return bytes(whole)
        case _:
            form = (
                spoil_npy
                if name.endswith(".npy") and rng.random() < 0.8
                else spoil_bytes
            )
            content[name] = form(content[name], draw)
    return zipped(content, kind)


def spoil_tar(data: bytes, draw: Draw) -> bytes:
    """A member's content, name, kind or size."""
    rng = draw.rng
    file = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as there:
        content = [(member, there.extractfile(member)) for member in there]
        files = [(member, own.read() if own else b"") for member, own in content]
    at = rng.randrange(len(files))
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
        for place, (member, own) in enumerate(files):
            if place == at:
                match rng.randrange(5):
                    case 0:
                        member.name = rng.choice(
                            ["../../evil", f"{draw.evil}", f"../../{member.name}"]
                        )
                    case 1:
                        member.type, member.linkname = (
                            rng.choice([tarfile.SYMTYPE, tarfile.LNKTYPE]),
                            str(draw.evil),
                        )
                        own = b""
                    case 2:
                        own = spoil_bytes(own, draw)
                    case 3:
                        member.type, own = (
                            rng.choice(
                                [tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
                            ),
                            b"",
                        )
                    case 4:
                        member.size = rng.choice([HUGE, 0, len(own) + 512])
                        archive.fileobj.write(member.tobuf() + own)  # type: ignore[union-attr]
                        continue
            member.size = len(own)
            archive.addfile(member, io.BytesIO(own))
    return file.getvalue()


def spoil_pickle(data: bytes, draw: Draw) -> bytes:
    """Another value somewhere, which may be code."""
    content = pickle.loads(data)  # noqa: S301 (it was made here)
    return _pickled(spoil_value(content, draw, lambda: Canary(draw.evil)), draw)


def _pickled(content: Any, draw: Draw) -> bytes:
    if draw.rng.random() < 0.1:
        content = Canary(draw.evil)
    return pickle.dumps(content, protocol=draw.rng.randrange(6))


def spoil_booster(data: bytes, draw: Draw) -> bytes:
    """XGBoost's state within the pickle of an object of its own."""
    with booster() as kind:
        content = pickle.loads(data)  # noqa: S301 (it is of the tests)
        if draw.rng.random() < 0.2:
            return _pickled(
                draw.rng.choice([{"handle": Canary(draw.evil)}, draw.value(), kind]),
                draw,
            )
        handle = bytes(content.__dict__["handle"])
        at = handle.find(b'{"')
        if at >= 0 and draw.rng.random() < 0.8:
            inner = spoil_json(
                handle[at : handle.rfind(b"}") + 1].partition(b"CONFIG")[0], draw
            )
            content.__dict__["handle"] = bytearray(inner)
        else:
            content.__dict__["handle"] = bytearray(spoil_bytes(handle, draw))
        return pickle.dumps(content, protocol=draw.rng.randrange(2, 6))


class booster:
    """Within it there is a class of XGBoost's name."""

    def __enter__(self) -> type:
        kind = type(
            "Booster",
            (),
            {
                "__module__": "xgboost.core",
                "__setstate__": lambda self, s: vars(self).update(s),
            },
        )
        for name in ("xgboost", "xgboost.core"):
            sys.modules[name] = types.ModuleType(name)
        sys.modules["xgboost.core"].Booster = kind  # type: ignore[attr-defined]
        return kind

    def __exit__(self, *_: object) -> None:
        for name in ("xgboost", "xgboost.core"):
            del sys.modules[name]


def spoil_torch(data: bytes, draw: Draw) -> bytes:
    """Another value or tensor somewhere, which may be code; or the archive around them."""
    rng = draw.rng
    if rng.random() < 0.2:
        return spoil_zip(data, draw, zipfile.ZIP_STORED)
    content = torch.load(io.BytesIO(data), weights_only=False)

    def foreign() -> Any:
        shape = rng.choice([(), (0,), (1,), (3, 1)])
        made = [
            torch.zeros(shape),
            torch.zeros(shape, dtype=torch.int64),
            torch.full(shape, torch.nan),
            torch.float16,
        ]
        return rng.choice(
            [Canary(draw.evil), Canary(draw.evil), *made, torch.zeros(1).expand(10**6)]
        )

    file = io.BytesIO()
    torch.save(
        Canary(draw.evil)
        if rng.random() < 0.05
        else spoil_value(content, draw, foreign),
        file,
    )
    return file.getvalue()


def spoil_checked(data: bytes, draw: Draw) -> bytes:
    """What a checksum is before, which is made to fit again."""
    if draw.rng.random() < 0.1:
        return spoil_bytes(data, draw)
    form = spoil_torch if draw.rng.random() < 0.8 else spoil_bytes
    inner = form(data[32:], draw)
    return hashlib.sha256(inner).digest() + inner


def spoil_pbz2(data: bytes, draw: Draw) -> bytes:
    """A compressed pickle."""
    return bz2.compress(spoil_pickle(bz2.decompress(data), draw))


def spoil_gz(data: bytes, draw: Draw) -> bytes:
    """A compressed CSV."""
    return gzip.compress(spoil_csv(gzip.decompress(data), draw), 1)


FORMS: dict[str, Callable[[bytes, Draw], bytes]] = {
    ".json": spoil_json,
    ".jsonl": spoil_lines,
    ".toml": spoil_toml,
    ".txt": spoil_text,
    ".csv": spoil_csv,
    ".csv.gz": spoil_gz,
    ".parquet": spoil_parquet,
    ".npz": spoil_zip,
    ".npy": spoil_npy,
    ".tar.gz": spoil_tar,
    ".pkl": spoil_pickle,
    ".pickle.pbz2": spoil_pbz2,
    "surrogate_model.model": spoil_booster,
    ".pth": spoil_torch,
    ".pt": spoil_checked,
    ".checkpoint": spoil_checked,
}
"""By the end of a file's name."""
LOADING = (spoil_pickle, spoil_pbz2, spoil_booster, spoil_torch, spoil_checked)
