"""The zoomed view in other forms: its bands filled, its bands alone, or a field of fixed size.

The picture inside the grey bands is a piece of a wider view of the same case, pixel for
pixel. Where it lies there is found by its grey levels, so any cohort that has both views
will do, whatever else its table says.
"""

import numpy as np

from lungcls.bands import band_widths
from lungcls.preprocessing import min_max, resize

FORMS = ("kept", "filled", "only", "fixed")
WIDER = ("full_slice", "context")  # where surroundings are looked for, the widest first
FIELD_MM = 60.0  # ours: 128 pixels hold it in all but the finest scans, and nearly every nodule fits


def bands_only(images):
    """Keep the bands and make the picture inside them one grey: nothing of the patient is left.

    Parameters
    ----------
    images : ndarray of shape (n, H, W)
        The zoomed view as stored.

    Returns
    -------
    ndarray of shape (n, H, W), uint8
        1 in the bands, 0 in the picture.

    Raises
    ------
    ValueError
        If `images` has another rank.
    """
    widths, images = band_widths(images), np.asarray(images)
    height, width = images.shape[1:]
    rows = _inside(height, widths[:, 0], widths[:, 1])
    columns = _inside(width, widths[:, 2], widths[:, 3])
    return (~(rows[:, :, None] & columns[:, None, :])).astype(np.uint8)


def _inside(side, before, after):
    """Which of `side` pixels lie between the bands: one row of bool an image."""
    place = np.arange(side)
    return (place >= before[:, None]) & (place < side - after[:, None])


def locate(image, wide):
    """Find the picture inside the bands of a zoomed image in a wider image.

    Parameters
    ----------
    image : ndarray of shape (H, W)
    wide : ndarray of shape (H2, W2)
        With the same grey levels.

    Returns
    -------
    row, column : int
        Where the first pixel of the canvas falls in `wide`; negative where it reaches outside.

    Raises
    ------
    ValueError
        If `wide` does not hold the picture.
    """
    top, bottom, left, right = band_widths(np.asarray(image)[None])[0].tolist()
    picture = image[top : image.shape[0] - bottom, left : image.shape[1] - right]
    height, width = picture.shape
    rows, columns = wide.shape[0] - height + 1, wide.shape[1] - width + 1
    if 0 in picture.shape or rows < 1 or columns < 1:
        found = f"a picture of {height} x {width} pixels and {wide.shape[0]} x {wide.shape[1]} around it"
        raise ValueError(f"images: found {found}, expected a picture that fits in")
    # Few places are left after three pixels, so the whole picture is compared rarely.
    places = np.argwhere(wide[:rows, :columns] == picture[0, 0])
    for row, column in ((height - 1, width - 1), (height // 2, width // 2)):
        places = places[wide[places[:, 0] + row, places[:, 1] + column] == picture[row, column]]
    for row, column in places.tolist():
        if np.array_equal(wide[row : row + height, column : column + width], picture):
            return row - top, column - left
    raise ValueError("images: found no place of the zoomed picture in the wider view, "
                     "expected a cut of it, pixel for pixel")


def fill_bands(images, wide):
    """Put in place of the bands what surrounds the picture in a wider view.

    Parameters
    ----------
    images : ndarray of shape (n, H, W)
        The zoomed view as stored.
    wide : ndarray of shape (n, H2, W2)
        A wider view of the same cases, with the same grey levels.

    Returns
    -------
    ndarray of shape (n, H, W), dtype of `wide`
        The picture is where it was. Where the canvas reaches beyond the wider view, its
        outermost pixels are repeated.

    Raises
    ------
    ValueError
        If the wider view does not hold a picture.
    """
    out = np.empty(np.shape(images), dtype=wide.dtype)
    for image, around, filled in zip(images, wide, out):
        row, column = locate(image, around)
        filled[:] = _window(around, row, column, image.shape)
    return out


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
        square[:] = resize(min_max(_window(around, row, column, (side, side))), size)
    return out


def _window(image, row, column, shape):
    """Cut a window that may reach beyond the image, whose outermost pixels are then repeated."""
    rows = np.clip(np.arange(row, row + shape[0]), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(column, column + shape[1]), 0, image.shape[1] - 1)
    return image[np.ix_(rows, columns)]
