"""Limits of what archselect reads, plans and builds.

All limits are here. `docs/limits.md` lists them, and a test compares both.

Each limit is far above what real data and studies need. It is checked against the size
that a file or an option claims, before memory is taken for it. A larger size is refused
with a message that names the limit.
"""

from __future__ import annotations

from archselect.nasbench_adapters.errors import UserError

MEBIBYTE = 2**20

# Files that are read whole, in bytes.
MOST_STUDY_BYTES = 4 * MEBIBYTE
"""Bytes of a study, a TOML file; the longest built-in one has 10 kB."""
MOST_CODE_BYTES = 16 * MEBIBYTE
"""Bytes of a Python file with a user's classes."""
MOST_JSON_BYTES = 256 * MEBIBYTE
"""Bytes of a JSON file.

A record has 8 kB, the population of all 423,624 cells of NAS-Bench-101 has 100 MB.
"""
MOST_LINE_BYTES = 16 * MEBIBYTE
"""Bytes of a line of a journal; real ones have 10 kB."""
MOST_DEPTH = 100
"""Tables and lists within one another, in TOML; studies have four."""
MOST_DOTS = 1_000
"""Dots in a line of TOML, without decimal points: a key may be a path of many parts."""

# Files that are packed.
MOST_UNPACKED_TIMES = 50
MOST_UNPACKED_BYTES = 256 * MEBIBYTE
MOST_UNPACKED_PICKLE_BYTES = 32 * MEBIBYTE
"""Size to which gzip, bzip2, an `.npz` or Parquet may unpack.

The limit is this multiple of the file's size, or this number of bytes if that is more.
Real tables are packed to a tenth or a twentieth of their size. Objects of a packed
pickle need more memory than its bytes, so the number for pickles is smaller.
"""
MOST_ARRAYS = 10_000
"""Arrays of an `.npz`; a trace has nine for each cell type."""

# Tables.
MOST_COLUMNS = 10_000
MOST_ROWS = 50_000_000
"""Columns and rows of a CSV or Parquet file; NAS-Bench-101 has 10 million trials."""
MOST_FREE_ROWS = 1_000_000
"""Rows that any Parquet file may have; a file with more needs a byte per row."""
MOST_FREE_FIELDS = 5_000_000
MOST_FIELDS_TIMES = 4
"""Fields of a CSV, including those that rows leave out.

The limit is the first number plus this multiple of the file's bytes.
"""

# Files of objects (pickles, torch's files).
MOST_TENSOR_BYTES = 16_384 * MEBIBYTE
"""Bytes of a supernet, a checkpoint or a journal's state.

A DARTS supernet has 10 MB.
"""
MOST_PICKLE_BYTES = 256 * MEBIBYTE
"""Bytes of a pickle that is read whole; one of ImageNet16 has 98 MB."""
MOST_COST_FILE_BYTES = 16 * MEBIBYTE
"""Bytes of a file of torch with one device's costs; HELP's have 15,625 numbers."""
MOST_CONTAINERS = 1_000_000
MOST_CONTAINERS_SHARE = 1 / 16
"""Bytes of a pickle that may each create a list or a table.

The limit is the first number plus this share of all bytes.
"""
MOST_CALL_TIMES = 4
"""Size of the objects that calls in a pickle create, as a multiple of its size."""
MOST_VALUES = 5_000_000
"""Values of a supernet, checkpoint or journal besides its tensors.

Real ones have some thousands.
"""

# Options and studies.
MOST_WHOLE_NUMBER = 2**63 - 1
"""Largest whole number, as in TOML; its negative is the smallest."""
MOST_SEEDS = 100_000
"""Seeds of one option."""
MOST_PARTS = 1_000
"""Spaces, data sets, supernets or selectors of a study."""
MOST_RUNS = 100_000
"""Runs that one study plans. Several studies are joined by `archselect merge`."""
MOST_WORKERS = 10_000
MOST_THREADS = 1_024
MOST_QUERIES = 1_000_000
"""Queries of one run."""
MOST_EPOCHS = 100_000
"""Passes over the images, in any training."""
MOST_BATCHES = 1_000_000
"""Batches in an option or a setting of a selector."""
MOST_COUNT = 10_000
"""Architectures of a population, or changes of one architecture at once."""
MOST_IMAGES_AT_ONCE = 100_000
"""Images of a batch, and of all batches of a network that is scored."""
MOST_LISTED = 10_000_000
"""Architectures of a space that is listed completely."""
MOST_CANDIDATES = 200_000
"""Architectures of a space that is listed to draw queries from, or to rank."""
MOST_FRONT_CELLS = 50_000
"""Architectures of a space whose true front of accuracy and cost is computed."""
MOST_EXACT_CELLS = 20_000
"""Cells up to which the expected hypervolume is computed; beyond, it is simulated.

The work grows with the square of the number of cells.
"""
MOST_CELLS_SAMPLED = 1_000_000
"""Architectures of `--cells sample:N`."""
MOST_CHANNELS = 4_096
"""Channels of a network's first stage; published networks have at most 128."""
MOST_LAYERS = 1_000
"""Layers, or cells of a stage, of a network; published networks have at most 20."""
MOST_WEIGHTS = 10_000_000_000
"""Weights of a network, counted as if all convolutions were dense and 3x3.

The supernet of DARTS has 400 million by this count.
"""


def most_unpacked(packed: int, always: int = MOST_UNPACKED_BYTES) -> int:
    """Return the number of bytes to which a packed file may unpack.

    Args:
        packed: Bytes of the file.
        always: Bytes to which even a small file may unpack.
    """
    return max(always, MOST_UNPACKED_TIMES * packed)


def check_byte_count(what: object, count: int, most: int) -> None:
    """Raise UserError if something, such as a file, has more bytes than a limit."""
    if count > most:
        raise UserError(
            f"{what} has {count:,} bytes, more than {format_bytes(most)}: use a smaller "
            "file"
        )


def unpacked_too_large(what: object, packed: int, most: int) -> UserError:
    """Return the error for a packed file that unpacks to too many bytes.

    Args:
        what: The file, for the message.
        packed: Bytes of the file.
        most: Bytes to which it may unpack.
    """
    return UserError(
        f"{what} has {packed:,} bytes and unpacks to more than {format_bytes(most)}, the "
        "limit for a file of its size: get it again, or store it unpacked"
    )


def format_bytes(count: int) -> str:
    """Return a number of bytes with a unit: "3 bytes", "4 MiB"."""
    if count < MEBIBYTE:
        return f"{count:,} bytes"
    return f"{count / MEBIBYTE:,.0f} MiB"
