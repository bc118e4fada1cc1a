"""Heat maps as arrays: from a coarse grid to the pixels of an image, and maps that know nothing.

A network's map has few cells. Here it is brought to the pixels of an image by a matrix an
axis, so that one can also say the opposite: how much of a nodule's outline each cell sees,
and so how well the best map on that grid could do.
"""

from functools import cache

import numpy as np

BLOB = 0.15  # spread of the centre blob, as a part of the side


@cache
def axis_matrix(old, new):
    """Matrix (new, old) that resizes an axis linearly, pixel centres on pixel centres; rows add up to 1."""
    from skimage.transform import resize

    return resize(np.eye(old), (new, old), order=1, anti_aliasing=new < old)


def upsample(values, shape):
    """Maps (..., h, w) brought to the pixels of an image, (..., height, width), float64, linearly."""
    values = np.asarray(values, dtype=float)
    if values.ndim < 2 or 0 in values.shape[-2:]:
        raise ValueError(f"values: found shape {values.shape}, expected (..., h, w) with cells in it")
    rows, columns = (axis_matrix(old, new) for old, new in zip(values.shape[-2:], shape, strict=True))
    return rows @ values @ columns.T


def cell_shares(masks, grid):
    """Part of each cell (..., h, w), once upsampled, that lies inside masks (..., H, W), in [0, 1]."""
    # the share inside of a map on that grid is their mean, weighted by the map: their largest is the most
    masks = np.asarray(masks, dtype=float)
    rows, columns = (axis_matrix(old, new) for old, new in zip(grid, masks.shape[-2:], strict=True))
    total = rows.sum(axis=0)[:, None] * columns.sum(axis=0)
    return np.clip(rows.T @ masks @ columns / total, 0, 1)


def best_on_grid(masks, grid):
    """Maps (n, h, w) that a grid allows at best: all of it in the cell that lies most inside the mask."""
    shares = cell_shares(masks, grid)
    flat = shares.reshape(len(shares), -1)
    return (np.arange(flat.shape[1]) == flat.argmax(axis=1)[:, None]).reshape(shares.shape).astype(float)


# --- Maps that know nothing of a network ---------------------------------------------------


def centre_blob(shape):
    """A normal curve in the middle of an image, in (0, 1]: the map of who always points there."""
    rows, columns = (np.exp(-(((np.arange(side) + 0.5) / side - 0.5) ** 2) / (2 * BLOB**2)) for side in shape)
    return rows[:, None] * columns


def edges(images):
    """Maps (n, H, W) of how steeply the grey level changes: Sobel's gradient, smoothed a little."""
    from scipy.ndimage import gaussian_filter, sobel

    images = np.asarray(images, dtype=float)
    steep = np.hypot(sobel(images, axis=1), sobel(images, axis=2))
    return gaussian_filter(steep, (0, 1, 1))


def random_maps(n, grid, *, seed):
    """Maps (n, h, w) by chance, in [0, 1), on the grid of a network's own."""
    return np.random.default_rng(seed).random((n, *grid))


# --- Images out of the centre ---------------------------------------------------------------


def offsets(n, side, *, part=0.25, seed):
    """Draw shifts (n, 2) in pixels, down and right: a part in (0, 0.5) of the side on each axis."""
    if not 0 < part < 0.5:
        raise ValueError(f"part: found {part}, expected a part of the side between 0 and 0.5")
    signs = np.random.default_rng(seed).choice([-1, 1], size=(n, 2))
    return signs * round(part * side)


def shift(images, by, *, mirror=True):
    """Shift images (n, H, W, ...) by pixels (n, 2) down and right; what opens shows a mirror image, or 0."""
    from scipy import ndimage

    images, by = np.asarray(images), np.asarray(by)
    if by.shape != (len(images), 2) or (np.abs(by) >= images.shape[1:3]).any():
        expected = f"expected ({len(images)}, 2) with shifts below the side"
        raise ValueError(f"by: found shape {by.shape}, {expected}")
    steps = np.pad(by, ((0, 0), (0, images.ndim - 3)))
    mode = "reflect" if mirror else "constant"  # as in the augmentation that the networks were trained with
    return np.stack([ndimage.shift(*one, order=0, mode=mode) for one in zip(images, steps, strict=True)])
