"""Outputs appear whole or not at all."""

from contextlib import contextmanager, suppress
import os
from pathlib import Path
import shutil
import tempfile

from lungcls.errors import InputError


@contextmanager
def whole_folder(folder):
    """Write a folder whole or not at all.

    Parameters
    ----------
    folder : path
        Must not exist, or be empty.

    Yields
    ------
    Path
        A temporary folder beside it, renamed to `folder` when the block ends well and
        removed when it does not.

    Raises
    ------
    InputError
        If `folder` exists and holds something, or cannot be written.
    """
    folder = Path(folder)
    missing = [parent for parent in folder.parents if not parent.exists()]
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: already there, expected a new or empty folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
    try:
        yield scratch
        scratch.chmod(0o777 & ~_umask())
        os.replace(scratch, folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        for parent in missing:  # innermost first; those that something else uses stay
            with suppress(OSError):
                parent.rmdir()
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def whole_text(path, text):
    """Write a text file whole or not at all.

    Parameters
    ----------
    path : Path
        One that is there is replaced.
    text : str

    Raises
    ------
    InputError
        If it cannot be written.
    """
    part = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
