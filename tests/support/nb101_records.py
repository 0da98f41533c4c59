"""Records of NAS-Bench-101's files, written byte by byte."""

import base64
import json
import struct

import numpy as np

from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nb101 import (
    OPERATIONS,
    canonical_graph,
    graph_hash,
)

SPACE = get_space("nb101")


def slow_crc32c(data):
    """Bit by bit, from the polynomial's definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def slow_masked(data):
    crc = slow_crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def double(number, value):
    return varint(number << 3 | 1) + struct.pack("<d", value)


def evaluation(epoch, valid, test):
    inner = (
        double(1, epoch)
        + double(2, 12.5 * epoch)
        + double(3, 1.0)
        + double(4, valid)
        + double(5, test)
    )
    inner += varint(6 << 3 | 2) + varint(4) + b"path"
    return varint(1 << 3 | 2) + varint(len(inner)) + inner


def metrics(epochs, valid, test):
    """A ModelMetrics of three evaluations, of which the last counts; accuracies in single precision, as released."""
    shares = [evaluation(0.0, 0.1, 0.1), evaluation(epochs / 2, 0.5, 0.5)]
    shares.append(
        evaluation(float(epochs), float(np.float32(valid)), float(np.float32(test)))
    )
    return b"".join(shares) + varint(2 << 3) + varint(2_694_282) + double(3, 99.0)


def payload(module, epochs, valid, test, **changes):
    names = ",".join(["input", *(OPERATIONS[k] for k in module.operations), "output"])
    fields = {
        "hash": graph_hash(module),
        "epochs": epochs,
        "adjacency": module.bits,
        "operations": names,
        "metrics": base64.b64encode(metrics(epochs, valid, test)).decode(),
    }
    return json.dumps(list((fields | changes).values())).encode()


def record(data):
    length = struct.pack("<Q", len(data))
    return (
        length
        + struct.pack("<I", slow_masked(length))
        + data
        + struct.pack("<I", slow_masked(data))
    )


def some_modules(count, space=SPACE, seed=0):
    rng, found = np.random.default_rng(seed), {}
    while len(found) < count:
        module = space.cell_graph(space.sample(rng))
        found.setdefault(canonical_graph(module), module)
    return list(found.values())
