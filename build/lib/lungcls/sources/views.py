"""Cut the views of a case out of its CT slice: the same cut for every source.

A box is ``(row_min, row_max, col_min, col_max)`` in pixels of the slice, last row and
column exclusive: the union of the readers' outlines.
"""

from importlib.resources import files
import json
from pathlib import Path

import numpy as np

SLICE_SIZE = 512  # height and width of the `full_slice` view, in pixels
SIZE = 128  # height and width of the `context` and `nodule` views, in pixels
MARGIN = 20  # what the `nodule` view shows around the box on each side, in pixels
BOX = ("row_min", "row_max", "col_min", "col_max")
DATA = files("lungcls") / "sources" / "data"


def about(source):
    """Return what `cohort.json` says of a cohort from "dicom", the "course" or the "phantom"."""
    return json.loads((DATA / "about.json").read_text(encoding="utf-8"))[source]


ABOUT = about("dicom")["views"]
ARRAYS = tuple(f"{view}{suffix}" for view in ABOUT for suffix in ("", "_mask"))


def box(case):
    """Return the readers' box of a case in its slice: row_min, row_max, col_min, col_max."""
    return tuple(int(case[f"nodule_{side}"]) for side in BOX)


def cut_views(image, inside, box):
    """Cut all views of a case and their masks.

    Parameters
    ----------
    image : ndarray of shape (H, W)
        CT slice (HU).
    inside : ndarray of shape (H, W), uint8, 0 or 1
        Its mask.
    box : sequence of 4 int
        row_min, row_max, col_min, col_max of the nodule in pixels of the slice, the last
        row and column exclusive.

    Returns
    -------
    dict of str to ndarray
        `<view>` and `<view>_mask` of `full_slice` (H, W), `context` and `nodule` (128, 128).

    Raises
    ------
    ValueError
        If the box is empty or leaves the slice, or the slice is smaller than 128 x 128.

    Examples
    --------
    >>> image, inside = np.arange(512 * 512).reshape(512, 512), np.zeros((512, 512), np.uint8)
    >>> inside[200:220, 300:330] = 1
    >>> found = cut_views(image, inside, (200, 220, 300, 330))
    >>> found["context"].shape, int(found["nodule_mask"].sum())
    ((128, 128), 600)
    """
    images = {"full_slice": image, "full_slice_mask": inside}
    images["context"], images["context_mask"] = context(image, box), context(inside, box)
    images["nodule"], images["nodule_mask"] = nodule(image, box), nodule(inside, box, fill=0)
    return images


def context(image, box, *, size=SIZE):
    """Cut the square window around a box at native scale, moved into the slice where it would leave it."""
    row, column = context_origin(box, image.shape, size=size)
    return image[row : row + size, column : column + size].copy()


def context_origin(box, shape, *, size=SIZE):
    """Row and column of the slice in which the first pixel of the `context` window lies."""
    row_min, row_max, col_min, col_max = _checked(box, shape)
    if size > min(shape):
        raise ValueError(f"size: found {size}, expected at most {min(shape)}, the slice's smaller side")
    row = (row_min + row_max) // 2 - size // 2
    column = (col_min + col_max) // 2 - size // 2
    return min(max(row, 0), shape[0] - size), min(max(column, 0), shape[1] - size)


def nodule(image, box, *, margin=MARGIN, size=SIZE, fill=None):
    """Cut the zoomed view: the box and `margin` pixels on each side at native scale, :func:`on_canvas`."""
    row_min, row_max, col_min, col_max = _checked(box, image.shape)
    rows = slice(max(row_min - margin, 0), row_max + margin)
    columns = slice(max(col_min - margin, 0), col_max + margin)
    return on_canvas(image[rows, columns], size=size, fill=fill)


def nodule_shapes(cases, *, side=SLICE_SIZE, margin=MARGIN):
    """Height and width (n, 2) of each case's zoomed crop, before it meets its canvas; `side` of the slice."""
    low = (cases[["nodule_row_min", "nodule_col_min"]] - margin).clip(lower=0).to_numpy()
    high = (cases[["nodule_row_max", "nodule_col_max"]] + margin).clip(upper=side).to_numpy()
    return high - low


def on_canvas(crop, *, size=SIZE, fill=None):
    """Centre a crop of any size on a square canvas, unscaled; a larger one loses its rim.

    The canvas is `fill`, else halfway between the crop's least and greatest value, so that
    min-max normalisation puts it at 0.5: the report's gray bands, our padding.
    """
    height, width = crop.shape
    top, left = max(height - size, 0) // 2, max(width - size, 0) // 2
    crop = crop[top : top + size, left : left + size]
    if fill is None:
        fill = _midpoint(crop)
    canvas = np.full((size, size), fill, dtype=crop.dtype)
    row, column = (size - crop.shape[0]) // 2, (size - crop.shape[1]) // 2
    canvas[row : row + crop.shape[0], column : column + crop.shape[1]] = crop
    return canvas


def _midpoint(crop):
    """Halfway between least and greatest grey level; whole, rounded down, for integers."""
    if crop.dtype.kind == "f":
        return (crop.min() + crop.max()) / 2
    return (int(crop.min()) + int(crop.max())) // 2


def _checked(box, shape):
    row_min, row_max, col_min, col_max = (int(side) for side in box)
    if not (0 <= row_min < row_max <= shape[0] and 0 <= col_min < col_max <= shape[1]):
        found = (row_min, row_max, col_min, col_max)
        raise ValueError(f"box: found {found}, expected row_min < row_max, col_min < col_max inside {shape}")
    return row_min, row_max, col_min, col_max


# --- Arrays of views, a row a case ---------------------------------------------------------


def shape_and_type(name, n):
    """Shape and type of the array of n rows that holds a view, such as `context`, or its mask."""
    size = SLICE_SIZE if name.startswith("full_slice") else SIZE
    return (n, size, size), np.dtype(np.uint8 if name.endswith("_mask") else np.int16)


def new_arrays(folder, n, names=ARRAYS, *, make):
    """Create `<name>.npy` with n empty rows for each name of a view or mask; return them by name.

    `make(path, dtype, shape)` creates one, as :func:`lungcls.preprocessing.images.new_npy` does.
    """
    kinds = {name: shape_and_type(name, n) for name in names}
    return {name: make(Path(folder) / f"{name}.npy", dtype, shape) for name, (shape, dtype) in kinds.items()}


def sparse_npy(path, dtype, shape):
    """Create a `.npy` file that takes space where it is written only, if the disk can do that."""
    return np.lib.format.open_memmap(path, "w+", dtype, shape)


def open_arrays(folder, names=ARRAYS):
    """Open the arrays of :func:`new_arrays` for writing."""
    return {name: np.lib.format.open_memmap(Path(folder) / f"{name}.npy", "r+") for name in names}


def write_views(arrays, row, image, inside, case):
    """Cut a case's views out of its slice and mask, into one row of the arrays that are there."""
    for name, view in cut_views(image, inside, box(case)).items():
        if name in arrays:
            arrays[name][row] = view
