"""Images in rows: memory-mapped, read when they are asked for."""

import mmap
import os
from pathlib import Path

import numpy as np

from lungcls.errors import InputError

BATCH = 256  # rows that one pass over an array holds in memory


class Images:
    """Some rows of an image array (N, H, W), usually memory-mapped, read when they are asked for."""

    def __init__(self, array, rows=None):
        self.array = array
        self.rows = np.arange(len(array)) if rows is None else np.asarray(rows)
        self.shape, self.dtype = (len(self.rows), *array.shape[1:]), array.dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        return np.asarray(self.array[self.rows[index]])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype=dtype)

    def batches(self, size=BATCH):
        """Yield (slice, ndarray) pairs that cover all rows in order."""
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            yield part, self[part]


class Derived(Images):
    """Rows made when asked for, by ``make(row_numbers)``; `release` acts on the file behind `source`."""

    def __init__(self, make, shape, dtype=np.float32, source=None):
        self.make, self.shape, self.dtype = make, tuple(shape), np.dtype(dtype)
        self.rows, self.array = np.arange(self.shape[0]), getattr(source, "array", source)

    def __getitem__(self, index):
        return self.make(self.rows[index])


def as_images(array):
    """Wrap an array as :class:`Images`; leave Images as they are."""
    return array if isinstance(array, Images) else Images(array)


def open_npy(path):
    """Memory-map a `.npy` file for reading; nothing is unpickled, and what is no whole array is refused."""
    if Path(path).is_fifo():  # which would be waited for
        raise InputError(f"{path}: a pipe, expected a file")
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header raises whatever Python's parser does
        raise InputError(f"{path}: not a whole NumPy array of numbers ({_why(path, error)})") from error


def new_npy(path, dtype, shape):
    """Create a `.npy` file to write to, memory-mapped, on reserved space: a full disk is said at once."""
    path = Path(path)
    try:
        array = np.lib.format.open_memmap(path, "w+", dtype, shape)
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be written ({error.strerror})") from error
    return array


def _why(path, error):
    """Say in words why a file is no array."""
    if isinstance(error, OSError):
        return error.strerror
    with Path(path).open("rb") as stream:
        magic = stream.read(6)
    if magic != b"\x93NUMPY":
        return "it does not start like a .npy file"
    if "Python objects" in str(error):
        return "it holds pickled objects"
    if "mmap length" in str(error):
        return "it is shorter than its header says"
    return " ".join(str(error).split())


def check_image(image, source):
    """Refuse one image (H, W) that holds NaN or infinity, or a single grey level; `source` names it."""
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise InputError(f"{source}: NaN or infinite pixels, expected finite grey levels")
    if image.min() == image.max():
        raise InputError(f"{source}: constant ({image.flat[0]}), expected more than one grey level")


def release(array):
    """Let the kernel take back the pages of a memory-mapped array or Images; the content stays on disk."""
    array = getattr(array, "array", array)  # one in memory, or a private copy, is left alone
    if isinstance(array, np.memmap) and array.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)
