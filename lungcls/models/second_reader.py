"""One reader of each nodule as a predictor of what the others say.

Scored, this estimates how well one average reader foresees a panel of one to three
colleagues. It is not the score that a reader would have on a cohort's own labels: those hold
the reader's own vote, come from larger panels and also cover nodules with a single reader.
The readers of LIDC-IDRI saw each other's marks before their last reading, which may have
helped them to agree.
"""

import numpy as np

from lungcls.cohorts.cohort import TASKS, to_binary
from lungcls.errors import InputError
from lungcls.metrics import ratings as readers
from lungcls.sources.annotations import aggregate


def draw(ratings, *, seed):
    """Take one reader out of each panel, at random.

    Parameters
    ----------
    ratings : sequence of str
        Readers' scores 1..5 of each nodule, separated by spaces.
    seed : int

    Returns
    -------
    said : ndarray of shape (n,), int
        Score of the drawn reader, 1..5; 0 where there are fewer than two readers.
    label : ndarray of shape (n,), int
        Mean of the other readers' scores, rounded up; 0 likewise.

    Raises
    ------
    InputError
        If a text holds anything but scores.

    References
    ----------
    .. [1] armato2011
    """
    panels = readers.parse_ratings(ratings)
    said, label = np.zeros(len(panels), dtype=int), np.zeros(len(panels), dtype=int)
    places = np.random.default_rng(seed).random(len(panels))
    paired = [i for i, panel in enumerate(panels) if len(panel) >= 2]
    others = []
    for i in paired:
        drawn = int(places[i] * len(panels[i]))
        said[i] = panels[i][drawn]
        others.append(" ".join(map(str, np.delete(panels[i], drawn))))
    label[paired] = aggregate(others, "ceil_mean")
    return said, label


def answers(said, label, train, *, task):
    """Turn what readers said into predictions: a decision and probabilities.

    Parameters
    ----------
    said, label : ndarray of shape (n,), int, 1..5
        From :func:`draw`, without nodules of fewer than two readers.
    train : ndarray of shape (n,), bool
        The cases that the probabilities are counted on.
    task : {"binary", "multiclass"}

    Returns
    -------
    y_true : ndarray of shape (n,), int
        The label, 1..5, or 0 and 1.
    y_pred : ndarray of shape (n,), int
        What the reader said, likewise.
    y_prob : ndarray of shape (n, n_classes), float
        How often training cases of which a reader said the same had each label, each
        label counted once more. Its largest need not be at `y_pred`.

    Raises
    ------
    InputError
        If there is no training case.
    ValueError
        If `task` is unknown.
    """
    if task not in TASKS:
        raise ValueError(f"task: found {task!r}, expected one of {TASKS}")
    if not np.any(train):
        raise InputError("ratings: found no training case with two readers or more, expected at least one")
    if task == "binary":
        y_true, y_pred, classes = to_binary(label), to_binary(said), 2
    else:
        y_true, y_pred, classes = label, said, 5
    seen = np.ones((5, classes))
    np.add.at(seen, (said[train] - 1, y_true[train] - (task == "multiclass")), 1)
    return y_true, y_pred, (seen / seen.sum(axis=1, keepdims=True))[said - 1]
