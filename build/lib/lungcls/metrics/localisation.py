"""Does a heat map find the nodule? Scores of maps against outlines, and against the network.

All scores are per case. A map that is 0 everywhere has none: NaN, never 0. A map's scores
mean nothing without those of maps that know nothing (:mod:`lungcls.explain.heat_maps`), because
a nodule in the middle of its picture is found by anything that points to the middle.
"""

import numpy as np
import pandas as pd

STEPS = 10  # of a deletion or insertion curve


def heat_map_scores(maps, masks, *, reach=0.0):
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

    Examples
    --------
    >>> mask = np.zeros((1, 4, 4), bool)
    >>> mask[0, 1:3, 1:3] = True
    >>> heat_map_scores(0.5 + mask, mask).loc[0].to_dict()
    {'hit': 1.0, 'share': 0.5, 'iou': 1.0, 'area': 0.25}
    """
    maps, masks = np.asarray(maps, dtype=float), np.asarray(masks, dtype=bool)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(f"maps: found shape {maps.shape}, expected that of the masks, {masks.shape}")
    if not (np.isfinite(maps).all() and (maps >= 0).all()):
        raise ValueError("maps: found values below 0 or not finite, expected 0 and above")
    flat, inside = (arrays.reshape(len(maps), -1) for arrays in (maps, masks))
    near = np.array([_grown(mask, reach).ravel() for mask in masks]).reshape(inside.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        top = flat == flat.max(axis=1, keepdims=True)
        found = {
            "hit": (top & near).sum(axis=1) / top.sum(axis=1),
            "share": (flat * inside).sum(axis=1) / flat.sum(axis=1),
            "iou": [_iou(*pair) for pair in zip(flat, inside, strict=True)],
            "area": inside.mean(axis=1),
        }
    table = pd.DataFrame(found, index=range(len(maps)))
    table.loc[~((flat > 0).any(axis=1) & inside.any(axis=1))] = np.nan
    return table


def _grown(mask, reach):
    """Add to a mask what lies within so many pixels of it."""
    from scipy.ndimage import distance_transform_edt

    if not (reach > 0 and mask.any()):
        return mask
    wide = int(reach) + 1
    box = tuple(slice(max(0, at.min() - wide), at.max() + wide + 1) for at in np.nonzero(mask))
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
    """Place a share inside a nodule, float or (n,), from 0 (an even map: `area`) to 1 (`ceiling`)."""
    # Below 0 for a map that turns away; so grids of different size can be compared. NaN where nothing
    # better than an even map is possible.
    share, area, ceiling = (np.asarray(values, dtype=float) for values in (share, area, ceiling))
    if (share > ceiling + 1e-6).any():
        excess = np.nanmax(share - ceiling)
        raise ValueError(f"share: found {excess:.3g} above its ceiling, expected at most that")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(ceiling - area > 1e-9, (share - area) / (ceiling - area), np.nan)[()]


def curves(predict, images, maps, *, classes, steps=STEPS, blur=0.1):
    """Delete, or insert, pixels in the order of maps, and follow the probability: two (n, steps + 1)."""
    # From the whole image to one smoothed over `blur` of its side, and back [petsiuk2018]. A map that
    # names what the network needs makes the first fall early and the second rise early.
    from scipy.ndimage import gaussian_filter

    images, maps = np.asarray(images, dtype=np.float32), np.asarray(maps)
    n, height, width = images.shape[:3]
    if maps.shape != (n, height, width) or len(classes) != n:
        raise ValueError(f"maps: found shape {maps.shape}, expected {(n, height, width)}")
    smooth = gaussian_filter(images, (0, blur * height, blur * width, 0))
    rank = np.argsort(np.argsort(-maps.reshape(n, -1), axis=1, kind="stable"), axis=1).reshape(maps.shape)
    levels = np.arange(steps + 1)[:, None, None, None] * height * width / steps
    gone = (rank < levels)[..., None]  # of shape (steps + 1, n, H, W, 1)

    def follow(first, second):
        made = np.where(gone, first, second).reshape(-1, height, width, 1)
        return predict(made).reshape(steps + 1, n, -1)[:, np.arange(n), classes].T

    return follow(smooth, images), follow(images, smooth)


def area_under(curve):
    """Area under curves (..., steps + 1) over [0, 1] by the trapezoidal rule."""
    curve = np.asarray(curve, dtype=float)
    return (curve[..., 1:] + curve[..., :-1]).mean(axis=-1) / 2
