"""A crop of fixed size in mm around the nodule: the same scale for every scanner.

A network that is to see how large a nodule is needs pixels of one size. The view is
scaled by its own least and greatest grey level and cut around its middle; nothing that a
reader drew is used, only `pixel_spacing_mm`, which the scanner writes.
"""

import numpy as np

from lungcls.preprocessing.geometry import resize
from lungcls.preprocessing.grey_levels import min_max
from lungcls.preprocessing.images import Derived
from lungcls.preprocessing.padding import locate, window

CROP_MM = 60.0  # ours: 128 pixels hold it in all but the finest scans, and nearly every nodule fits


def cut(images, *, spacing, crop_mm, size):
    """Cut `crop_mm` around the middle of images (n, H, W): float32 in [0, 1], (n, size, size), bilinear."""
    # `spacing` is mm a pixel, (n,). Beyond the image the outermost pixels are repeated.
    from scipy.ndimage import map_coordinates

    spacing = np.asarray(spacing, dtype=float)
    if not (spacing > 0).all() or not crop_mm > 0 or size < 1:
        found = f"{np.min(spacing)}, a crop of {crop_mm} mm and {size} pixels"
        raise ValueError(f"spacing: found {found}, expected all above 0")
    place = (np.arange(size) + 0.5) / size - 0.5  # centres of the pixels, as shares of the crop
    out = np.empty((len(images), size, size), dtype=np.float32)
    for image, pixel, target in zip(min_max(images), spacing, out, strict=True):
        rows, columns = ((side - 1) / 2 + place * crop_mm / pixel for side in image.shape)
        places = np.meshgrid(rows, columns, indexing="ij")
        target[:] = map_coordinates(image, places, order=1, mode="nearest")
    return out


def crops(images, spacing, **options):
    """The crops of :func:`cut` with a last axis, (n, size, size, 1), made when they are asked for."""

    def make(rows):
        return cut(images[rows], spacing=spacing[rows], **options)[..., None]

    return Derived(make, (len(images), options["size"], options["size"], 1), source=images)


def cut_from_wider(images, wide, *, spacing, crop_mm=CROP_MM, size):
    """Cut `crop_mm` around zoomed images (n, H, W) from a wider view: float32 in [0, 1], (n, size, size)."""
    # Each crop is scaled by its own grey levels, then resized; `spacing` and the rim as in `cut`.
    spacing = np.asarray(spacing, dtype=float)
    if not crop_mm > 0 or not (spacing > 0).all():
        raise ValueError(f"spacing: found {spacing.min()} and a crop of {crop_mm} mm, expected both above 0")
    out = np.empty((len(images), size, size), dtype=np.float32)
    for image, around, pixel, target in zip(images, wide, spacing, out, strict=True):
        row, column = locate(image, around)
        side = max(1, round(crop_mm / pixel))
        row += (image.shape[0] - side) // 2  # a picture lies in the middle of its canvas
        column += (image.shape[1] - side) // 2
        target[:] = resize(min_max(window(around, row, column, (side, side))), size)
    return out
