"""Near-duplicates: images that are the same, or nearly so, also flipped or turned.

An image is remembered by a digest of its pixels and by two small pictures, of the whole and
of its middle. Two images are similar if both pictures correlate and a perceptual hash of the
whole agrees. The limits lie above what different patients reach in real and simulated CT:
`benchmarks/audit_limits.py` measures that, and how much change of a copy is still seen.
"""

from dataclasses import dataclass
import hashlib
from itertools import product

import numpy as np

from lungcls.preprocessing import geometry, grey_levels
from lungcls.preprocessing.images import as_images
from lungcls.preprocessing.pixel_contract import image_stack

WHOLE, MIDDLE = 32, 24  # sides of the small pictures, in pixels
MARGIN = 5 / 16  # of each side, cut off for the middle: in the zoomed view no padding is left
CORRELATION = 0.99  # different patients reach 0.981 on LIDC, 0.983 on the phantom
BITS = 10  # of the 63 of a hash
BATCH_PIXELS = 1_000_000  # held in memory at a time


@dataclass(frozen=True)
class Fingerprints:
    """What is remembered of images, about 6 kB each."""

    digests: np.ndarray  # (n,), uint64: equal for equal pixels, and for others by a chance of 2**-64 a pair
    whole: np.ndarray  # (n, WHOLE, WHOLE), float32, mean 0 and norm 1; all 0 for an image of one grey level
    middle: np.ndarray  # (n, MIDDLE, MIDDLE), likewise


def fingerprints(images):
    """Go through images (n, H, W), integer or finite float grey levels, once, batch by batch."""
    height, width = image_stack(images).shape[1:]
    core = tuple(slice(int(side * MARGIN), side - int(side * MARGIN)) for side in (height, width))
    found = []
    for _, batch in as_images(images).batches(max(1, BATCH_PIXELS // (height * width))):
        batch = np.ascontiguousarray(batch)
        digests = np.array([_digest(image) for image in batch], dtype=np.uint64)
        scaled = grey_levels.min_max(batch)
        found.append((digests, _picture(scaled, WHOLE), _picture(scaled[:, core[0], core[1]], MIDDLE)))
    return Fingerprints(*map(np.concatenate, zip(*found, strict=True)))


def _digest(image):
    return int.from_bytes(hashlib.blake2b(image, digest_size=8).digest(), "little")


def _picture(scaled, side):
    """Small pictures of images in [0, 1], standardised."""
    flat = geometry.resize(scaled, side)
    flat = flat - flat.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt((flat**2).sum(axis=(1, 2), keepdims=True))
    return np.where(norm > 1e-6, flat / np.maximum(norm, 1e-6), 0)


def identical(known, first, second):
    """Which images, by rows of the fingerprints, have the same pixels: bool, (len(first), len(second))."""
    return known.digests[first][:, None] == known.digests[second]


def similar(known, first, second):
    """Which images are the same or nearly so, flips and turns included: bool, (len(first), len(second))."""
    # Every pair is compared, by products of matrices: nothing is approximated.
    near = np.zeros((len(first), len(second)), dtype=bool)
    for whole, correlation in _turned(known, first, second):
        row, column = np.nonzero(correlation >= CORRELATION)
        if len(row):
            bits = (_hash(whole[row]) != _hash(known.whole[second[column]])).sum(axis=1)
            near[row, column] |= bits <= BITS
    return near


def similarity(known, first, second):
    """The smaller correlation of whole and middle, in the position where it is largest: float32, [-1, 1]."""
    best = np.full((len(first), len(second)), -1, dtype=np.float32)
    for _, correlation in _turned(known, first, second):
        np.maximum(best, correlation, out=best)
    return best


def _turned(known, first, second):
    """For each of the eight positions: the first images' pictures, and their correlation with the second."""
    pairs = [(part[first], part[second].reshape(len(second), -1).T) for part in (known.whole, known.middle)]
    for flip, quarter in product((1, -1), range(4)):
        turned = [np.rot90(pictures[:, :, ::flip], quarter, axes=(1, 2)) for pictures, _ in pairs]
        flat = [pictures.reshape(len(first), -1) for pictures in turned]
        yield turned[0], np.minimum(*(a @ b for a, (_, b) in zip(flat, pairs, strict=True)))


def _hash(pictures):
    """Signs of the 63 lowest waves of a picture, the constant one left out, against their median."""
    from scipy.fft import dctn

    waves = dctn(pictures, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(pictures), -1)[:, 1:]
    return waves > np.median(waves, axis=1, keepdims=True)
