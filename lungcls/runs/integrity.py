"""Whether a run's folder still holds what training wrote: its key, and a digest of each file.

::

    runs/<run>/digests.json   SHA-256 of each file, written last when the run is trained
"""

from functools import cache
import hashlib
import json
from pathlib import Path

from lungcls.errors import InputError
from lungcls.files import sha

NAME = "digests.json"


def seal(folder):
    """Write the digest of every file of a folder into it."""
    found = {path.name: _digest_of(path) for path in sorted(Path(folder).iterdir()) if path.name != NAME}
    (Path(folder) / NAME).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def is_sealed(run):
    """Whether the files of a run can be verified; those of earlier versions and records cannot."""
    return (run.folder / NAME).exists()


def verify(run):
    """Refuse a run whose files are not those that training wrote, or that cannot show it; return it."""
    if sha(run.config["parts"]) != run.config["key"]:
        raise InputError(f"{run.folder / 'config.json'}: does not give the key of the run, expected no edit")
    if not is_sealed(run):
        found = f"found no {NAME}, which runs of earlier versions and records lack"
        raise InputError(
            f"{run.folder}: {found}: it can be shown and scored; train it again to predict with it"
        )
    for name, digest in _sealed(run.folder / NAME).items():
        if _digest_of(run.folder / name) != digest:
            raise InputError(
                f"{run.folder / name}: not what training wrote, expected no change; train it again"
            )
    return run


def _sealed(path):
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not {"config.json", "predictions.csv"} <= set(found):
            raise ValueError("it names no config.json or no predictions.csv")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: holds no digests ({error})") from error
    return found


def _digest_of(path):
    """SHA-256 of a file, remembered as long as its size and time stay."""
    try:
        stat = path.stat()
        return _digest(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


@cache
def _digest(path, size, time):
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
