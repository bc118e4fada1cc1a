"""Images that are the same, or nearly so, also flipped or turned.

An image is remembered by a digest of its pixels and by two small pictures, of the whole and
of its middle. Two images are alike if both pictures correlate and a perceptual hash of the
whole agrees. The limits lie above what different patients reach in real and simulated CT:
`benchmarks/audit_limits.py` measures that, and how much change of a copy is still seen.
"""

from dataclasses import dataclass
import hashlib

import numpy as np

from lungcls.preprocessing import geometry, grey_levels

WHOLE, MIDDLE = 32, 24  # sides of the small pictures, in pixels
MARGIN = 5 / 16  # of each side, cut off for the middle: in the zoomed view no grey band is left
CORRELATION = 0.99  # different patients reach 0.981 on LIDC, 0.983 on the phantom
BITS = 10  # of the 63 of a hash
BATCH_PIXELS = 1_000_000  # held in memory at a time


@dataclass(frozen=True)
class Prints:
    """What is remembered of images.

    Attributes
    ----------
    digests : ndarray of shape (n,), uint64
        Equal for equal pixels, and for no others but by a chance of 2**-64 a pair.
    whole, middle : ndarray of shape (n, side, side), float32
        Small pictures of mean 0 and norm 1; all 0 where an image has a single grey level.
    """

    digests: np.ndarray
    whole: np.ndarray
    middle: np.ndarray


def take_prints(images):
    """Go through images once and remember what tells them apart.

    Parameters
    ----------
    images : Images or ndarray of shape (n, H, W), integer or finite float grey levels
        Read batch by batch.

    Returns
    -------
    Prints
        About 6 kB an image.

    Raises
    ------
    ValueError
        If the shape is another, or an image holds NaN or infinity.
    """
    if len(images.shape) != 3 or 0 in images.shape:
        raise ValueError(f"images: found shape {images.shape}, expected (n, H, W) without a 0")
    n, height, width = images.shape
    digests = np.empty(n, dtype=np.uint64)
    whole, middle = (np.empty((n, side, side), dtype=np.float32) for side in (WHOLE, MIDDLE))
    core = tuple(slice(int(side * MARGIN), side - int(side * MARGIN)) for side in (height, width))
    step = max(1, BATCH_PIXELS // (height * width))
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        batch = np.ascontiguousarray(images[part])
        digests[part] = [_digest(image) for image in batch]
        scaled = grey_levels.min_max(batch)
        whole[part] = _standardised(geometry.resize(scaled, WHOLE))
        middle[part] = _standardised(geometry.resize(scaled[:, core[0], core[1]], MIDDLE))
    return Prints(digests, whole, middle)


def _digest(image):
    return int.from_bytes(hashlib.blake2b(image, digest_size=8).digest(), "little")


def _standardised(pictures):
    flat = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt((flat**2).sum(axis=(1, 2), keepdims=True))
    return np.where(norm > 1e-6, flat / np.maximum(norm, 1e-6), 0)


def same(prints, first, second):
    """Say which images have the same pixels.

    Parameters
    ----------
    prints : Prints
    first, second : ndarray of int
        Rows to compare, each of the first with each of the second.

    Returns
    -------
    ndarray of shape (len(first), len(second)), bool
    """
    return prints.digests[first][:, None] == prints.digests[second]


def alike(prints, first, second):
    """Say which images are the same or nearly so, also flipped or turned by right angles.

    Every pair is compared, by products of matrices: nothing is approximated.

    Parameters
    ----------
    prints : Prints
    first, second : ndarray of int
        Rows to compare, each of the first with each of the second.

    Returns
    -------
    ndarray of shape (len(first), len(second)), bool
    """
    near = np.zeros((len(first), len(second)), dtype=bool)
    for whole, correlation in _turned(prints, first, second):
        row, column = np.nonzero(correlation >= CORRELATION)
        if len(row):
            bits = (_hash(whole[row]) != _hash(prints.whole[second[column]])).sum(axis=1)
            near[row, column] |= bits <= BITS
    return near


def likeness(prints, first, second):
    """Say how much images correlate, flips and turns included.

    Parameters
    ----------
    prints : Prints
    first, second : ndarray of int
        Rows to compare, each of the first with each of the second.

    Returns
    -------
    ndarray of shape (len(first), len(second)), float32 in [-1, 1]
        The smaller correlation of whole and middle, in the position where it is largest.
    """
    best = np.full((len(first), len(second)), -1, dtype=np.float32)
    for _, correlation in _turned(prints, first, second):
        np.maximum(best, correlation, out=best)
    return best


def _turned(prints, first, second):
    """For each of the eight positions: the first images' pictures, and their correlation with the second."""
    against = [pictures[second].reshape(len(second), -1).T for pictures in (prints.whole, prints.middle)]
    for flip in (1, -1):
        for quarter in range(4):
            turned = [
                np.rot90(pictures[first][:, :, ::flip], quarter, axes=(1, 2))
                for pictures in (prints.whole, prints.middle)
            ]
            products = (a.reshape(len(first), -1) @ b for a, b in zip(turned, against))
            yield turned[0], np.minimum(*products)


def _hash(pictures):
    """Signs of the 63 lowest waves of a picture, the constant one left out, against their median."""
    from scipy.fft import dctn

    waves = dctn(pictures, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(pictures), -1)[:, 1:]
    return waves > np.median(waves, axis=1, keepdims=True)
