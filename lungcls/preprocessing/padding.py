"""Grey bands: the canvas that shows around the zoomed nodule image.

The zoomed view is cut at the readers' box and laid on a canvas of one grey, so the width
of the bands is a measure of size that the readers made, not the image.
"""

import numpy as np

SIDES = ("top", "bottom", "left", "right")


def band_widths(images):
    """Measure the bands of one grey around images.

    A row or column of the rim belongs to a band if all its pixels have the grey of the
    last pixel, bottom right: a crop is centred on its canvas, and where a margin is odd
    the larger half lies there.

    Parameters
    ----------
    images : ndarray of shape (n, H, W)
        As stored: integer or float grey levels on their canvas.

    Returns
    -------
    ndarray of shape (n, 4), int
        Pixels at the top, bottom, left and right. An image of a single grey is all band:
        H, H, W, W.

    Raises
    ------
    ValueError
        If `images` has another rank.
    """
    images = np.asarray(images)
    if images.ndim != 3 or 0 in images.shape:
        raise ValueError(f"images: found shape {images.shape}, expected (n, H, W) without a 0")
    grey = images == images[:, -1:, -1:]
    rows, columns = grey.all(axis=2), grey.all(axis=1)
    return np.stack([_run(rows), _run(rows[:, ::-1]), _run(columns), _run(columns[:, ::-1])], axis=1)


def _run(inside):
    """Length of the run of True at the start of each row."""
    return np.where(inside.all(axis=1), inside.shape[1], inside.argmin(axis=1))


def bands_after_crop(widths, shape, *, crop):
    """Say how much of each band a centre crop leaves.

    Parameters
    ----------
    widths : ndarray of shape (n, 4), int
        From :func:`band_widths`.
    shape : (int, int)
        Height and width of the images, in pixels.
    crop : int
        Side of the crop, in pixels.

    Returns
    -------
    ndarray of shape (n, 4), int

    Raises
    ------
    ValueError
        If the crop is larger than the image.

    References
    ----------
    .. [1] simeone2025
    """
    if not 1 <= crop <= min(shape):
        raise ValueError(f"crop: found {crop}, expected 1 to {min(shape)}, the image's smaller side")
    cut = []
    for side in shape:  # as preprocessing.center_crop: the smaller half goes first
        cut += [(side - crop) // 2, side - crop - (side - crop) // 2]
    return np.clip(np.asarray(widths) - cut, 0, crop)


FORMS = ("kept", "filled", "only", "fixed")
WIDER = ("full_slice", "context")  # where surroundings are looked for, the widest first


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
    raise ValueError(
        "images: found no place of the zoomed picture in the wider view, "
        "expected a cut of it, pixel for pixel"
    )


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
        filled[:] = window(around, row, column, image.shape)
    return out


def window(image, row, column, shape):
    """Cut a window that may reach beyond the image, whose outermost pixels are then repeated."""
    rows = np.clip(np.arange(row, row + shape[0]), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(column, column + shape[1]), 0, image.shape[1] - 1)
    return image[np.ix_(rows, columns)]
