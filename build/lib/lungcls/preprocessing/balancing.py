"""Balance the training part: class weights, and upsampling plans.

Nothing here touches an image. A plan says which training case each training example
comes from and whether it is a copy; the copies are augmented later.
"""

from dataclasses import dataclass

import numpy as np

STRATEGIES = ("none", "weights", "upsample", "upsample_plus")
PLUS = 200  # copies that the report adds to every class beyond the largest one's size


@dataclass(frozen=True)
class Plan:
    """The training examples of one epoch: each a row of the labels, the cases themselves first, in order."""

    rows: np.ndarray  # (n_examples,), int
    is_copy: np.ndarray  # (n_examples,), bool: True for what upsampling added
    weights: dict  # of each label in the loss


def balance(labels, strategy, *, seed, plus=PLUS):
    """Plan the training examples under a balancing strategy.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        Labels of the training cases, and of no other.
    strategy : {"none", "weights", "upsample", "upsample_plus"}
        Leave as it is; weight the loss by inverse class frequency; repeat cases until
        every class is as large as the largest; the same and `plus` more in every class,
        as in the report, so that the largest class has augmented copies too.
    seed : int
    plus : int, default 200

    Returns
    -------
    Plan
        Row of each example in `labels`, whether it is a copy, and the weight of each label.

    Raises
    ------
    ValueError
        If `strategy` is unknown, `plus` is negative or there is no label.

    Examples
    --------
    >>> plan = balance([0, 0, 0, 1], "upsample", seed=0)
    >>> plan.rows.tolist(), plan.is_copy.sum().item()
    ([0, 1, 2, 3, 3, 3], 2)
    """
    labels = np.asarray(labels)
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy: found {strategy!r}, expected one of {STRATEGIES}")
    if labels.ndim != 1 or not labels.size:
        raise ValueError(f"labels: found shape {labels.shape}, expected (n,) with n >= 1")
    if plus < 0:
        raise ValueError(f"plus: found {plus}, expected 0 or more")
    rows, weights = np.arange(len(labels)), class_weights(labels)
    if strategy in ("upsample", "upsample_plus"):
        target = np.bincount(labels).max() + (plus if strategy == "upsample_plus" else 0)
        rows = np.concatenate([rows, _copies(labels, target, seed)])
    weights = weights if strategy == "weights" else dict.fromkeys(weights, 1.0)
    return Plan(rows, np.arange(len(rows)) >= len(labels), weights)


def as_in_training(labels, trained, plan):
    """Weight cases so that each class weighs as under a plan of the `trained` labels; (n,), with mean 1."""
    trained = np.asarray(trained)
    share = {one: plan.weights[one] * (trained[plan.rows] == one).sum() for one in plan.weights}
    weights = np.zeros(len(labels))
    for one in share:
        weights[labels == one] = share[one] / max(1, (labels == one).sum())
    return weights / weights.mean()


def class_weights(labels):
    """Weight each class by ``n / (classes * n_class)``, as scikit-learn's `balanced`.

    Parameters
    ----------
    labels : ndarray of shape (n,), int

    Returns
    -------
    dict of int to float
        The weights average to 1 over the cases.

    Examples
    --------
    >>> class_weights([0, 0, 0, 1])
    {0: 0.6666666666666666, 1: 2.0}
    """
    classes, counts = np.unique(labels, return_counts=True)
    weights = len(labels) / (len(classes) * counts)
    return dict(zip(classes.tolist(), weights.tolist(), strict=True))


def _copies(labels, target, seed):
    """Rows to repeat: each class in whole rounds of a random order, so that no case leads by two."""
    rng, chosen = np.random.default_rng(seed), []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        need = target - len(own)
        rounds = [rng.permutation(own) for _ in range(-(-need // len(own)))]
        chosen.append(np.concatenate([*rounds, own[:0]])[:need])
    return np.concatenate(chosen)
