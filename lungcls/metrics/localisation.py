"""Does a heat map find the nodule? Scores of maps against outlines, and against the network.

All scores are per case. A map that is 0 everywhere has none: NaN, never 0. A map's scores
mean nothing without those of maps that know nothing (:mod:`lungcls.explain.heat_maps`), because a nodule in
the middle of its picture is found by anything that points to the middle.
"""

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap

STEPS = 10  # of a deletion or insertion curve


def scores(maps, masks, *, reach=0.0):
    """Score maps against outlines.

    Parameters
    ----------
    maps : ndarray of shape (n, H, W), float, at least 0
        At the masks' size.
    masks : ndarray of shape (n, H, W), bool
    reach : float, default 0
        A maximum so many pixels outside still counts as a hit: half a cell of a coarse map,
        which cannot point more exactly.

    Returns
    -------
    DataFrame, one row a map
        `hit`: 1 if the map's maximum lies inside, a part of 1 where several pixels share
        it [1]_. `share`: the part of the map inside. `iou`: as many pixels as the nodule
        has, the map's largest, against the outline: intersection over union. `area`: the
        nodule's part of the picture, which is the `share` of a map that is the same
        everywhere. NaN without a nodule or for a map of zeros.

    Raises
    ------
    ValueError
        If the shapes differ, or a map is below 0 or not finite.

    References
    ----------
    .. [1] zhang2018
    """
    maps, masks = np.asarray(maps, dtype=float), np.asarray(masks, dtype=bool)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(f"maps: found shape {maps.shape}, expected that of the masks, {masks.shape}")
    if not (np.isfinite(maps).all() and (maps >= 0).all()):
        raise ValueError("maps: found values below 0 or not finite, expected 0 and above")
    n, flat, inside = len(maps), *(arrays.reshape(len(maps), -1) for arrays in (maps, masks))
    near = np.array([_grown(mask, reach).ravel() for mask in masks]).reshape(inside.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        top = flat == flat.max(axis=1, keepdims=True)
        table = pd.DataFrame(
            {
                "hit": (top & near).sum(axis=1) / top.sum(axis=1),
                "share": (flat * inside).sum(axis=1) / flat.sum(axis=1),
                "iou": [_iou(*pair) for pair in zip(flat, inside)],
                "area": inside.mean(axis=1),
            },
            index=range(n),
        )
    table.loc[~((flat > 0).any(axis=1) & inside.any(axis=1))] = np.nan
    return table


def _grown(mask, reach):
    """Add to a mask what lies within so many pixels of it."""
    from scipy.ndimage import distance_transform_edt

    if not (reach > 0 and mask.any()):
        return mask
    box = tuple(
        slice(max(0, places.min() - int(reach) - 1), places.max() + int(reach) + 2)
        for places in np.nonzero(mask)
    )
    grown = np.zeros_like(mask)
    grown[box] = distance_transform_edt(~mask[box]) <= reach
    return grown


def _iou(flat, inside):
    """Overlap of the outline with as many of the map's largest pixels; ties count by their chance."""
    size = int(inside.sum())
    if not size:
        return np.nan
    level = np.partition(flat, -size)[-size]
    above, at = flat > level, flat == level
    taken = (above & inside).sum() + (size - above.sum()) * (at & inside).sum() / at.sum()
    return taken / (2 * size - taken)


def concentration(share, area, ceiling):
    """Say where a share lies between that of an even map and the most that is possible.

    Parameters
    ----------
    share, area, ceiling : float or ndarray of shape (n,), in [0, 1]
        The part of a map inside, the nodule's part of the picture, and the most that `share`
        can be, for example on a coarse grid.

    Returns
    -------
    float or ndarray of shape (n,)
        0 for a map that is the same everywhere, 1 for the best, below 0 for one that turns
        away; so grids of different size can be compared. NaN where nothing better than an
        even map is possible.

    Raises
    ------
    ValueError
        If a share is larger than its ceiling.
    """
    share, area, ceiling = (np.asarray(values, dtype=float) for values in (share, area, ceiling))
    if (share > ceiling + 1e-6).any():
        raise ValueError(
            f"share: found {np.nanmax(share - ceiling):.3g} above its ceiling, expected at most that"
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(ceiling - area > 1e-9, (share - area) / (ceiling - area), np.nan)[()]


def curves(predict, images, maps, *, classes, steps=STEPS, blur=0.1):
    """Take away, or bring back, the pixels in the order of a map, and watch the probability [1]_.

    Parameters
    ----------
    predict : callable
        From images (n, H, W, 1) to probabilities (n, n_classes).
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]
    maps : ndarray of shape (n, H, W), float
    classes : ndarray of shape (n,), int
        Whose probability.
    steps : int, default 10
    blur : float, default 0.1
        What stands in place of a pixel: the image, smoothed over this part of its side.

    Returns
    -------
    deletion, insertion : ndarray of shape (n, steps + 1), float
        From the whole image to the smoothed one, and back. A map that names what the
        network needs makes the first fall early and the second rise early.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    .. [1] petsiuk2018
    """
    from scipy.ndimage import gaussian_filter

    images, maps = np.asarray(images, dtype=np.float32), np.asarray(maps)
    n, height, width = images.shape[:3]
    if maps.shape != (n, height, width) or len(classes) != n:
        raise ValueError(f"maps: found shape {maps.shape}, expected {(n, height, width)}")
    smooth = gaussian_filter(images, (0, blur * height, blur * width, 0))
    rank = np.argsort(np.argsort(-maps.reshape(n, -1), axis=1, kind="stable"), axis=1).reshape(maps.shape)
    levels = np.arange(steps + 1)[:, None, None, None] * height * width / steps
    gone = (rank < levels)[..., None]  # of shape (steps + 1, n, H, W, 1)
    both = (
        np.where(gone, *pair).reshape(-1, height, width, 1) for pair in ((smooth, images), (images, smooth))
    )
    deletion, insertion = (
        predict(made).reshape(steps + 1, n, -1)[:, np.arange(n), classes].T for made in both
    )
    return deletion, insertion


def area_under(curve):
    """Return the area under curves over [0, 1] by the trapezoidal rule.

    Parameters
    ----------
    curve : ndarray of shape (..., steps + 1), float

    Returns
    -------
    ndarray of shape (...), float
    """
    curve = np.asarray(curve, dtype=float)
    return (curve[..., 1:] + curve[..., :-1]).mean(axis=-1) / 2


# --- Over cases ---------------------------------------------------------------------------


def mean_interval(values, patients, *, seed, groups=None):
    """Average over cases, with the 95 % interval over patients.

    Parameters
    ----------
    values : sequence of shape (n,), float
        NaN is left out and counted.
    patients : sequence of shape (n,)
    seed : int
    groups : sequence of shape (n,), bool, optional
        Then it is the mean of those that are True less that of the others.

    Returns
    -------
    dict
        `value`, `low`, `high`, `n`, `patients` and `left_out`. The interval is NaN with
        fewer than two patients, or where a group has no case.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    values, patients = np.asarray(values, dtype=float), np.asarray(patients)
    groups = None if groups is None else np.asarray(groups, dtype=bool)
    if values.shape != patients.shape or (groups is not None and groups.shape != values.shape):
        raise ValueError(f"values: found shape {values.shape}, expected one a case, {patients.shape}")
    known = np.isfinite(values)
    kept, of = values[known], patients[known]
    left_out = {"left_out": int((~known).sum())}
    sides = [np.ones(len(kept))] if groups is None else [groups[known].astype(float), 1.0 - groups[known]]
    if len(np.unique(of)) < 2 or any(side.sum() == 0 for side in sides):
        nothing = dict.fromkeys(("value", "low", "high"), np.nan)
        return nothing | {"n": len(kept), "patients": len(np.unique(of))} | left_out

    def statistic(weights):
        weights = np.ones((1, len(kept))) if weights is None else weights
        with np.errstate(invalid="ignore", divide="ignore"):
            means = [(weights * side) @ kept / (weights @ side) for side in sides]
        return {"mean": means[0] - (means[1] if len(means) > 1 else 0)}

    row = bootstrap.summary(*bootstrap.resample(statistic, patients=of, seed=seed), patients=of).iloc[0]
    low, high = min(row["low"], row["value"]), max(row["high"], row["value"])
    return {
        "value": row["value"],
        "low": low,
        "high": high,
        "n": int(row["n"]),
        "patients": int(row["patients"]),
    } | left_out
