"""Which views and which cases a notebook shows: by rules that its text can state."""

import re

import numpy as np

from lungcls.cohorts.cohort import VIEWS
from lungcls.errors import InputError

VIEW_NAMES = {"full_slice": "full slice", "nodule": "zoomed nodule", "context": "context window"}
VIEW_NAMES |= {f"{view}+nodule": f"{VIEW_NAMES[view]} and nodule" for view in ("full_slice", "context")}


def choose_views(cohort, requested):
    """Find the requested views that a cohort has.

    Parameters
    ----------
    cohort : Cohort
    requested : sequence of {"full_slice", "nodule", "context"}, or str
        In order of preference; a text, as papermill's ``-p`` gives it, may name several.

    Returns
    -------
    shown, missing : list of str
        Those that the cohort has and those that it lacks, in the order of `requested`.

    Raises
    ------
    InputError
        If a view is unknown or the cohort has none of them.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from lungcls.cohorts.cohort import Cohort
    >>> from lungcls.report import choose_views
    >>> choose_views(Cohort(pd.DataFrame(), {"nodule": np.zeros((0, 8, 8))}), "nodule, context")
    (['nodule'], ['context'])
    """
    requested = re.findall(r"\w+", requested) if isinstance(requested, str) else list(requested)
    unknown = [view for view in requested if view not in VIEWS]
    if unknown or not requested:
        found = ", ".join(map(str, unknown)) or "none"
        raise InputError(f"views: found {found}, expected some of {', '.join(VIEWS)}")
    shown = [view for view in requested if view in cohort.views]
    if not shown:
        has = ", ".join(cohort.views)
        raise InputError(f"views: {cohort.name} has none of {', '.join(requested)}, expected some of {has}")
    return shown, [view for view in requested if view not in shown]


def nearest(values, target):
    """Return the row whose value is nearest to a target, the first of equals; NaN only for want of others."""
    gap = np.abs(np.asarray(values, dtype=float) - target)
    return int(np.argmin(np.where(np.isnan(gap), np.inf, gap)))


def typical_cases(values, scores, n):
    """Choose n rows, scores in turn, those nearest to the score's median value first; in order of scores."""
    values, scores = np.asarray(values, dtype=float), np.asarray(scores)
    turn = np.zeros(len(scores), dtype=int)
    for score in np.unique(scores):
        rows = np.flatnonzero(scores == score)
        middle = np.nanmedian(values[rows]) if np.isfinite(values[rows]).any() else 0.0
        turn[rows[np.argsort(np.abs(values[rows] - middle), kind="stable")]] = np.arange(len(rows))
    chosen = np.lexsort((scores, turn))[:n]
    return chosen[np.lexsort((turn[chosen], scores[chosen]))]
