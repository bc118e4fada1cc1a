"""Runs without their networks: what a book can carry of a study on images that it must not hold.

A record is a run's folder without `model.keras`: :func:`lungcls.runs.store.list_runs` opens it, and
every score can be computed from it again. A code change never makes it invalid; it shows the
key that it was made under.
"""

from pathlib import Path
import shutil

import pandas as pd

from lungcls.errors import InputError
from lungcls.files import whole_folder, whole_text
from lungcls.models import baselines

BASELINES = ("radiomics", "padding")  # those that need the images
FILES = ("config.json", "environment.json", "history.csv", "predictions.csv")
SOME = ("decoding.json",)  # of runs that have a decision rule


def record(run, folder):
    """Copy a run without its network, whole or not at all.

    Parameters
    ----------
    run : lungcls.runs.store.Run
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


def record_baselines(cohort, split, name, folder, *, task, seed=0):
    """Keep what the baselines that need images answer, beside the records of a split.

    Parameters
    ----------
    cohort : Cohort
    split : DataFrame
        `case_id` and `split`.
    name : str
        Of the split, as in a run's configuration.
    folder : path
        As for :func:`record`; the tables lie in ``baselines/<split>`` and replace others.
    task : {"binary", "multiclass"}
    seed : int, default 0

    Returns
    -------
    dict of str to str
        Why, by baseline, there is no table.

    Raises
    ------
    InputError
        If a table cannot be written.
    """
    missing = {}
    for baseline in BASELINES:
        try:
            table = baselines.predict(baseline, cohort, split, task=task, seed=seed)
        except InputError as error:
            missing[baseline] = str(error)
            continue
        path = Path(folder) / "baselines" / name / f"{task}-{baseline}.csv"
        whole_text(path, table.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    return missing


def read_baselines(folder, name, task):
    """Open what :func:`record_baselines` kept.

    Returns
    -------
    dict of str to DataFrame
        By baseline, as :func:`lungcls.models.baselines.predict` gives them; empty if none was kept.
    """
    place = Path(folder) / "baselines" / name
    paths = {baseline: place / f"{task}-{baseline}.csv" for baseline in BASELINES}
    return {
        baseline: pd.read_csv(path, dtype={"case_id": str}, keep_default_na=False)
        for baseline, path in paths.items()
        if path.exists()
    }
