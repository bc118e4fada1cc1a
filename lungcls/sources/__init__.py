"""Where cohorts come from: each module here ends in the one folder format.

`lidc` (annotations), `phantom` (simulated slices around them), `course` (the report's own
files) and `folder` (images with a table); `views` cuts the views for all of them.
"""

import hashlib
from importlib.resources import files
import os
from pathlib import Path

from lungcls import cohort as cohorts
from lungcls.errors import InputError
from lungcls.profiles import get_profile


def open_cohort(cohort, *, profile, seed):
    """Open the cohort that a notebook names: a folder, or the phantom.

    Parameters
    ----------
    cohort : path or "phantom"
        A cohort folder; "phantom" is the embedded default, made on first use and kept
        in the cache (`LUNGCLS_CACHE`, else the user's cache folder).
    profile : str
        Says how many cases the phantom has.
    seed : int
        Seed of the phantom.

    Returns
    -------
    Cohort

    Raises
    ------
    InputError
        If there is no such folder or profile, or the folder is no cohort.
    """
    cases = get_profile(profile).cases
    if str(cohort) != "phantom":
        if not Path(cohort).is_dir():
            raise InputError(f"cohort: found {str(cohort)!r}, expected 'phantom' or a cohort folder")
        return cohorts.load(cohort)
    from filelock import FileLock

    folder = cache_folder() / f"phantom-{cases}-s{seed}-{phantom_key()}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # a second process waits and finds it made
        if not folder.exists():
            from lungcls.sources import phantom

            phantom.make(folder, cases=cases, seed=seed)
    return cohorts.load(folder)


def cache_folder():
    """The folder for what can be made again: `LUNGCLS_CACHE`, else the user's cache."""
    import platformdirs

    return Path(os.environ.get("LUNGCLS_CACHE") or platformdirs.user_cache_dir("lungcls", appauthor=False))


def phantom_key():
    """Name the version of the phantom: a digest of its source files and of the index.

    Returns
    -------
    str
        8 hexadecimal digits.
    """
    package = files("lungcls")
    sources = sorted(
        (item for item in (package / "sources" / "phantom").iterdir() if item.name.endswith(".py")),
        key=lambda item: item.name,
    )
    shared = [package / "sources" / name for name in ("lidc.py", "views.py")]
    index = [package / "data" / name for name in ("lidc_nodules.csv", "lidc_scans.csv")]
    digest = hashlib.sha256()
    for item in (*sources, *shared, *index):
        digest.update(item.name.encode() + item.read_bytes())
    return digest.hexdigest()[:8]
