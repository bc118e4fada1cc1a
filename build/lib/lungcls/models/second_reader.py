"""One reader of each nodule as a predictor of the others.

Scored, this estimates how well one average reader foresees a panel of one to three
colleagues. It is not the score that a reader would have on a cohort's own labels: those hold
the reader's own vote, come from larger panels and also cover nodules with a single reader.
The readers of LIDC-IDRI saw each other's marks before their last reading, which may have
helped them to agree.
"""

import numpy as np

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
