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
    """Return the matrix that resizes one axis linearly, pixel centres on pixel centres.

    Parameters
    ----------
    old, new : int
        Lengths of the axis.

    Returns
    -------
    ndarray of shape (new, old), float64, at least 0
        Rows add up to 1. Smoothed where the axis shrinks [1]_.

    References
    ----------
    .. [1] vanderwalt2014
    """
    from skimage.transform import resize

    return resize(np.eye(old), (new, old), order=1, anti_aliasing=new < old)


def upsample(values, shape):
    """Bring maps to the pixels of an image.

    Parameters
    ----------
    values : ndarray of shape (..., h, w), float
    shape : (int, int)
        Height and width in pixels.

    Returns
    -------
    ndarray of shape (..., height, width), float64

    Raises
    ------
    ValueError
        If `values` has no two axes of at least one cell.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim < 2 or 0 in values.shape[-2:]:
        raise ValueError(f"values: found shape {values.shape}, expected (..., h, w) with cells in it")
    rows, columns = (axis_matrix(old, new) for old, new in zip(values.shape[-2:], shape))
    return rows @ values @ columns.T


def cell_shares(masks, grid):
    """Say for each cell of a grid which part of it lies inside a mask, once it is brought to pixels.

    Parameters
    ----------
    masks : ndarray of shape (..., H, W), bool
    grid : (int, int)
        Rows and columns of the map.

    Returns
    -------
    ndarray of shape (..., h, w), float in [0, 1]
        The share inside of any map on that grid is a mean of these, weighted by the map, so
        their largest is the most that a map can reach.
    """
    masks = np.asarray(masks, dtype=float)
    rows, columns = (axis_matrix(old, new) for old, new in zip(grid, masks.shape[-2:]))
    total = rows.sum(axis=0)[:, None] * columns.sum(axis=0)
    return np.clip(rows.T @ masks @ columns / total, 0, 1)


def best_on_grid(masks, grid):
    """Make the map that a grid allows at best: all of it in the cell that lies most inside.

    Parameters
    ----------
    masks : ndarray of shape (n, H, W), bool
    grid : (int, int)

    Returns
    -------
    ndarray of shape (n, h, w), float64
    """
    shares = cell_shares(masks, grid)
    flat = shares.reshape(len(shares), -1)
    return (np.arange(flat.shape[1]) == flat.argmax(axis=1)[:, None]).reshape(shares.shape).astype(float)


# --- Maps that know nothing of a network ---------------------------------------------------


def centre_blob(shape):
    """Make a round blob in the middle of the image: the map of who always points there.

    Parameters
    ----------
    shape : (int, int)

    Returns
    -------
    ndarray of shape (height, width), float in (0, 1]
        A normal curve that spreads over ``BLOB`` of each side.
    """
    rows, columns = (np.exp(-(((np.arange(side) + 0.5) / side - 0.5) ** 2) / (2 * BLOB**2)) for side in shape)
    return rows[:, None] * columns


def edges(images):
    """Make maps of how steeply the grey level changes: what stands out without any training.

    Parameters
    ----------
    images : ndarray of shape (n, H, W), float

    Returns
    -------
    ndarray of shape (n, H, W), float, at least 0
        Sobel's gradient, smoothed a little.
    """
    from scipy.ndimage import gaussian_filter, sobel

    images = np.asarray(images, dtype=float)
    steep = np.hypot(sobel(images, axis=1), sobel(images, axis=2))
    return gaussian_filter(steep, (0, 1, 1))


def random_maps(n, grid, *, seed):
    """Make maps by chance, on the grid of the network's own.

    Parameters
    ----------
    n : int
    grid : (int, int)
    seed : int

    Returns
    -------
    ndarray of shape (n, h, w), float in [0, 1)
    """
    return np.random.default_rng(seed).random((n, *grid))


# --- Pictures out of the centre -------------------------------------------------------------


def offsets(n, side, *, part=0.25, seed):
    """Draw in which direction each picture is shifted: a part of the side along each axis.

    Parameters
    ----------
    n, side : int
        Pictures, and their side in pixels.
    part : float in (0, 0.5), default 0.25
    seed : int

    Returns
    -------
    ndarray of shape (n, 2), int
        Rows down and columns to the right; in pixels.

    Raises
    ------
    ValueError
        If `part` is outside (0, 0.5).
    """
    if not 0 < part < 0.5:
        raise ValueError(f"part: found {part}, expected a part of the side between 0 and 0.5")
    signs = np.random.default_rng(seed).choice([-1, 1], size=(n, 2))
    return signs * round(part * side)


def shift(images, by, *, mirror=True):
    """Shift images; the strip that opens shows the mirror image, or nothing.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, ...), any dtype
    by : ndarray of shape (n, 2), int
        Pixels down and to the right.
    mirror : bool, default True
        As in the augmentation that the networks were trained with; False fills with 0.

    Returns
    -------
    ndarray of the shape and dtype of `images`

    Raises
    ------
    ValueError
        If an image would leave its frame, or `by` does not fit.
    """
    images, by = np.asarray(images), np.asarray(by)
    height, width = images.shape[1:3]
    if by.shape != (len(images), 2) or (np.abs(by) >= (height, width)).any():
        raise ValueError(
            f"by: found shape {by.shape}, expected ({len(images)}, 2) with shifts below the side"
        )
    out = np.empty_like(images)
    for image, (down, right), shifted in zip(images, by.tolist(), out):
        rows, columns = np.arange(height) - down, np.arange(width) - right
        inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
        shifted[:] = image[np.ix_(_mirrored(rows, height), _mirrored(columns, width))]
        if not mirror:
            shifted[~inside] = 0
    return out


def _mirrored(places, side):
    """Fold places outside back in, the edge pixel counted twice."""
    folded = np.mod(places, 2 * side)
    return np.minimum(folded, 2 * side - 1 - folded)
