"""Padding: the canvas of one grey around the picture in the zoomed view, the report's "gray bands".

The zoomed view is cut at the readers' box and laid on its canvas, so the width of the padding is a
measure of size that the readers made, not the image. Here it is measured, kept alone, or filled.
"""

import numpy as np

from lungcls.preprocessing.pixel_contract import image_stack

WIDER = ("full_slice", "context")  # where surroundings are looked for, the widest first


def widths(images):
    """Pixels of padding at the top, bottom, left and right of stored images (n, H, W): int, (n, 4)."""
    # A row or column of the rim is padding if all its pixels have the grey of the last pixel, bottom
    # right: where a margin is odd, its larger half lies there. An image of one grey is all padding.
    images = image_stack(np.asarray(images))
    grey = images == images[:, -1:, -1:]
    rows, columns = grey.all(axis=2), grey.all(axis=1)
    return np.stack([_run(rows), _run(rows[:, ::-1]), _run(columns), _run(columns[:, ::-1])], axis=1)


def _run(inside):
    """Length of the run of True at the start of each row."""
    return np.where(inside.all(axis=1), inside.shape[1], inside.argmin(axis=1))


def widths_after_crop(widths, shape, *, crop):
    """What a centre crop of `crop` pixels leaves of the padding of images of `shape` (H, W): int, (n, 4)."""
    if not 1 <= crop <= min(shape):
        raise ValueError(f"crop: found {crop}, expected 1 to {min(shape)}, the image's smaller side")
    cut = []
    for side in shape:  # as geometry.center_crop: the smaller half goes first
        cut += [(side - crop) // 2, side - crop - (side - crop) // 2]
    return np.clip(np.asarray(widths) - cut, 0, crop)


def alone(images):
    """The padding of zoomed images (n, H, W) and nothing of the patient: uint8, 1 in it, 0 in the picture."""
    (top, bottom, left, right), (height, width) = widths(images).T, np.shape(images)[1:]
    rows, columns = _between(height, top, bottom), _between(width, left, right)
    return (~(rows[:, :, None] & columns[:, None, :])).astype(np.uint8)


def _between(side, before, after):
    """Which of `side` pixels lie between two paddings: one row of bool an image."""
    place = np.arange(side)
    return (place >= before[:, None]) & (place < side - after[:, None])


def locate(image, wide):
    """Row and column of a wider image where the canvas of a zoomed one begins; negative if outside."""
    top, bottom, left, right = widths(np.asarray(image)[None])[0].tolist()
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
    found = "no place of the zoomed picture in the wider view"
    raise ValueError(f"images: found {found}, expected a cut of it, pixel for pixel")


def filled(images, wide):
    """Zoomed images (n, H, W) with what a wider view (n, H2, W2) shows around them in place of padding."""
    out = np.empty(np.shape(images), dtype=wide.dtype)
    for image, around, target in zip(images, wide, out, strict=True):
        row, column = locate(image, around)
        target[:] = window(around, row, column, image.shape)
    return out


def window(image, row, column, shape):
    """Cut a window that may reach beyond the image, whose outermost pixels are then repeated."""
    rows = np.clip(np.arange(row, row + shape[0]), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(column, column + shape[1]), 0, image.shape[1] - 1)
    return image[np.ix_(rows, columns)]
