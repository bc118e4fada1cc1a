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

from lungcls.models.ensemble import SIZES as SIZES, member, targets as targets, with_size as with_size
from lungcls.preprocessing.augmentation import turn
from lungcls.runs.loop import Examples, fit, unaugmented


def train(images, wanted, groups, *, checkpoint, build, seed, progress=False, **options):
    """Train one member a group of cases, on all the others.

    Parameters
    ----------
    images : ndarray of shape (n, H, H, 1), float32 in [0, 1]
    wanted : ndarray of shape (n, 5 * sizes), float32
        As :func:`lungcls.models.ensemble.targets` and `with_size` give them.
    groups : ndarray of shape (n,), int from 0 on
        The member that leaves a case out; cases of one patient belong together. Below 0:
        no member sees it.
    checkpoint : callable
        From a member's number to the file of its state: a killed training goes on from it.
    build : dict
        Options of :func:`lungcls.models.ensemble.member`.
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
        As :func:`lungcls.models.ensemble.member` and :func:`lungcls.runs.loop.fit`.
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
