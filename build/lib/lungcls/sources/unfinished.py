"""Where an import of DICOM files goes on after it was interrupted: what has been cut so far."""

from contextlib import contextmanager, suppress
import json
import shutil

from filelock import FileLock, Timeout

from lungcls.errors import InputError
from lungcls.preprocessing.images import new_npy, open_npy, release
from lungcls.sources import annotations, views

BATCH = 16  # slices that are copied in one go


@contextmanager
def workplace(folder, n):
    """Open the hidden folder beside `folder` that holds what has been cut; one import at a time.

    An array has a row a case (empty ones take no disk where files can be sparse), `done.jsonl`
    a line a series. What another version of the code or the index left there is thrown away.
    """
    folder = folder.absolute()
    work = folder.parent / f".{folder.name}-unfinished"
    missing = [parent for parent in folder.parents if not parent.exists()]
    key = f"{n} {annotations.version('sources.dicom')}"
    try:
        work.mkdir(parents=True, exist_ok=True)
        with FileLock(work / "lock", timeout=0):
            if not (work / "key").exists() or (work / "key").read_text() != key:
                views.new_arrays(work, n, make=views.sparse_npy)
                (work / "done.jsonl").write_text("")
                (work / "key").write_text(key)
            try:
                yield work
            except InputError:  # nothing to go on with
                shutil.rmtree(work)
                for parent in missing:
                    with suppress(OSError):
                        parent.rmdir()
                raise
    except Timeout as error:
        raise InputError(f"{folder}: another import into it is running") from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error


def read_done(work):
    """What is done, by series; a last line that was cut off does not count."""
    done = {}
    for line in (work / "done.jsonl").read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            record = json.loads(line)
            done[record["series"]] = record
    return done


def gather(work, folder, rows):
    """Copy rows of each array into a new one in `folder`, a few at a time."""
    for name in views.ARRAYS:
        array = open_npy(work / f"{name}.npy")
        out = views.new_arrays(folder, len(rows), [name], make=new_npy)[name]
        for start in range(0, len(rows), BATCH):
            out[start : start + BATCH] = array[rows[start : start + BATCH]]
            release(array), release(out)
        out.flush()
