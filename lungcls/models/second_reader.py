"""One reader of each nodule as a predictor of the others.

Scored, this estimates how well one average reader foresees a panel of one to three
colleagues. It is not the score that a reader would have on a cohort's own labels: those hold
the reader's own vote, come from larger panels and also cover nodules with a single reader.
The readers of LIDC-IDRI saw each other's marks before their last reading, which may have
helped them to agree.
"""

import numpy as np
import pandas as pd

from lungcls.cohorts.case_table import refuse_rows
from lungcls.cohorts.cohort import TASKS, to_binary
from lungcls.errors import InputError
from lungcls.metrics.ratings import parse_ratings
from lungcls.sources.annotations import aggregate


def draw(ratings, *, seed):
    """Draw one reader of each panel (armato2011): the score, 1..5, and the mean of the others rounded up."""
    # `ratings` are texts of scores separated by spaces; both are 0 where there are fewer than two.
    panels = parse_ratings(ratings)
    predicted, label = np.zeros(len(panels), dtype=int), np.zeros(len(panels), dtype=int)
    places = np.random.default_rng(seed).random(len(panels))
    paired = [i for i, panel in enumerate(panels) if len(panel) >= 2]
    others = []
    for i in paired:
        drawn = int(places[i] * len(panels[i]))
        predicted[i] = panels[i][drawn]
        others.append(" ".join(map(str, np.delete(panels[i], drawn))))
    label[paired] = aggregate(others, "ceil_mean")
    return predicted, label


def halves(cases, columns, *, seed):
    """Divide the readers of each nodule at random into two halves, and give what each half said.

    Parameters
    ----------
    cases : DataFrame
        With `ratings` and the other columns: a number a reader, in one order, separated by spaces.
    columns : sequence of str
        What to give beside the score, such as an attribute or the readers' diameters.
    seed : int

    Returns
    -------
    tuple of two DataFrame
        Of nodules with two readers or more, the rows of `cases`: the mean of each column over the readers
        of a half, and `malignancy`, the mean of their scores rounded up. Of an odd number of readers, the
        one in the middle falls to either half.

    Raises
    ------
    InputError
        If a nodule has not as many numbers in a column as ratings.

    Examples
    --------
    >>> cases = pd.DataFrame({"ratings": ["5 1", "3"], "spiculation": ["4 2", "1"]})
    >>> first, second = halves(cases, ["spiculation"], seed=0)
    >>> sorted([*first["malignancy"], *second["malignancy"]]), len(first)
    ([1, 5], 1)
    """
    rng, readers = np.random.default_rng(seed), cases["ratings"].str.split().str.len()
    cases, readers = cases[readers > 1], readers[readers > 1]
    orders = [rng.permutation(n) for n in readers]
    cuts = (readers + rng.integers(2, size=len(readers))).to_numpy() // 2
    chosen = [
        [order[:cut] for order, cut in zip(orders, cuts)],
        [order[cut:] for order, cut in zip(orders, cuts)],
    ]
    given = {name: _numbers(cases, name, readers) for name in ("ratings", *columns)}
    found = []
    for half in chosen:
        taken = {name: [one[of] for one, of in zip(values, half)] for name, values in given.items()}
        scores = aggregate([" ".join(f"{score:g}" for score in one) for one in taken["ratings"]], "ceil_mean")
        means = {name: [one.mean() for one in taken[name]] for name in columns}
        found.append(pd.DataFrame(means, index=cases.index).assign(malignancy=scores))
    return tuple(found)


def _numbers(cases, name, readers):
    """The numbers of a column, an array a nodule with one for each of its readers."""
    found = [np.array(text.split(), dtype=float) for text in cases[name]]
    wrong = np.array([len(one) for one in found]) != readers
    refuse_rows(cases, "readers", wrong.to_numpy(), name, "a number for each of its ratings")
    return found


def to_predictions(predicted, label, train, *, task):
    """Labels, decisions and probabilities of drawn readers' scores 1..5; `train` is a bool array."""
    # The probabilities are how often training cases with the same score had each label, each label
    # counted once more. The largest need not be at the decision, the reader's own score.
    if task not in TASKS:
        raise ValueError(f"task: found {task!r}, expected one of {TASKS}")
    if not np.any(train):
        raise InputError("ratings: found no training case with two readers or more, expected at least one")
    if task == "binary":
        y_true, y_pred, classes = to_binary(label), to_binary(predicted), 2
    else:
        y_true, y_pred, classes = label, predicted, 5
    seen = np.ones((5, classes))
    np.add.at(seen, (predicted[train] - 1, y_true[train] - (task == "multiclass")), 1)
    return y_true, y_pred, (seen / seen.sum(axis=1, keepdims=True))[predicted - 1]
