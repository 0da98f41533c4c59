"""How much archselect reads, plans and builds at most.

All limits stand here; `docs/limits.md` says them in words.

Each is far above what real data and studies need, and is held against what a file or an
option says before memory is taken for it. What is over a limit is refused with a
message that names the limit.
"""

from __future__ import annotations

from archselect.nasbench_adapters.errors import UserError

MEBIBYTE = 2**20

# Files that are read whole.
MOST_STUDY_BYTES = 4 * MEBIBYTE
"""Of a study, a TOML file; the longest built-in one has 10 kB."""
MOST_CODE_BYTES = 16 * MEBIBYTE
"""Of a Python file with classes of a user's own."""
MOST_JSON_BYTES = 256 * MEBIBYTE
"""Of a JSON file, such as a record (8 kB) or the population of all 423,624 cells of
NAS-Bench-101 (100 MB).
"""
MOST_LINE_BYTES = 16 * MEBIBYTE
"""Of a line of a journal; real ones have 10 kB."""
MOST_DEPTH = 100
"""Tables and lists within one another, in TOML; studies have four."""
MOST_DOTS = 1_000
"""Dots in a line of TOML that are not within numbers: a key may be a path of many
parts.
"""

# Files that are packed.
MOST_UNPACKED_TIMES = 50
MOST_UNPACKED_BYTES = 256 * MEBIBYTE
MOST_UNPACKED_PICKLE_BYTES = 32 * MEBIBYTE
"""What gzip, bzip2, an `.npz` or Parquet unpacks to: so many times the file's size, or so many bytes if that is more.

Real tables are packed to a tenth or a twentieth. What a packed pickle makes takes more
memory than its bytes.
"""
MOST_ARRAYS = 10_000
"""Arrays of an `.npz`; a trace has nine for each cell type."""

# Tables.
MOST_COLUMNS = 10_000
MOST_ROWS = 50_000_000
"""Columns and rows of a CSV or Parquet file; NAS-Bench-101 has 10 million trials."""
MOST_FREE_ROWS = 1_000_000
"""Rows of a Parquet file that it may have however small it is; a larger number must not
exceed its bytes.
"""
MOST_FREE_FIELDS = 5_000_000
MOST_FIELDS_TIMES = 4
"""Fields of a CSV, those that rows leave out among them: so many, and so many times the
bytes of the file.
"""

# Files of objects (pickles, torch's files).
MOST_TENSOR_BYTES = 16_384 * MEBIBYTE
"""Of a supernet, a checkpoint or a journal's state; a DARTS supernet has 10 MB."""
MOST_PICKLE_BYTES = 256 * MEBIBYTE
"""Of a pickle that is read whole; one of ImageNet16's has 98 MB."""
MOST_CONTAINERS = 1_000_000
MOST_CONTAINERS_SHARE = 1 / 16
"""Bytes of a pickle that may make a list or a table: so many, and this share of all."""
MOST_CALL_TIMES = 4
"""What the calls in a pickle make, such as arrays of bytes, in times of the pickle's
size.
"""
MOST_VALUES = 5_000_000
"""Values of a supernet, checkpoint or journal besides its tensors; real ones have some
thousands.
"""

# Options and studies.
MOST_WHOLE_NUMBER = 2**63 - 1
"""Of whole numbers, as TOML has it, and its negative."""
MOST_SEEDS = 100_000
"""Seeds of one option."""
MOST_PARTS = 1_000
"""Spaces, data sets, supernets or selectors of a study."""
MOST_RUNS = 100_000
"""Runs that one study plans. Several studies are joined by `archselect merge`."""
MOST_WORKERS = 10_000
MOST_THREADS = 1_024
MOST_EPOCHS = 100_000
"""Passes over the images, in any training."""
MOST_BATCHES = 1_000_000
"""Batches that an option or a setting of a selector asks for."""
MOST_IMAGES_AT_ONCE = 100_000
"""Images of a batch, and of all batches of a network that is scored."""
MOST_LISTED = 10_000_000
"""Architectures of a space that is listed whole."""
MOST_CELLS_SAMPLED = 1_000_000
"""Architectures of `--cells sample:N`."""
MOST_CHANNELS = 4_096
"""Channels of a network's first stage; published networks have at most 128."""
MOST_LAYERS = 1_000
"""Layers, or cells of a stage, of a network; published networks have at most 20."""
MOST_WEIGHTS = 10_000_000_000
"""Numbers in a network's convolutions, reckoned as if all were dense 3x3 ones; DARTS'
supernet has 400 million so.
"""


def most_unpacked(packed: int, always: int = MOST_UNPACKED_BYTES) -> int:
    """Return how many bytes a packed file of so many bytes may unpack to; so many in any case."""
    return max(always, MOST_UNPACKED_TIMES * packed)


def check_byte_count(what: object, count: int, most: int) -> None:
    """Raise UserError if something, such as a file, has more bytes than are read."""
    if count > most:
        raise UserError(
            f"{what} has {count:,} bytes, and at most {format_bytes(most)} are read: use a smaller file"
        )


def unpacked_too_large(what: object, packed: int, most: int) -> UserError:
    """Return the error for a file of so many bytes that unpacks to more than the most that is read."""
    return UserError(
        f"{what} has {packed:,} bytes and unpacks to more than {format_bytes(most)}, the most that is read of such a "
        "file: get it again, or store it unpacked"
    )


def format_bytes(count: int) -> str:
    """Return a number of bytes in words: "3 bytes", "4 MiB"."""
    return f"{count:,} bytes" if count < MEBIBYTE else f"{count / MEBIBYTE:,.0f} MiB"
