"""Check images that come in: float32 in [0, 1], (n, H, W, 1), or grey levels of a known rank."""

import numpy as np


def check_pixel_contract(images):
    """Refuse, by rank, dtype or range, what no model takes: anything but float32 (n, H, W, 1) in [0, 1]."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 1 or 0 in images.shape:
        raise ValueError(f"images: found shape {images.shape}, expected (n, H, W, 1) without a 0")
    if images.dtype != np.float32:
        raise ValueError(f"images: found dtype {images.dtype}, expected float32")
    _refuse_outside_unit_range(images, "images")


def image_array(images):
    """Images of any dtype as an array of shape (..., H, W) that is not empty."""
    images = np.asarray(images)
    if images.ndim < 2 or 0 in images.shape:
        raise ValueError(f"images: found shape {images.shape}, expected (..., H, W) without a 0")
    return images


def image_stack(images):
    """Refuse what is not a stack of images of shape (n, H, W), without reading it."""
    if len(images.shape) != 3 or 0 in images.shape:
        raise ValueError(f"images: found shape {images.shape}, expected (n, H, W) without a 0")
    return images


def in_unit_range(images, name="images"):
    """Float images (..., H, W) in [0, 1] as float32; what has another range or is integer is refused."""
    images = image_array(images)
    if images.dtype.kind != "f":
        raise ValueError(f"{name}: found dtype {images.dtype}, expected float in [0, 1]; see min_max")
    _refuse_outside_unit_range(images, name)
    return images.astype(np.float32, copy=False)


def _refuse_outside_unit_range(images, name):
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise ValueError(f"{name}: found values from {low} to {high}, expected [0, 1]")
