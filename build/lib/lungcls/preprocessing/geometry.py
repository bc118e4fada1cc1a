"""Geometry: centre crop and resizing, each image by itself."""

from functools import cache

import numpy as np

from lungcls.errors import InputError
from lungcls.preprocessing.pixel_contract import image_array, in_unit_range

BLOCK = 32  # new pixels of an axis that one product makes


def center_crop(images, size):
    """Cut a window out of the middle of each image.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), any dtype
    size : int or (int, int)
        Height and width in pixels. Where the margin is odd, the smaller half is on top
        and on the left.

    Returns
    -------
    ndarray of shape (..., height, width), a view of `images`

    Raises
    ------
    InputError
        If the window is larger than the image.

    Examples
    --------
    >>> center_crop([[0, 1, 2, 3], [4, 5, 6, 7]], 2).tolist()
    [[1, 2], [5, 6]]
    """
    images = image_array(images)
    height, width = height_width(size)
    if height > images.shape[-2] or width > images.shape[-1]:
        found = f"{height} x {width} pixels with images of {images.shape[-2]} x {images.shape[-1]}"
        raise InputError(f"crop: found {found}, expected at most their size")
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    return images[..., top : top + height, left : left + width]


def resize(images, size):
    """Resize images linearly, smoothed first along an axis that shrinks.

    See [1]_.

    Equal to ``skimage.transform.resize(image, size, order=1)`` to float32 accuracy. That
    operator is linear in the pixels and separable, so that one small matrix an axis holds it.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), float in [0, 1]
    size : int or (int, int)
        New height and width in pixels.

    Returns
    -------
    ndarray of shape (..., height, width), float32 in [0, 1]

    Raises
    ------
    ValueError
        If `images` leave [0, 1].

    References
    ----------
    .. [1] vanderwalt2014

    Examples
    --------
    >>> print(resize([[0.0, 1.0], [0.0, 1.0]], (2, 4)).round(3))
    [[0.25 0.25 0.75 0.75]
     [0.25 0.25 0.75 0.75]]
    """
    images = in_unit_range(images)
    return resize_into(images, height_width(size))


def resize_into(images, size, narrow=None, out=None):
    """The work of :func:`resize` on checked images; `narrow` (..., H, width) and `out` are arrays to use."""
    *some, height, width = images.shape
    narrow = np.empty((*some, height, size[1]), dtype=np.float32) if narrow is None else narrow
    out = np.empty((*some, *size), dtype=np.float32) if out is None else out
    for new, old, weights in _axis_blocks(width, size[1]):
        np.matmul(images[..., old], weights.T, out=narrow[..., new])
    for new, old, weights in _axis_blocks(height, size[0]):
        np.matmul(weights, narrow[..., old, :], out=out[..., new, :])
    return np.clip(out, 0, 1, out=out)  # the rounded weights of a pixel may add up to more than 1


@cache
def _axis_blocks(old, new):
    """The matrix that resizes one axis, skimage's resize of the identity, as blocks (new, old, weights)."""
    from skimage.transform import resize as skimage_resize

    matrix = skimage_resize(np.eye(old), (new, old), order=1, anti_aliasing=new < old).astype(np.float32)
    blocks = []  # a new pixel is made of few old ones: they leave out most of the matrix, which is 0
    for start in range(0, new, BLOCK):
        rows = matrix[start : start + BLOCK]
        used = np.flatnonzero(rows.any(axis=0))
        columns = slice(int(used[0]), int(used[-1]) + 1)
        blocks.append((slice(start, start + len(rows)), columns, np.ascontiguousarray(rows[:, columns])))
    return blocks


def height_width(size):
    """A size in pixels, one number or two, as (height, width), each 1 or more."""
    height, width = (size, size) if np.ndim(size) == 0 else size
    if height < 1 or width < 1:
        raise ValueError(f"size: found {size}, expected 1 or more pixels")
    return int(height), int(width)
