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
    """The training examples of one epoch.

    Attributes
    ----------
    rows : ndarray of shape (n_examples,), int
        Position of each example's case in the labels that were given; the cases
        themselves come first, in order.
    is_copy : ndarray of shape (n_examples,), bool
        True for what upsampling added.
    weights : dict of int to float
        Weight of each label in the loss.
    """

    rows: np.ndarray
    is_copy: np.ndarray
    weights: dict


def plan(labels, strategy, *, seed, plus=PLUS):
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

    Raises
    ------
    ValueError
        If `strategy` is unknown, `plus` is negative or there is no label.
    """
    labels = np.asarray(labels)
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy: found {strategy!r}, expected one of {STRATEGIES}")
    if labels.ndim != 1 or not labels.size:
        raise ValueError(f"labels: found shape {labels.shape}, expected (n,) with n >= 1")
    if plus < 0:
        raise ValueError(f"plus: found {plus}, expected 0 or more")
    rows = np.arange(len(labels))
    if strategy in ("upsample", "upsample_plus"):
        target = np.bincount(labels).max() + (plus if strategy == "upsample_plus" else 0)
        rows = np.concatenate([rows, _copies(labels, target, seed)])
    weights = inverse_frequency(labels) if strategy == "weights" else dict.fromkeys(_classes(labels), 1.0)
    return Plan(rows, np.arange(len(rows)) >= len(labels), weights)


def inverse_frequency(labels):
    """Weight each class by ``n / (classes * n_class)``.

    Parameters
    ----------
    labels : ndarray of shape (n,), int

    Returns
    -------
    dict of int to float
        The weights average to 1 over the cases. As scikit-learn's `balanced`.
    """
    classes, counts = np.unique(labels, return_counts=True)
    weights = len(labels) / (len(classes) * counts)
    return {int(label): float(weight) for label, weight in zip(classes, weights)}


def _classes(labels):
    return [int(label) for label in np.unique(labels)]


def _copies(labels, target, seed):
    """Rows to repeat: each class in whole rounds of a random order, so that no case leads by two."""
    rng = np.random.default_rng(seed)
    chosen = []
    for label in _classes(labels):
        own = np.flatnonzero(labels == label)
        need = target - len(own)
        rounds = [rng.permutation(own) for _ in range(-(-need // len(own)))]
        chosen.append(np.concatenate([*rounds, own[:0]])[:need])
    return np.concatenate(chosen)
