"""Preprocessing: from grey levels of any range to float32 in [0, 1].

Each step takes images of shape (..., H, W) and treats each image by itself, so nothing
is learned from other cases. :func:`preprocess` runs the report's pipeline of a view over
a cohort, batch by batch, and ends in the pixel contract: float32 in [0, 1], (n, H, W, 1).
"""

from functools import cache

import numpy as np

from lungcls.arrays import let_go

CONTRASTS = ("sigmoid", "none", "clahe_morphology")
GAIN = 10.0  # ours: the report gives none; scikit-image's default
CROP = 96  # the report's centre crop, in pixels of a 128 x 128 nodule image
SIZE = 128
VIEWS = ("full_slice", "nodule", "context")
BLOCK = 32  # new pixels of an axis that one product makes
BATCH_PIXELS = 2**17  # a float32 batch of 512 KB stays in the processor's cache


# --- Grey levels ----------------------------------------------------------------------


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
    """
    return _min_max(_as_images(images))


def _min_max(images, out=None):
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
    """
    image = _in_unit_range(image, "image")
    _check_sigmoid(gain, cutoff)
    return _sigmoid(image, gain, _cutoffs(image, cutoff))


def clahe(images, *, clip_limit=0.01, tiles=8):
    """Equalise the histogram locally with limited contrast (CLAHE) [1]_.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), float in [0, 1]
    clip_limit : float in [0, 1], default 0.01
        The larger, the more contrast (scikit-image's default; the report gives none).
    tiles : int, default 8
        Local histograms along each axis.

    Returns
    -------
    ndarray of shape (..., H, W), float32 in [0, 1]

    Raises
    ------
    ValueError
        If `images` leave [0, 1] or an option is out of range.

    References
    ----------
    .. [1] zuiderveld1994
    """
    from skimage.exposure import equalize_adapthist

    images = _in_unit_range(images)
    if not 0 <= clip_limit <= 1:
        raise ValueError(f"clip_limit: found {clip_limit}, expected 0 to 1")
    if not 1 <= tiles <= min(images.shape[-2:]):
        raise ValueError(f"tiles: found {tiles}, expected 1 to {min(images.shape[-2:])}, the image's side")
    kernel = [max(side // tiles, 1) for side in images.shape[-2:]]
    out = np.empty(images.shape, dtype=np.float32)
    for index in np.ndindex(images.shape[:-2]):
        out[index] = equalize_adapthist(images[index], kernel_size=kernel, clip_limit=clip_limit)
    return out


def morphological_enhancement(images, *, radius=5):
    """Add what is brighter and take away what is darker than a disk around it [1]_.

    ``image + white top-hat - black top-hat``, clipped to [0, 1]: structures narrower
    than the disk gain contrast. The report cites a review of drug discovery for it; the
    transforms are those of mathematical morphology [1]_.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), float in [0, 1]
    radius : int, default 5
        Radius of the disk in pixels (ours: the report gives none).

    Returns
    -------
    ndarray of shape (..., H, W), float32 in [0, 1]

    Raises
    ------
    ValueError
        If `images` leave [0, 1] or `radius` is below 1.

    References
    ----------
    .. [1] serra1982
    """
    from skimage.morphology import closing, disk, opening

    images = _in_unit_range(images)
    if radius < 1:
        raise ValueError(f"radius: found {radius}, expected 1 or more pixels")
    around = disk(radius)
    out = np.empty(images.shape, dtype=np.float32)
    for index in np.ndindex(images.shape[:-2]):
        image = images[index]
        # white top-hat = image - opening, black top-hat = closing - image
        out[index] = 3 * image - opening(image, around) - closing(image, around)
    return np.clip(out, 0, 1, out=out)


# --- Geometry -------------------------------------------------------------------------


def center_crop(images, size):
    """Cut a window out of the middle of each image.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), any dtype
    size : int or (int, int)
        Height and width in pixels. Where the margin is odd, the smaller half is on top
        and on the left.

    Returns
    -------
    ndarray of shape (..., height, width), a view of `images`

    Raises
    ------
    ValueError
        If the window is larger than the image.
    """
    images = _as_images(images)
    height, width = _height_width(size)
    if height > images.shape[-2] or width > images.shape[-1]:
        found = f"{height} x {width} from images of {images.shape[-2]} x {images.shape[-1]} pixels"
        raise ValueError(f"size: found a crop of {found}, expected one that fits")
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    return images[..., top : top + height, left : left + width]


def resize(images, size):
    """Resize images linearly, smoothed first along an axis that shrinks [1]_.

    Equal to ``skimage.transform.resize(image, size, order=1)`` to float32 accuracy. That
    operator is linear in the pixels and separable, so that one small matrix an axis holds it.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), float in [0, 1]
    size : int or (int, int)
        New height and width in pixels.

    Returns
    -------
    ndarray of shape (..., height, width), float32 in [0, 1]

    Raises
    ------
    ValueError
        If `images` leave [0, 1].

    References
    ----------
    .. [1] vanderwalt2014
    """
    images = _in_unit_range(images)
    return _resize(images, _height_width(size))


def _resize(images, size, narrow=None, out=None):
    *some, height, width = images.shape
    narrow = np.empty((*some, height, size[1]), dtype=np.float32) if narrow is None else narrow
    out = np.empty((*some, *size), dtype=np.float32) if out is None else out
    for new, old, weights in _axis_blocks(width, size[1]):
        np.matmul(images[..., old], weights.T, out=narrow[..., new])
    for new, old, weights in _axis_blocks(height, size[0]):
        np.matmul(weights, narrow[..., old, :], out=out[..., new, :])
    return np.clip(out, 0, 1, out=out)  # the rounded weights of a pixel may add up to more than 1


@cache
def _axis_blocks(old, new):
    """The matrix that resizes one axis, as blocks (new pixels, old pixels, weights).

    It is skimage's resize of the identity. A new pixel is made of few old ones, so the
    blocks leave out most of the matrix, which is 0.
    """
    from skimage.transform import resize as skimage_resize

    matrix = skimage_resize(np.eye(old), (new, old), order=1, anti_aliasing=new < old).astype(np.float32)
    blocks = []
    for start in range(0, new, BLOCK):
        rows = matrix[start : start + BLOCK]
        used = np.flatnonzero(rows.any(axis=0))
        columns = slice(int(used[0]), int(used[-1]) + 1)
        blocks.append((slice(start, start + len(rows)), columns, np.ascontiguousarray(rows[:, columns])))
    return blocks


# --- The report's pipelines -----------------------------------------------------------


def enhance(images, contrast="sigmoid", *, gain=GAIN, cutoff="mean"):
    """Change the contrast of images by name.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), float in [0, 1]
    contrast : {"sigmoid", "none", "clahe_morphology"}, default "sigmoid"
        The report's choice, no change, or the CLAHE and morphology that it tried.
    gain, cutoff
        As in :func:`sigmoid_contrast`.

    Returns
    -------
    ndarray of shape (..., H, W), float32 in [0, 1]

    Raises
    ------
    ValueError
        If `contrast` is unknown or `images` leave [0, 1].
    """
    if contrast not in CONTRASTS:
        raise ValueError(f"contrast: found {contrast!r}, expected one of {CONTRASTS}")
    if contrast == "sigmoid":
        return sigmoid_contrast(images, gain=gain, cutoff=cutoff)
    if contrast == "clahe_morphology":
        return morphological_enhancement(clahe(images))
    return _in_unit_range(images)


def nodule_pipeline(images, *, size=SIZE, crop=CROP, contrast="sigmoid", gain=GAIN, cutoff="mean"):
    """Preprocess nodule images as the report does: min-max, contrast, centre crop, resize.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), integer or float grey levels
    size : int, default 128
        Height and width of the result in pixels.
    crop : int, default 96
        Side of the centre crop in pixels of `images`; it removes the grey bands around
        the nodule's box. The contrast takes the mean of the whole image, bands included.
    contrast, gain, cutoff
        As in :func:`enhance`.

    Returns
    -------
    ndarray of shape (..., size, size), float32 in [0, 1]

    Raises
    ------
    ValueError
        If an image holds NaN or infinity, is smaller than `crop`, or an option is wrong.
    """
    return _pipeline(_as_images(images), size, crop, contrast, gain, cutoff)


def full_slice_pipeline(images, *, size=SIZE, contrast="sigmoid", gain=GAIN, cutoff="mean"):
    """Preprocess full slices as the report does: min-max, contrast, resize.

    The `context` view takes the same steps.

    Parameters
    ----------
    images : ndarray of shape (..., H, W), integer or float grey levels
    size : int, default 128
        Height and width of the result in pixels.
    contrast, gain, cutoff
        As in :func:`enhance`.

    Returns
    -------
    ndarray of shape (..., size, size), float32 in [0, 1]

    Raises
    ------
    ValueError
        If an image holds NaN or infinity or an option is wrong.
    """
    images = _as_images(images)
    return _pipeline(images, size, images.shape[-2:], contrast, gain, cutoff)


def _pipeline(images, size, crop, contrast, gain, cutoff, *, scaled=None, curve=None, narrow=None, out=None):
    """Both pipelines; `scaled`, `curve` and `narrow` are arrays to work in, `out` to write in."""
    scaled = _min_max(images, scaled)
    if contrast == "sigmoid":  # works pixel by pixel, so the crop may come first and save work
        _check_sigmoid(gain, cutoff)
        window = _sigmoid(center_crop(scaled, crop), gain, _cutoffs(scaled, cutoff), out=curve)
    else:
        window = center_crop(enhance(scaled, contrast), crop)
    return _resize(window, _height_width(size), narrow, out)


def preprocess(
    images,
    view,
    *,
    size=SIZE,
    crop=CROP,
    contrast="sigmoid",
    gain=GAIN,
    cutoff="mean",
    out=None,
    progress=False,
):
    """Run the pipeline of a view over all images of a cohort, batch by batch.

    Memory does not grow with the number of cases, but for the result where `out` is
    not given.

    Parameters
    ----------
    images : Images or ndarray of shape (n, H, W), integer or float grey levels
        Usually memory-mapped: ``cohort.views[view]``.
    view : {"full_slice", "nodule", "context"}
        Which pipeline: :func:`nodule_pipeline`, else :func:`full_slice_pipeline`.
    size : int, default 128
        Height and width of the result in pixels.
    crop : int, default 96
        Of the nodule pipeline; the other one does not crop.
    contrast, gain, cutoff
        As in :func:`enhance`.
    out : ndarray of shape (n, size, size, 1), float32, optional
        Where to write, for example a memory-mapped array.
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    ndarray of shape (n, size, size, 1), float32 in [0, 1]
        `out`, if given.

    Raises
    ------
    ValueError
        If `view`, `out` or an option is wrong, or an image holds NaN or infinity; the
        message gives the rows, counted from 1.
    """
    from tqdm import tqdm

    if view not in VIEWS:
        raise ValueError(f"view: found {view!r}, expected one of {VIEWS}")
    if len(images.shape) != 3 or 0 in images.shape:
        raise ValueError(f"images: found shape {images.shape}, expected (n, H, W) without a 0")
    n, *sides = images.shape
    shape = (n, *_height_width(size), 1)
    out = np.empty(shape, dtype=np.float32) if out is None else out
    if out.shape != shape or out.dtype != np.float32:
        raise ValueError(f"out: found {out.dtype} of shape {out.shape}, expected float32 of shape {shape}")
    window = _height_width(crop) if view == "nodule" else tuple(sides)
    step = max(1, BATCH_PIXELS // (sides[0] * sides[1]))
    # Made once: fresh arrays for each batch cost more, in page faults, than the arithmetic.
    scaled = np.empty((step, *sides), dtype=np.float32)
    curve = scaled if window == tuple(sides) else np.empty((step, *window), dtype=np.float32)
    narrow = np.empty((step, window[0], shape[2]), dtype=np.float32)
    with tqdm(total=n, desc=f"preprocessing {view}", disable=None if progress else True) as bar:
        for start in range(0, n, step):
            stop = min(start + step, n)
            work = {"scaled": scaled, "curve": curve, "narrow": narrow}
            work = {name: array[: stop - start] for name, array in work.items()}
            try:
                batch, target = np.asarray(images[start:stop]), out[start:stop, ..., 0]
                _pipeline(batch, size, window, contrast, gain, cutoff, **work, out=target)
            except ValueError as error:
                raise ValueError(f"{view}, rows {start + 1} to {stop}: {error}") from error
            let_go(images)
            let_go(out)
            bar.update(stop - start)
    return out


# --- The pixel contract ---------------------------------------------------------------


def check_pixel_contract(images):
    """Refuse images that no model of the package takes.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]

    Raises
    ------
    ValueError
        Naming the rank, dtype or range found.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 1 or 0 in images.shape:
        raise ValueError(f"images: found shape {images.shape}, expected (n, H, W, 1) without a 0")
    if images.dtype != np.float32:
        raise ValueError(f"images: found dtype {images.dtype}, expected float32")
    _refuse_outside_unit_range(images, "images")


def _as_images(images):
    images = np.asarray(images)
    if images.ndim < 2 or 0 in images.shape:
        raise ValueError(f"images: found shape {images.shape}, expected (..., H, W) without a 0")
    return images


def _in_unit_range(images, name="images"):
    images = _as_images(images)
    if images.dtype.kind != "f":
        raise ValueError(f"{name}: found dtype {images.dtype}, expected float in [0, 1]; see min_max")
    _refuse_outside_unit_range(images, name)
    return images.astype(np.float32, copy=False)


def _refuse_outside_unit_range(images, name):
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise ValueError(f"{name}: found values from {low} to {high}, expected [0, 1]")


def _check_sigmoid(gain, cutoff):
    if not np.isfinite(gain):
        raise ValueError(f"gain: found {gain}, expected a finite number")
    if cutoff != "mean" and (isinstance(cutoff, str) or not 0 <= cutoff <= 1):
        raise ValueError(f"cutoff: found {cutoff!r}, expected 'mean' or a grey level in [0, 1]")


def _height_width(size):
    height, width = (size, size) if np.ndim(size) == 0 else size
    if height < 1 or width < 1:
        raise ValueError(f"size: found {size}, expected 1 or more pixels")
    return int(height), int(width)


def _cutoffs(images, cutoff):
    return images.mean(axis=(-2, -1), keepdims=True) if cutoff == "mean" else np.float32(cutoff)


def _sigmoid(images, gain, cutoff, out=None):
    curve = np.subtract(images, cutoff, out=out)
    curve *= np.float32(-gain)
    with np.errstate(over="ignore"):  # exp may reach infinity, whose reciprocal is the right 0
        np.exp(curve, out=curve)
    curve += 1
    return np.reciprocal(curve, out=curve)
