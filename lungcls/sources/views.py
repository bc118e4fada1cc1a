"""Cut the views of a case out of its CT slice: the same cut for every source.

A box is ``(row_min, row_max, col_min, col_max)`` in pixels of the slice, last row and
column exclusive: the union of the readers' outlines.
"""

import numpy as np

SIZE = 128  # height and width of the `context` and `nodule` views, in pixels
MARGIN = 20  # what the `nodule` view shows around the box on each side, in pixels
BOX = ("row_min", "row_max", "col_min", "col_max")


def box(case):
    """Return the readers' box of a case in its slice: row_min, row_max, col_min, col_max."""
    return tuple(int(case[f"nodule_{side}"]) for side in BOX)


def cut(image, inside, box, *, wanted=("full_slice", "nodule", "context")):
    """Cut all views of a case and their masks.

    Parameters
    ----------
    image : ndarray of shape (H, W)
        CT slice (HU).
    inside : ndarray of shape (H, W), uint8, 0 or 1
        Its mask.
    box : sequence of 4 int
    wanted : sequence of {"full_slice", "nodule", "context"}

    Returns
    -------
    dict of str to ndarray
        `<view>` and `<view>_mask` for each view.

    Raises
    ------
    ValueError
        If the box is empty or leaves the slice.
    """
    images = {"full_slice": image, "full_slice_mask": inside}
    images["context"], images["context_mask"] = context(image, box), context(inside, box)
    images["nodule"], images["nodule_mask"] = nodule(image, box), nodule(inside, box, fill=0)
    return {name: view for name, view in images.items() if name.removesuffix("_mask") in wanted}


def context(image, box, *, size=SIZE):
    """Cut the square window around a nodule, at native scale.

    Parameters
    ----------
    image : ndarray of shape (H, W)
        CT slice (HU) or its mask.
    box : sequence of 4 int
    size : int, default 128
        Height and width of the window, in pixels; at most H and W.

    Returns
    -------
    ndarray of shape (size, size), dtype of `image`
        Centred on the box, moved into the slice where it would leave it.

    Raises
    ------
    ValueError
        If the box is empty or leaves the slice, or the window is larger than it.
    """
    row, column = context_origin(box, image.shape, size=size)
    return image[row : row + size, column : column + size].copy()


def context_origin(box, shape, *, size=SIZE):
    """Say where the first pixel of the `context` window lies in the slice.

    Returns
    -------
    row, column : int
    """
    row_min, row_max, col_min, col_max = _checked(box, shape)
    if size > min(shape):
        raise ValueError(f"size: found {size}, expected at most {min(shape)}, the slice's smaller side")
    row = (row_min + row_max) // 2 - size // 2
    column = (col_min + col_max) // 2 - size // 2
    return min(max(row, 0), shape[0] - size), min(max(column, 0), shape[1] - size)


def nodule(image, box, *, margin=MARGIN, size=SIZE, fill=None):
    """Cut the zoomed view: the box and a margin, at native scale, on a square canvas.

    Parameters
    ----------
    image : ndarray of shape (H, W)
        CT slice (HU) or its mask.
    box : sequence of 4 int
    margin : int, default 20
        Pixels around the box on each side; fewer at the rim of the slice.
    size : int, default 128
        Height and width of the canvas, in pixels.
    fill : number, optional
        Grey of the canvas; by default that of :func:`on_canvas`. Masks take 0.

    Returns
    -------
    ndarray of shape (size, size), dtype of `image`

    Raises
    ------
    ValueError
        If the box is empty or leaves the slice.
    """
    row_min, row_max, col_min, col_max = _checked(box, image.shape)
    rows = slice(max(row_min - margin, 0), row_max + margin)
    columns = slice(max(col_min - margin, 0), col_max + margin)
    return on_canvas(image[rows, columns], size=size, fill=fill)


def nodule_shapes(cases, *, side=512, margin=MARGIN):
    """Return the height and width of each case's zoomed crop, before it meets its canvas.

    Parameters
    ----------
    cases : DataFrame
        With the readers' box, `nodule_row_min` .. `nodule_col_max`, in the slice.
    side : int, default 512
        Height and width of the slice, in pixels.
    margin : int, default 20
        Pixels around the box on each side.

    Returns
    -------
    ndarray of shape (n, 2), int
    """
    low = (cases[["nodule_row_min", "nodule_col_min"]] - margin).clip(lower=0).to_numpy()
    high = (cases[["nodule_row_max", "nodule_col_max"]] + margin).clip(upper=side).to_numpy()
    return high - low


def on_canvas(crop, *, size=SIZE, fill=None):
    """Centre a crop of any size on a square canvas, without scaling it.

    The canvas has the grey halfway between the crop's least and greatest value, so that
    min-max normalisation puts it at 0.5: the grey bands of the report. A crop larger
    than the canvas loses its rim.

    Parameters
    ----------
    crop : ndarray of shape (h, w)
    size : int, default 128
        Height and width of the canvas, in pixels.
    fill : number, optional
        Another grey for the canvas, such as 0 for masks.

    Returns
    -------
    ndarray of shape (size, size), dtype of `crop`
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
