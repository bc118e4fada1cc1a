"""Where cohorts come from: each module here ends in the one folder format.

`lidc` (annotations), `phantom` (simulated slices around them), `course` (the report's own
files) and `folder` (images with a table); `views` cuts the views for all of them.
"""

from pathlib import Path

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.files import cache_folder
from lungcls.profiles import get_profile
from lungcls.sources.phantom.version import phantom_key


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
            from lungcls.sources.phantom import making

            making.make(folder, cases=cases, seed=seed)
    return cohorts.load(folder)
