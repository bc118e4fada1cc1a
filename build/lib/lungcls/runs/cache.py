"""The cache: arrays and folders that runs share and that can be made again.

A name follows from the content that it is made of and from the code that makes it, by the imports of
one module. Two processes that ask for the same make it once.
"""

from contextlib import contextmanager, suppress
import hashlib
import io
import json
import os
from pathlib import Path
import warnings

from filelock import FileLock
import numpy as np
from tqdm import tqdm

from lungcls.errors import InputError
from lungcls.files import code_digests, sha, whole_text

CHUNK = 64  # rows that are made at once; also what a killed process loses at most


def array(folder, content, shape, make, *, entry, title, progress=False):
    """Return a memory-mapped float32 array and the digest that names it; make it where it is not there.

    `make(start, stop)` gives rows; `entry` names the module whose imports make up the code, "runs.inputs".
    A killed process goes on where it stopped, and memory does not grow with the number of rows.
    """
    digest = sha([content, code_digests(entry)])
    path = Path(folder) / f"{digest[:32]}.npy"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _is_whole(path):
            with FileLock(path.with_suffix(".lock")):
                if path.exists() and not _is_whole(path):
                    warnings.warn(f"{path}: damaged, starting over", stacklevel=2)
                    path.unlink()
                if not path.exists():
                    with gone_on_error(path.with_suffix(".part")):
                        _write(path, shape, make, title, progress)
                    _remember(path)
    except OSError as error:
        raise InputError(f"{path.parent}: {title} cannot be written ({error.strerror or error})") from error
    return np.load(path, mmap_mode="r"), digest


def _is_whole(path):
    """Whether a file holds what was written; it is read again only where its size or time has changed."""
    try:
        *seen, digest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if seen != _stat(path) and digest != _digest(path):
            return False
    except (OSError, ValueError):
        return False
    return True


def _remember(path):
    whole_text(path.with_suffix(".json"), json.dumps([*_stat(path), _digest(path)]))


def _stat(path):
    return [path.stat().st_size, path.stat().st_mtime_ns]


def _digest(path):
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()


def _write(path, shape, make, title, progress):
    """Append chunk after chunk to a part file; rename it when it is whole."""
    part, header = path.with_suffix(".part"), _header(shape)
    row_bytes = 4 * int(np.prod(shape[1:]))
    kept = part.stat().st_size - len(header) if part.exists() else -1
    done = max(0, kept) // (CHUNK * row_bytes) * CHUNK
    with part.open("r+b" if kept >= 0 else "wb") as stream:
        stream.write(header)
        stream.truncate(len(header) + done * row_bytes)
        stream.seek(0, os.SEEK_END)
        with tqdm(total=shape[0], initial=done, desc=title, disable=None if progress else True) as bar:
            for start in range(done, shape[0], CHUNK):
                rows = make(start, min(start + CHUNK, shape[0]))
                stream.write(np.ascontiguousarray(rows, dtype="<f4"))
                bar.update(len(rows))
    os.replace(part, path)


def _header(shape):
    stream = io.BytesIO()
    content = {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(stream, content)
    return stream.getvalue()


@contextmanager
def gone_on_error(path):
    """Remove a half written file where writing it raises an OSError, such as a full disk."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise
