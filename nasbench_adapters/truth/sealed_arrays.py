"""Archives of arrays with a checksum of each array and of the header.

Tables and surrogates are stored in this form: an `.npz` without pickles, in which one
array holds a header as JSON text in UTF-8. The header's entry `arrays` has a digest of
each array, and its entry `checksum` a hash of all other entries. The checksum detects
damage, but not forgery, because anyone can compute one. This file does not import
torch.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.input_files import DAMAGED

UNREADABLE = (OSError, *DAMAGED)
"""Errors that reading an archive of arrays can raise.

Numpy reads some damaged headers as those of Python 2, and raises an error of DAMAGED.
"""
_NOT_SEALED = ("name", "created_by", "checksum")
"""Entries of a header that its checksum leaves out."""


def seal(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return a header with its checksum; it must have the digests of the arrays."""
    return {**header, "checksum": header_checksum(header)}


def digest(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's type, shape and values."""
    form = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(form + array.tobytes()).hexdigest()


def digest_all(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return the digest of each array by name."""
    return {name: digest(array) for name, array in arrays.items()}


def header_checksum(header: Mapping[str, Any]) -> str:
    """Return the checksum of a header.

    It leaves out the name, and the version that wrote the file.
    """
    content = {key: value for key, value in header.items() if key not in _NOT_SEALED}
    return hash_json(content)


def hash_json(content: object) -> str:
    """Return the SHA-256 of JSON values, independent of the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def creator() -> str:
    """Return the program and version that writes a file."""
    return f"archselect {version('archselect')}"


def encode_header(header: Mapping[str, Any]) -> np.ndarray:
    """Return a header as an array of bytes."""
    return np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)


def decode_header(array: np.ndarray) -> Any:
    """Return the JSON value in an array of bytes.

    Raises ValueError if there is none.
    """
    return json.loads(array.tobytes())


def write_arrays(path: Path | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as a compressed `.npz`, atomically: there is never a partial file.

    Raises UserError if the folder cannot be written to.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(Path(path), buffer.getvalue())
