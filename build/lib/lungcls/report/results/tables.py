"""Tables of results: every score with its interval, and never without the baselines.

A *result* is the test part of a `predictions.csv` with the patient of each case, so runs and
baselines are treated alike.
"""

import numpy as np
import pandas as pd

from lungcls.errors import InputError
from lungcls.models import baselines
from lungcls.report.wording import MINUS
from lungcls.runs.evaluation import intervals_of, paired, result_of

# Names that a table shows, and those of lungcls.models.baselines. The first two must be in every table.
BASELINES = {
    "majority class": "majority",
    "diameter alone": "diameter",
    "radiomic measures": "radiomics",
    "padding alone": "padding",
    "second reader": "second_reader",
}
REQUIRED = tuple(BASELINES)[:2]


def required_results(cohort, split, *, task, seed):
    """Return the results of the baselines that no table is without."""
    names = [BASELINES[name] for name in REQUIRED]
    found, _ = baseline_predictions(cohort, split, task=task, seed=seed, names=names)
    return {title: result_of(table, cohort) for title, table in found.items()}


def baseline_predictions(cohort, split, *, task, seed, names):
    """Fit baselines and predict all cases of a split, by title; and why there are no others."""
    if unknown := set(names) - set(BASELINES.values()):
        expected = f"some of {', '.join(BASELINES.values())}"
        raise ValueError(f"names: found {', '.join(sorted(unknown))}, expected {expected}")
    found, missing = {}, {}
    for title, name in ((title, name) for title, name in BASELINES.items() if name in names):
        try:
            found[title] = _predicted(name, cohort, split, task=task, seed=seed)
        except InputError as error:
            missing[title] = str(error)
    return found, missing


def _predicted(name, cohort, split, **options):
    """Predict with one baseline; where a split has folds, each case by the fit on all other folds."""
    if "fold" not in split:
        return baselines.predict_baseline(name, cohort, split, **options)
    found = []
    for fold in sorted(set(split["fold"])):
        parts = split.assign(split=np.where(split["fold"] == fold, "test", "train"))
        table = baselines.predict_baseline(name, cohort, parts, **options)
        found.append(table[table["split"] == "test"].assign(fold=fold))
    return pd.concat(found, ignore_index=True)


def scored(results, *, task, seed):
    """Score results by name with 95 % intervals over patients; the ``REQUIRED`` baselines are among them."""
    if lacking := " and no ".join(name for name in REQUIRED if name not in results):
        raise ValueError(f"results: found no {lacking}, expected the baselines in every table")
    parts = {name: intervals_of(result, task=task, seed=seed) for name, result in results.items()}
    return pd.concat(parts, names=["name", None]).reset_index(level="name").reset_index(drop=True)


def results_table(table, *, scores, percent=False):
    """Lay out scores for reading, one row a name: cases, then each score with its interval.

    Parameters
    ----------
    table : DataFrame
        From :func:`lungcls.report.results.tables.scored`.
    scores : sequence of str
    percent : bool, default False
        Write them in percent with one decimal, as the report does.

    Returns
    -------
    DataFrame of str, indexed by name

    Examples
    --------
    >>> import pandas as pd
    >>> from lungcls.report import results_table
    >>> row = {"name": "CNN", "score": "AUC", "value": 0.81, "low": 0.74, "high": 0.87, "n": 475}
    >>> results_table(pd.DataFrame([row]), scores=["AUC"], percent=True).loc["CNN"].tolist()
    ['475', '81.0 [74.0, 87.0]']
    """
    rows = {}
    for name, found in table.groupby("name", sort=False):
        found = found.set_index("score")
        rows[name] = {"n": str(found["n"].iloc[0])}
        rows[name] |= {score: with_interval(found.loc[score], percent=percent) for score in scores}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def with_interval(row, *, percent=False, sign=False, decimals=None):
    """Write a value and its interval: 0.81 [0.74, 0.87].

    Parameters
    ----------
    row : mapping
        `value` (or `difference`), `low` and `high`.
    percent : bool, default False
    sign : bool, default False
        Write a plus before what is above 0.
    decimals : int, optional
        By default 1 in percent, else 2.

    Returns
    -------
    str
        "–" for a value that is not defined.

    Examples
    --------
    >>> from lungcls.report import with_interval
    >>> with_interval({"value": 0.814, "low": 0.742, "high": 0.871})
    '0.81 [0.74, 0.87]'
    >>> with_interval({"difference": 0.031, "low": 0.004, "high": 0.058}, percent=True, sign=True)
    '+3.1 [+0.4, +5.8]'
    """
    value = row["difference"] if "difference" in row else row["value"]
    if pd.isna(value):
        return "–"
    places, whole = (1 if percent else 2) if decimals is None else decimals, 100 if percent else 1
    numbers = [whole * number for number in (value, row["low"], row["high"])]
    hidden = any(0 < abs(end) < 0.5 * 0.1**places for end in numbers[1:])  # on which side of 0 it lies
    places += hidden and (sign or min(numbers) < 0)
    form = f"{'+' if sign else ''}z.{places}f"  # z: no minus before a zero
    parts = (f"{number:{form}}" for number in numbers)
    return "{} [{}, {}]".format(*parts).replace("-", MINUS)


def gains_of(found, names):
    """Write the rows of :func:`differences` of some names in percentage points; a dash for the others."""
    rows = (found.loc[name] if name in found.index else None for name in names)
    return ["–" if row is None else with_interval(row, percent=True, sign=True) for row in rows]


def differences(results, base, *, task, score, seed):
    """Compare results by name with one on the same cases: difference, 95 % interval, p, n, patients."""
    # The other scores need no probabilities, which cost most.
    options = {"task": task, "seed": seed, "ranked": score.startswith(("AUC", "average precision"))}
    others = {name: result for name, result in results.items() if name != base}
    rows = {name: paired(result, results[base], **options).loc[score] for name, result in others.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model").drop(columns="resamples")
