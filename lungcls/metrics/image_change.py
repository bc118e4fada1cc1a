"""How far an augmentation moves an image from its original, and what it leaves of the nodule.

An augmentation is looked at from outside: what counts is the images that go in and come
out. Whether the nodule survives is found by erasing it: the same draw changes the image
and the image without its nodule, and where the two still differ, the nodule still shows.
"""

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.stats import mannwhitneyu


def grey_shift(images, changed):
    """Measure how far the grey levels of each image move, wherever in the image they are.

    The distance between the two histograms (Wasserstein's): how far a pixel's grey has to
    move on average to turn one histogram into the other. Mirroring an image moves none.

    Parameters
    ----------
    images, changed : ndarray of shape (n, H, W, 1), float in [0, 1]

    Returns
    -------
    ndarray of shape (n,), float in [0, 1]

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    before, after = _flat(images, changed=changed)
    return np.abs(np.sort(before) - np.sort(after)).mean(axis=1)


def correlation(images, changed):
    """Correlate each image with its original, pixel by pixel.

    Parameters
    ----------
    images, changed : ndarray of shape (n, H, W, 1), float in [0, 1]

    Returns
    -------
    ndarray of shape (n,), float in [-1, 1]
        NaN where one of the two is a single grey.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    before, after = (flat - flat.mean(axis=1, keepdims=True) for flat in _flat(images, changed=changed))
    energy = (before**2).sum(axis=1) * (after**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(energy > 1e-12, (before * after).sum(axis=1) / np.sqrt(energy), np.nan)


def sharpness(images):
    """Measure the mean difference between neighbouring pixels of each image.

    Interpolation blurs, so turned and shifted images have less of it.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, 1), float in [0, 1]

    Returns
    -------
    ndarray of shape (n,), float in [0, 1]
    """
    across, down = (np.abs(np.diff(images, axis=axis)).mean(axis=(1, 2, 3)) for axis in (1, 2))
    return (across + down) / 2


def erase(images, masks, *, ring=3):
    """Paint over the nodule with the mean grey of what surrounds it.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, 1), float in [0, 1]
    masks : ndarray of shape (n, H, W, 1), bool
        True on the nodule. Where all or nothing is nodule, the image stays as it is.
    ring : int, default 3
        Width of the surroundings in pixels.

    Returns
    -------
    ndarray of shape (n, H, W, 1), float32 in [0, 1]

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    _flat(images, masks=masks)
    erased = np.array(images, dtype=np.float32)
    for image, mask in zip(erased, np.asarray(masks, dtype=bool)):
        around = binary_dilation(mask[..., 0], iterations=ring)[..., None] & ~mask
        if around.any():
            image[mask] = image[around].mean()
    return erased


def nodule_left(images, erased, changed, changed_erased):
    """Measure how much of the nodule an augmentation leaves in each image.

    The root of the summed squares of what the nodule adds to an image, after over before:
    1 where it is as visible as ever, 0 where it has left the frame or become one with its
    surroundings, above 1 where contrast was added or the border mirrors it.

    Parameters
    ----------
    images, erased : ndarray of shape (n, H, W, 1), float in [0, 1]
        With the nodule, and without it as :func:`erase` returns it.
    changed, changed_erased : ndarray of shape (n, H, W, 1), float in [0, 1]
        The same two after one and the same draw of an augmentation.

    Returns
    -------
    ndarray of shape (n,), float
        NaN where the image has no nodule.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    x, without, after, after_without = _flat(
        images, erased=erased, changed=changed, changed_erased=changed_erased
    )
    before = ((x - without) ** 2).sum(axis=1)
    left = ((after - after_without) ** 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(before > 1e-12, np.sqrt(left / before), np.nan)


def separation(images, masks, *, ring=6):
    """Measure how well grey alone tells the nodule from what surrounds it, in each image.

    The chance that a pixel of the nodule is brighter than one of the ring around it (a tie
    counts half): an AUC. No curve laid over the greys of the whole image can change it,
    since the order of the pixels stays; what treats parts of an image differently can.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, 1), float in [0, 1]
    masks : ndarray of shape (n, H, W, 1), bool
        True on the nodule.
    ring : int, default 6
        Width of the surroundings in pixels.

    Returns
    -------
    ndarray of shape (n,), float in [0, 1]
        NaN where there is no nodule or nothing around it.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    _flat(images, masks=masks)
    found = np.full(len(images), np.nan)
    for i, (image, mask) in enumerate(zip(np.asarray(images), np.asarray(masks, dtype=bool))):
        around = binary_dilation(mask[..., 0], iterations=ring)[..., None] & ~mask
        inside, outside = image[mask], image[around]
        if inside.size and outside.size:
            found[i] = mannwhitneyu(inside, outside, method="asymptotic").statistic / (
                inside.size * outside.size
            )
    return found


def _flat(images, **others):
    """Check that all have the shape of the first; return them as (n, pixels), float64."""
    for name, other in others.items():
        if np.shape(other) != np.shape(images):
            raise ValueError(f"{name}: found shape {np.shape(other)}, expected {np.shape(images)}")
    every = (images, *others.values())
    return [np.asarray(array, dtype=np.float64).reshape(len(array), -1) for array in every]
