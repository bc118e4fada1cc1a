"""Preprocessing: from grey levels of any range to float32 in [0, 1].

Each step takes images of shape (..., H, W) and treats each image by itself, so nothing
is learned from other cases. :func:`preprocess` runs the report's pipeline of a view over
a cohort, batch by batch, and ends in the pixel contract: float32 in [0, 1], (n, H, W, 1).
"""

import numpy as np


def check_pixel_contract(images):
    """Refuse images that no model of the package takes.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]

    Raises
    ------
    ValueError
        Naming the rank, dtype or range found.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 1 or 0 in images.shape:
        raise ValueError(f"images: found shape {images.shape}, expected (n, H, W, 1) without a 0")
    if images.dtype != np.float32:
        raise ValueError(f"images: found dtype {images.dtype}, expected float32")
    _refuse_outside_unit_range(images, "images")


def image_array(images):
    images = np.asarray(images)
    if images.ndim < 2 or 0 in images.shape:
        raise ValueError(f"images: found shape {images.shape}, expected (..., H, W) without a 0")
    return images


def in_unit_range(images, name="images"):
    images = image_array(images)
    if images.dtype.kind != "f":
        raise ValueError(f"{name}: found dtype {images.dtype}, expected float in [0, 1]; see min_max")
    _refuse_outside_unit_range(images, name)
    return images.astype(np.float32, copy=False)


def _refuse_outside_unit_range(images, name):
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise ValueError(f"{name}: found values from {low} to {high}, expected [0, 1]")
