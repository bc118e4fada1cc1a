"""A square of fixed size in mm around the middle of a view: the same scale for every scanner.

A network that is to see how large a nodule is needs pixels of one size. The view is
scaled by its own least and greatest grey level and cut around its middle; nothing that a
reader drew is used, only `pixel_spacing_mm`, which the scanner writes.
"""

import numpy as np

from lungcls.errors import InputError
from lungcls.preprocessing.geometry import resize
from lungcls.preprocessing.grey_levels import min_max
from lungcls.preprocessing.padding import locate, window


def cut(images, *, spacing, field, size):
    """Cut a square of `field` mm around the middle of each image.

    Parameters
    ----------
    images : ndarray of shape (n, H, W)
        Grey levels on any scale.
    spacing : ndarray of shape (n,), float
        Side of a pixel, in mm.
    field : float
        Side of the square, in mm.
    size : int
        Its side in the result, in pixels.

    Returns
    -------
    ndarray of shape (n, size, size), float32 in [0, 1]
        Bilinear; each image is scaled by its own least and greatest grey level before it is
        cut. Where the square reaches beyond the image, the outermost pixels are repeated.

    Raises
    ------
    ValueError
        If a spacing, `field` or `size` is not above 0.
    """
    from scipy.ndimage import map_coordinates

    spacing = np.asarray(spacing, dtype=float)
    if not (spacing > 0).all() or not field > 0 or size < 1:
        raise ValueError(
            f"spacing: found {np.min(spacing)}, a field of {field} mm and {size} pixels, expected all above 0"
        )
    place = (np.arange(size) + 0.5) / size - 0.5  # centres of the pixels, as shares of the field
    out = np.empty((len(images), size, size), dtype=np.float32)
    for image, pixel, square in zip(min_max(images), spacing, out):
        rows, columns = ((side - 1) / 2 + place * field / pixel for side in image.shape)
        places = np.meshgrid(rows, columns, indexing="ij")
        square[:] = map_coordinates(image, places, order=1, mode="nearest")
    return out


class Fields:
    """The squares of a cohort's cases, made when they are asked for.

    Parameters
    ----------
    cohort : Cohort
        With `pixel_spacing_mm`.
    view : str
    field, size
        As in :func:`cut`.
    masks : bool, default False
        Cut the view's nodule masks instead of its images.

    Raises
    ------
    InputError
        If the cohort lacks the view, its mask or the size of a pixel.
    """

    def __init__(self, cohort, view, *, field, size, masks=False):
        where = cohort.folder or cohort.name
        arrays, file = (cohort.masks, f"{view}_mask.npy") if masks else (cohort.views, f"{view}.npy")
        if view not in arrays:
            raise InputError(f"{where}: found no {file}, expected one (has {', '.join(arrays) or 'none'})")
        spacing = cohort.cases.get("pixel_spacing_mm", np.full(len(cohort), np.nan))
        self.spacing = np.asarray(spacing, dtype=float)
        if not (self.spacing > 0).all():
            row = int(np.argmin(self.spacing > 0))
            raise InputError(
                f"{where}: cases.csv, row {row + 1}: found no pixel_spacing_mm above 0, "
                "expected one for a square of fixed size in mm"
            )
        self.images, self.options = arrays[view], {"field": field, "size": size}
        self.shape, self.dtype = (len(cohort), size, size, 1), np.dtype(np.float32)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return cut(self.images[rows], spacing=self.spacing[rows], **self.options)[..., None]


FIELD_MM = 60.0  # ours: 128 pixels hold it in all but the finest scans, and nearly every nodule fits


def fixed_field(images, wide, *, spacing, field=FIELD_MM, size):
    """Cut a square of fixed size in mm around the middle of the zoomed picture.

    Parameters
    ----------
    images : ndarray of shape (n, H, W)
        The zoomed view as stored.
    wide : ndarray of shape (n, H2, W2)
        A wider view of the same cases, with the same grey levels.
    spacing : ndarray of shape (n,), float
        Side of a pixel, in mm.
    field : float, default 60
        Side of the square, in mm.
    size : int
        Its side in the result, in pixels: the same for all cases.

    Returns
    -------
    ndarray of shape (n, size, size), float32 in [0, 1]
        Each square scaled by its own least and greatest grey level. Where it reaches
        beyond the wider view, the outermost pixels are repeated.

    Raises
    ------
    ValueError
        If a spacing or `field` is not above 0, or the wider view does not hold a picture.
    """
    spacing = np.asarray(spacing, dtype=float)
    if not field > 0 or not (spacing > 0).all():
        raise ValueError(f"spacing: found {spacing.min()} and a field of {field} mm, expected both above 0")
    out = np.empty((len(images), size, size), dtype=np.float32)
    for image, around, pixel, square in zip(images, wide, spacing, out):
        row, column = locate(image, around)
        side = max(1, round(field / pixel))
        row += (image.shape[0] - side) // 2  # a picture lies in the middle of its canvas
        column += (image.shape[1] - side) // 2
        square[:] = resize(min_max(window(around, row, column, (side, side))), size)
    return out
