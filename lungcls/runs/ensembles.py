"""A committee of small networks that look at a nodule at two scales, as one network.

Each member is trained on all cases but those that were left out for it, so that the
committee as a whole has an opinion on every case from a member that has not seen it: what a
decision rule is fitted on. What new cases get is the mean of all members over the eight
ways to turn and mirror an image.

Where the diameters of the training cases are known, a member learns to name score and size
class together, one logit for each pair, and the size is summed out of its answer. It has to
see how large a nodule is, and is never told.
"""

import numpy as np

from lungcls.metrics.ratings import parse_ratings, score_counts
from lungcls.models.ensemble import member
from lungcls.preprocessing.augmentation import turn
from lungcls.runs.loop import Examples, fit, unaugmented

SIZES = (5.0, 6.5, 8.5, 12.0, 18.0)  # mm between the size classes: LIDC's nodules in about equal parts


def targets(scores, ratings, *, share):
    """Mix each case's score with what its readers said.

    Parameters
    ----------
    scores : ndarray of shape (n,), int, 1..5
        The labels.
    ratings : sequence of str, or None
        Each case's ratings 1..5, separated by spaces; where there are none, the label stands
        alone.
    share : float in [0, 1]
        Of the readers' histogram; the rest is the label's.

    Returns
    -------
    ndarray of shape (n, 5), float32
        Rows add up to 1.

    Raises
    ------
    ValueError
        If `share` is outside [0, 1].
    InputError
        If a rating is none.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: found {share}, expected 0 to 1")
    mixed = np.eye(5)[np.asarray(scores) - 1]
    if ratings is not None:
        counts = score_counts(parse_ratings(ratings))
        read = counts.sum(axis=1) > 0
        said = counts[read] / counts[read].sum(axis=1, keepdims=True)
        mixed[read] = (1 - share) * mixed[read] + share * said
    return mixed.astype(np.float32)


def with_size(wanted, diameters):
    """Spread the targets of each score over the size class of the case.

    Parameters
    ----------
    wanted : ndarray of shape (n, 5), float32
        As :func:`targets` gives them.
    diameters : ndarray of shape (n,), float, or None
        In mm; labels of training cases, never an input. None, or a missing one among them:
        the targets stay as they are.

    Returns
    -------
    ndarray of shape (n, 5 * sizes), float32
    """
    if diameters is None or not (np.asarray(diameters, dtype=float) > 0).all():
        return wanted
    classes = np.eye(len(SIZES) + 1, dtype=np.float32)[np.searchsorted(SIZES, diameters)]
    return (wanted[:, :, None] * classes[:, None, :]).reshape(len(wanted), -1)


def train(images, wanted, groups, *, checkpoint, build, seed, progress=False, **options):
    """Train one member a group of cases, on all the others.

    Parameters
    ----------
    images : ndarray of shape (n, H, H, 1), float32 in [0, 1]
    wanted : ndarray of shape (n, 5 * sizes), float32
        As :func:`targets` and :func:`with_size` give them.
    groups : ndarray of shape (n,), int from 0 on
        The member that leaves a case out; cases of one patient belong together. Below 0:
        no member sees it.
    checkpoint : callable
        From a member's number to the file of its state: a killed training goes on from it.
    build : dict
        Options of :func:`member`.
    seed : int
    progress : bool, default False
    **options
        Of :func:`lungcls.runs.loop.fit`.

    Returns
    -------
    members : list of keras.Model
    histories : list of lungcls.runs.loop.History
        The validation loss and accuracy are those on the cases left out.

    Raises
    ------
    ValueError, InputError
        As :func:`member` and :func:`lungcls.runs.loop.fit`.
    """

    def inputs(rows, augmented, drawn):
        plain = np.asarray(images[rows], dtype=np.float32)
        return turn(plain, seed=drawn) if np.any(augmented) else plain

    members, histories = [], []
    for number in range(groups.max() + 1):
        rows = np.flatnonzero((groups >= 0) & (groups != number))
        out = np.flatnonzero(groups == number)
        one = member(seed=1000 * seed + number, sizes=wanted.shape[1] // 5, **build)
        examples = Examples(inputs, rows, wanted[rows], np.ones(len(rows)), np.ones(len(rows), bool))
        histories.append(
            fit(
                one,
                examples,
                unaugmented(inputs, out, wanted[out]),
                seed=1000 * seed + number,
                patience=None,
                checkpoint=checkpoint(number),
                progress=progress,
                **options,
            )
        )
        members.append(one)
    return members, histories
