"""The report's two pipelines: from grey levels of any range to float32 in [0, 1].

Each step treats each image by itself, so nothing is learned from other cases. :func:`preprocess`
runs the pipeline of a view over a cohort, batch by batch, and ends in the pixel contract.
"""

import numpy as np

from lungcls.preprocessing.geometry import center_crop, height_width, resize_into
from lungcls.preprocessing.grey_levels import (
    GAIN,
    check_sigmoid,
    cutoffs,
    enhance,
    scale_into,
    sigmoid_into,
    window_into,
)
from lungcls.preprocessing.images import release
from lungcls.preprocessing.pixel_contract import image_array, image_stack

CROP = 96  # the report's centre crop, in pixels of a 128 x 128 nodule image
SIZE = 128
VIEWS = ("full_slice", "nodule", "context")
BATCH_PIXELS = 2**17  # a float32 batch of 512 KB stays in the processor's cache


def nodule_pipeline(
    images, *, size=SIZE, crop=CROP, window=None, contrast="sigmoid", gain=GAIN, cutoff="mean"
):
    """Preprocess nodule images as the report does: min-max, contrast, centre crop, resize.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), integer or float grey levels
    size : int, default 128
        Height and width of the result in pixels.
    crop : int, default 96
        Side of the centre crop in pixels of `images`; it removes the padding around
        the nodule's box. The contrast takes the mean of the whole image, padding included.
    window : (float, float), optional
        Of :func:`lungcls.preprocessing.hu_window`, in place of min-max.
    contrast : {"sigmoid", "none", "clahe_morphology"}, default "sigmoid"
        The report's choice, no change, or the CLAHE and morphology that it tried.
    gain, cutoff
        Of :func:`lungcls.preprocessing.sigmoid_contrast`.

    Returns
    -------
    ndarray of shape (..., size, size), float32 in [0, 1]

    Raises
    ------
    ValueError
        If an image holds NaN or infinity, is smaller than `crop`, or an option is wrong.

    References
    ----------
    .. [1] simeone2025

    Examples
    --------
    >>> hounsfield = np.linspace(-1000, 400, 128 * 128).reshape(1, 128, 128)
    >>> nodule_pipeline(hounsfield, size=64).shape
    (1, 64, 64)
    """
    return _pipeline(image_array(images), size, crop, window, contrast, gain, cutoff)


def full_slice_pipeline(images, *, size=SIZE, window=None, contrast="sigmoid", gain=GAIN, cutoff="mean"):
    """Preprocess full slices as the report does: min-max, contrast, resize.

    The `context` view takes the same steps.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), integer or float grey levels
    size : int, default 128
        Height and width of the result in pixels.
    window, contrast, gain, cutoff
        As in :func:`nodule_pipeline`.

    Returns
    -------
    ndarray of shape (..., size, size), float32 in [0, 1]

    Raises
    ------
    ValueError
        If an image holds NaN or infinity or an option is wrong.

    References
    ----------
    .. [1] simeone2025

    Examples
    --------
    >>> print(full_slice_pipeline([[-1000, 0], [0, 1000]], size=2).round(3))
    [[0.007 0.5  ]
     [0.5   0.993]]
    """
    images = image_array(images)
    return _pipeline(images, size, images.shape[-2:], window, contrast, gain, cutoff)


def _pipeline(
    images, size, crop, window=None, contrast="sigmoid", gain=GAIN, cutoff="mean", *, work=None, out=None
):
    """Both pipelines; `work` are arrays to scale, curve and narrow in, `out` one to write in."""
    scaled, curve, narrow = work or (None, None, None)
    scaled = scale_into(images, scaled) if window is None else window_into(images, window, scaled)
    if contrast == "sigmoid":  # works pixel by pixel, so the crop may come first and save work
        check_sigmoid(gain, cutoff)
        middle = sigmoid_into(center_crop(scaled, crop), gain, cutoffs(scaled, cutoff), out=curve)
    else:
        middle = center_crop(enhance(scaled, contrast), crop)
    return resize_into(middle, height_width(size), narrow, out)


def preprocess(images, view, *, size=SIZE, crop=CROP, out=None, progress=False, **options):
    """Run the pipeline of a view over all images of a cohort, batch by batch.

    Memory does not grow with the number of cases, but for the result where `out` is
    not given.

    Parameters
    ----------
    images : Images or ndarray of shape (n, H, W), integer or float grey levels
        Usually memory-mapped: ``cohort.views[view]``.
    view : {"full_slice", "nodule", "context"}
        Which pipeline: :func:`nodule_pipeline`, else :func:`full_slice_pipeline`.
    size, crop : int, default 128 and 96
        In pixels; only the nodule pipeline crops.
    out : ndarray of shape (n, size, size, 1), float32, optional
        Where to write, for example a memory-mapped array.
    progress : bool, default False
        Show a progress bar.
    **options
        `window`, `contrast`, `gain` and `cutoff`, as in :func:`nodule_pipeline`.

    Returns
    -------
    ndarray of shape (n, size, size, 1), float32 in [0, 1]
        `out`, if given.

    Raises
    ------
    ValueError
        If `view`, `out` or an option is wrong, or an image holds NaN or infinity; the
        message gives the rows, counted from 1.

    Examples
    --------
    >>> hounsfield = np.linspace(-1000, 400, 2 * 128 * 128).reshape(2, 128, 128)
    >>> preprocess(hounsfield, "nodule", size=64).shape
    (2, 64, 64, 1)
    """
    from tqdm import tqdm

    if view not in VIEWS:
        raise ValueError(f"view: found {view!r}, expected one of {VIEWS}")
    n, *sides = image_stack(images).shape
    shape = (n, *height_width(size), 1)
    out = np.empty(shape, dtype=np.float32) if out is None else out
    if out.shape != shape or out.dtype != np.float32:
        raise ValueError(f"out: found {out.dtype} of shape {out.shape}, expected float32 of shape {shape}")
    middle = height_width(crop) if view == "nodule" else tuple(sides)
    step = max(1, BATCH_PIXELS // (sides[0] * sides[1]))
    # Made once: fresh arrays for each batch cost more, in page faults, than the arithmetic.
    scaled = np.empty((step, *sides), dtype=np.float32)
    curve = scaled if middle == tuple(sides) else np.empty((step, *middle), dtype=np.float32)
    narrow = np.empty((step, middle[0], shape[2]), dtype=np.float32)
    with tqdm(total=n, desc=f"preprocessing {view}", disable=None if progress else True) as bar:
        for start in range(0, n, step):
            stop = min(start + step, n)
            work = [array[: stop - start] for array in (scaled, curve, narrow)]
            try:
                batch, target = np.asarray(images[start:stop]), out[start:stop, ..., 0]
                _pipeline(batch, size, middle, **options, work=work, out=target)
            except ValueError as error:
                raise ValueError(f"{view}, rows {start + 1} to {stop}: {error}") from error
            release(images)
            release(out)
            bar.update(stop - start)
    return out
