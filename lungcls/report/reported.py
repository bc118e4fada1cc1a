"""What the report states, quoted from one file, `reported.json`."""

from functools import cache
from importlib.resources import files
import json

import pandas as pd


@cache
def load():
    """Read everything that is quoted from the report.

    Returns
    -------
    dict
        Percentages are texts with the decimals that are printed; `where` names the
        section or table of each part.

    References
    ----------
    .. [1] simeone2025
    """
    return json.loads((files("lungcls") / "report" / "reported.json").read_text(encoding="utf-8"))


def class_counts():
    """Return the report's own counts of the binary task.

    Returns
    -------
    Series of int, indexed by "benign", "malignant"
    """
    return pd.Series({name: load()["data"][name] for name in ("benign", "malignant")}, name="cases")


def claim(name):
    """Return a statement of the report in its own words.

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
    """
    claims = load()["claims"]
    if name not in claims:
        raise ValueError(f"claim: found {name!r}, expected one of {', '.join(claims)}")
    return claims[name]


def f1_table():
    """Return the report's table 1: F1 on the test set.

    Returns
    -------
    DataFrame of float, in percent
        Rows: models; columns: (task, view).
    """
    rows = {
        model: {(task, view): float(text) for task, views in tasks.items() for view, text in views.items()}
        for model, tasks in load()["f1_percent"].items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def main_results():
    """Return the report's table 2: precision, accuracy and F1 on the test set.

    Returns
    -------
    DataFrame of float, in percent
        Rows: ``Binary_FullSlice`` .. ``MultiClass_Nodule``, the report's names.
    """
    return pd.DataFrame.from_dict(load()["main_results_percent"], orient="index").astype(float)
