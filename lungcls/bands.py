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
