"""The first line of an experiment: open a cohort, whatever it is given as."""

from pathlib import Path

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.files import cache_folder
from lungcls.profiles import get_profile
from lungcls.sources import annotations


def open_cohort(cohort, *, profile="quick", seed=0):
    """Open a cohort: a folder, or the phantom.

    Parameters
    ----------
    cohort : path, "phantom" or Cohort
        A cohort folder; "phantom" is the embedded default, made on first use and kept
        in the cache (`LUNGCLS_CACHE`, else the user's cache folder); a cohort that is
        open is returned as it is.
    profile : {"smoke", "quick", "full"}, default "quick"
        Says how many cases the phantom has.
    seed : int, default 0
        Seed of the phantom.

    Returns
    -------
    Cohort

    Raises
    ------
    InputError
        If there is no such folder or profile, or the folder is no cohort.

    Examples
    --------
    >>> data = open_cohort("phantom", profile="smoke")
    >>> open_cohort("nowhere")
    Traceback (most recent call last):
    lungcls.errors.InputError: cohort: found 'nowhere', expected 'phantom' or a cohort folder
    """
    cases = get_profile(profile).cases
    if isinstance(cohort, cohorts.Cohort):
        return cohort
    if str(cohort) != "phantom":
        if not Path(cohort).is_dir():
            raise InputError(f"cohort: found {str(cohort)!r}, expected 'phantom' or a cohort folder")
        return cohorts.load(cohort)
    from filelock import FileLock

    version = annotations.version("sources.phantom.making")[:8]
    folder = cache_folder() / f"phantom-{cases}-s{seed}-{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # a second process waits and finds it made
        if not folder.exists():
            from lungcls.sources.phantom import making

            making.make(folder, cases=cases, seed=seed)
    return cohorts.load(folder)
