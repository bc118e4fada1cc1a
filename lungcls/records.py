"""Runs without their networks: what a book can carry of a study on images that it must not hold.

A record is a run's folder without `model.keras`: :func:`lungcls.runs.list_runs` opens it, and
every score can be computed from it again. A code change never makes it invalid; it shows the
key that it was made under.
"""

from pathlib import Path
import shutil

from lungcls.errors import InputError
from lungcls.files import whole_folder

FILES = ("config.json", "environment.json", "history.csv", "predictions.csv")
SOME = ("decoding.json",)  # of runs that have a decision rule


def record(run, folder):
    """Copy a run without its network, whole or not at all.

    Parameters
    ----------
    run : lungcls.runs.Run
    folder : path
        Where records lie side by side; a record of that name which is there is kept.

    Returns
    -------
    Path
        The record's own folder.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    place = Path(folder) / run.id
    if not place.exists():
        try:
            with whole_folder(place) as scratch:
                for name in [*FILES, *(name for name in SOME if (run.folder / name).exists())]:
                    shutil.copyfile(run.folder / name, scratch / name)
        except OSError as error:
            raise InputError(f"{place}: cannot be written ({error.strerror})") from error
    return place
