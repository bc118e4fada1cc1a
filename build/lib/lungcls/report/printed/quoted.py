"""What the report states, quoted from one file, `reported.json`."""

from functools import cache
from importlib.resources import files
import json

import pandas as pd

from lungcls.cohorts.cohort import TASKS

TABLE_2 = {"binary": "Binary", "multiclass": "MultiClass", "wide": "FullSlice", "nodule": "Nodule"}
# What it calls the rows of its table 2, by task and view.
ROWS = {(task, view): f"{TABLE_2[task]}_{TABLE_2[view]}" for task in TASKS for view in ("wide", "nodule")}


@cache
def load():
    """Read everything that is quoted from the report (simeone2025); percentages are texts as printed."""
    return json.loads((files("lungcls") / "report" / "printed" / "reported.json").read_text(encoding="utf-8"))


def _known(what, name, values):
    """Return what has this name; refuse an unknown one, listing the names."""
    if name not in values:
        raise ValueError(f"{what}: found {name!r}, expected one of {', '.join(values)}")
    return values[name]


def class_counts():
    """Return the report's own counts of the binary task, indexed by "benign" and "malignant"."""
    return pd.Series({name: load()["data"][name] for name in ("benign", "malignant")}, name="cases")


def claim(name):
    """Return a statement of the report in its own words.

    The report is [1]_; the words are quoted as they are printed.

    Parameters
    ----------
    name : str
        Its name under `claims` of `reported.json`.

    Returns
    -------
    dict
        `section` and `words`.

    Raises
    ------
    ValueError
        If there is no such claim; the message lists the names.

    References
    ----------
    .. [1] simeone2025

    Examples
    --------
    >>> from lungcls.report import claim
    >>> claim("clahe")["section"]
    '2.4.1'
    """
    return _known("claim", name, load()["claims"])


def f1_table():
    """Return the report's table 1, F1 on the test set in percent: models by (task, view)."""
    rows = {model: pd.DataFrame(tasks).unstack() for model, tasks in load()["f1_percent"].items()}
    return pd.DataFrame(rows).T.astype(float).rename_axis("model")


def main_results():
    """Return the report's table 2, precision, accuracy and F1 in percent, by its own names of the rows."""
    return pd.DataFrame.from_dict(load()["main_results_percent"], orient="index").astype(float)
