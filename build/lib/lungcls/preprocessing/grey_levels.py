"""Grey levels: min-max scaling, and what changes the contrast of an image, each image by itself."""

import math

import numpy as np

from lungcls.preprocessing.pixel_contract import image_array, in_unit_range

CONTRASTS = ("sigmoid", "none", "clahe_morphology")
GAIN = 10.0  # ours: the report gives none; scikit-image's default
TAPE = 2**15  # pixels of which running minima are taken at once: they stay in the processor's cache


def min_max(images):
    """Scale each image by its own smallest and largest grey level.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), bool, integer or float
        Grey levels of any range, for example Hounsfield units.

    Returns
    -------
    ndarray of shape (..., H, W), float32 in [0, 1]
        A constant image becomes zeros.

    Raises
    ------
    ValueError
        If an image holds NaN or infinity; the message gives its number and range.

    Examples
    --------
    >>> min_max([[-1000, -500], [0, 1000]]).tolist()
    [[0.0, 0.25], [0.5, 1.0]]
    """
    return scale_into(image_array(images))


def scale_into(images, out=None):
    """The work of :func:`min_max`, written into a float32 `out` of the same shape where it is given."""
    if images.dtype.kind not in "buif":
        raise ValueError(f"images: found dtype {images.dtype}, expected integer or float grey levels")
    # float32 holds every 16-bit grey level exactly; wider ones need float64 to subtract.
    exact = images.dtype == np.float32 or images.dtype.itemsize <= 2
    work = np.float32 if exact else np.float64
    low = images.min(axis=(-2, -1), keepdims=True).astype(work)
    high = images.max(axis=(-2, -1), keepdims=True).astype(work)
    with np.errstate(invalid="ignore", over="ignore"):
        span = high - low
    if not np.isfinite(span).all():
        wrong = int(np.argmin(np.isfinite(span)))
        found = f"{low.flat[wrong]} to {high.flat[wrong]}"
        raise ValueError(f"images: image {wrong} ranges from {found}, expected finite grey levels")
    scaled = np.subtract(images, low, dtype=work, out=out if work is np.float32 else None)
    scaled /= np.where(span > 0, span, 1)
    return scaled.astype(np.float32, copy=False)


def hu_window(images, window):
    """Scale Hounsfield units by a window, the same for every image; beyond it they are clipped.

    Where padding or metal sets an image's smallest or greatest grey level, :func:`min_max` moves
    all others.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), signed integer or float, HU
    window : (float, float)
        HU that become 0 and 1, for example (-1000, 400).

    Returns
    -------
    ndarray of shape (..., H, W), float32 in [0, 1]

    Raises
    ------
    ValueError
        If the images are unsigned, so not in HU, hold NaN, or the window is empty.

    Examples
    --------
    >>> hu_window([[-2000, -1000], [-300, 3000]], (-1000, 400)).tolist()
    [[0.0, 0.0], [0.5, 1.0]]
    """
    return window_into(image_array(images), window)


def window_into(images, window, out=None):
    """The work of :func:`hu_window`, written into a float32 `out` of the same shape where it is given."""
    low, high = window
    if images.dtype.kind not in "if":
        raise ValueError(f"window: found {images.dtype} grey levels, expected Hounsfield units")
    if not low < high:
        raise ValueError(f"window: found {low} to {high}, expected a range of HU")
    if np.isnan(images).any():
        raise ValueError("images: found NaN, expected finite Hounsfield units")
    scaled = np.subtract(images, low, dtype=np.float32, out=out)
    scaled /= high - low
    return np.clip(scaled, 0, 1, out=scaled)


def sigmoid_contrast(image, *, gain=GAIN, cutoff="mean"):
    """Steepen contrast around a grey level with a logistic curve.

    ``S(x) = 1 / (1 + exp(-gain * (x - cutoff)))``, pixel by pixel [1]_.

    Parameters
    ----------
    image : ndarray of shape (..., H, W), float in [0, 1]
        Min-max normalised CT image (no unit; not HU).
    gain : float, default 10
        Slope of the curve at `cutoff`.
    cutoff : float in [0, 1] or "mean", default "mean"
        Grey level mapped to 0.5; "mean" takes each image's own mean.

    Returns
    -------
    ndarray of shape (..., H, W), float32 in (0, 1)

    Raises
    ------
    ValueError
        If `image` leaves [0, 1]; the message gives the range found.

    References
    ----------
    .. [1] braun1999

    Examples
    --------
    >>> print(sigmoid_contrast([[0.0, 0.5], [0.5, 1.0]]).round(3))
    [[0.007 0.5  ]
     [0.5   0.993]]
    """
    image = in_unit_range(image, "image")
    check_sigmoid(gain, cutoff)
    return sigmoid_into(image, gain, cutoffs(image, cutoff))


def clahe(images, *, clip_limit=0.01, tiles=8):  # scikit-image's defaults: the report gives none
    """Equalise the histogram of images in [0, 1] locally with limited contrast (CLAHE, zuiderveld1994)."""
    from skimage.exposure import equalize_adapthist

    images = in_unit_range(images)
    if not 0 <= clip_limit <= 1:
        raise ValueError(f"clip_limit: found {clip_limit}, expected 0 to 1")
    if not 1 <= tiles <= min(images.shape[-2:]):
        raise ValueError(f"tiles: found {tiles}, expected 1 to {min(images.shape[-2:])}, the image's side")
    kernel = [max(side // tiles, 1) for side in images.shape[-2:]]
    out = np.empty(images.shape, dtype=np.float32)
    for index in np.ndindex(images.shape[:-2]):
        out[index] = equalize_adapthist(images[index], kernel_size=kernel, clip_limit=clip_limit)
    return out


def morphological_enhancement(images, *, radius=5):  # ours: the report gives no radius
    """Add what is brighter, take away what is darker than a disk of `radius` pixels around (serra1982)."""
    images = in_unit_range(images)
    if radius < 1:
        raise ValueError(f"radius: found {radius}, expected 1 or more pixels")
    # white top-hat = image - opening, black top-hat = closing - image
    enhanced = 3 * images - opening(images, radius) - closing(images, radius)
    return np.clip(enhanced, 0, 1, out=enhanced)


def opening(images, radius):
    """Remove what is brighter than around it and too narrow for a disk of `radius` pixels."""
    return _over_disk(np.maximum, _over_disk(np.minimum, images, radius), radius)


def closing(images, radius):
    """Fill what is darker than around it and too narrow for a disk of `radius` pixels."""
    return _over_disk(np.minimum, _over_disk(np.maximum, images, radius), radius)


def _over_disk(pick, images, radius):
    """The least (`pick` np.minimum) or greatest (np.maximum) grey level within a disk around each pixel."""
    # All rows lie on one tape, `radius` pixels apart, all images `radius` rows: a slice shifts them all.
    *some, height, width = images.shape
    row, nothing = width + radius, np.inf if pick is np.minimum else -np.inf
    size, margin = math.prod(some) * (height + radius) * row, radius * (row + 1)
    tape = np.full(size + 2 * margin, nothing, dtype=np.float32)
    apart = (*some, height + radius, row)
    tape[margin : margin + size].reshape(apart)[..., :height, :width] = images
    out = np.full(size, nothing, dtype=np.float32)
    spare, other = np.empty((2, min(TAPE, size) + 2 * margin), dtype=np.float32)
    for start in range(0, size, TAPE):
        found = out[start : start + TAPE]
        run, length = tape[start : start + len(found) + 2 * margin], 1
        for up in range(radius, -1, -1):  # to the disk's middle its chords widen, and so do the runs
            half = math.isqrt(radius**2 - up**2)
            while length <= 2 * half:
                step = min(length, 2 * half + 1 - length)
                run = pick(run[:-step], run[step:], out=spare[: len(run) - step])
                spare, other, length = other, spare, length + step
            for first in (margin - up * row - half, margin + up * row - half):
                pick(found, run[first : first + len(found)], out=found)
    return out.reshape(apart)[..., :height, :width]


def enhance(images, contrast="sigmoid", *, gain=GAIN, cutoff="mean"):
    """Change the contrast of images (..., H, W) in [0, 1] by name; "sigmoid" is the report's choice."""
    if contrast not in CONTRASTS:
        raise ValueError(f"contrast: found {contrast!r}, expected one of {CONTRASTS}")
    if contrast == "sigmoid":
        return sigmoid_contrast(images, gain=gain, cutoff=cutoff)
    if contrast == "clahe_morphology":
        return morphological_enhancement(clahe(images))
    return in_unit_range(images)


def check_sigmoid(gain, cutoff):
    """Refuse a gain that is not finite, and a cutoff that is neither "mean" nor a grey level."""
    if not np.isfinite(gain):
        raise ValueError(f"gain: found {gain}, expected a finite number")
    if cutoff != "mean" and (isinstance(cutoff, str) or not 0 <= cutoff <= 1):
        raise ValueError(f"cutoff: found {cutoff!r}, expected 'mean' or a grey level in [0, 1]")


def cutoffs(images, cutoff):
    """The cutoff of each image: its own mean, or the one given."""
    return images.mean(axis=(-2, -1), keepdims=True) if cutoff == "mean" else np.float32(cutoff)


def sigmoid_into(images, gain, cutoff, out=None):
    """The curve of :func:`sigmoid_contrast`, written into `out`, which may be `images` itself."""
    curve = np.subtract(images, cutoff, out=out)
    curve *= np.float32(-gain)
    with np.errstate(over="ignore"):  # exp may reach infinity, whose reciprocal is the right 0
        np.exp(curve, out=curve)
    curve += 1
    return np.reciprocal(curve, out=curve)
