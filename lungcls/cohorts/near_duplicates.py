"""Near-duplicates: images that are the same, or nearly so, also flipped or turned.

An image is remembered by a digest of its pixels and by two small pictures, of the whole and
of its middle. Two images are similar if both pictures correlate and a perceptual hash of the
whole agrees. The limits lie above what different patients reach in real and simulated CT:
`benchmarks/audit_limits.py` measures that, and how much change of a copy is still seen.
"""

from dataclasses import dataclass
import hashlib
from itertools import chain, product
import math

import numpy as np
from scipy.spatial import cKDTree

from lungcls.preprocessing import geometry, grey_levels
from lungcls.preprocessing.images import as_images, release
from lungcls.preprocessing.pixel_contract import image_stack

WHOLE, MIDDLE = 32, 24  # sides of the small pictures, in pixels
MARGIN = 5 / 16  # of each side, cut off for the middle: in the zoomed view no padding is left
CORRELATION = 0.99  # different patients reach 0.981 on LIDC, 0.983 on the phantom
BITS = 10  # of the 63 of a hash
BATCH_PIXELS = 1_000_000  # held in memory at a time
PAIRS = 2048  # compared at a time
WAVES, COLUMNS = 8, 24  # lowest waves of a picture in each direction; columns that the index searches
REACH = math.sqrt(2 - 2 * CORRELATION) + 1e-5  # no similar pictures are farther apart


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
    pictures = (np.empty((len(images), side, side), np.float32) for side in (WHOLE, MIDDLE))
    known = Fingerprints(np.empty(len(images), np.uint64), *pictures)
    for part, batch in as_images(images).batches(max(1, BATCH_PIXELS // (height * width))):
        batch = np.ascontiguousarray(batch)
        known.digests[part] = [_digest(image) for image in batch]
        scaled = grey_levels.min_max(batch)
        known.whole[part] = _picture(scaled, WHOLE)
        known.middle[part] = _picture(scaled[:, core[0], core[1]], MIDDLE)
        release(images)
    return known


def _digest(image):
    return int.from_bytes(hashlib.blake2b(image, digest_size=8).digest(), "little")


def _picture(scaled, side):
    """Small pictures of images in [0, 1], standardised."""
    flat = geometry.resize(scaled, side)
    flat = flat - flat.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt((flat**2).sum(axis=(1, 2), keepdims=True))
    return np.where(norm > 1e-6, flat / np.maximum(norm, 1e-6), 0)


@dataclass(frozen=True)
class Index:
    """Images, by rows of the fingerprints, in which similar ones are found without looking at all."""

    rows: np.ndarray  # (m,), those with a picture
    whole: np.ndarray  # (m, 64), see `_unturned`
    middle: np.ndarray
    chosen: np.ndarray  # columns of `middle` that differ most
    tree: cKDTree  # of these columns


def index(known, rows):
    """Make the index of some images."""
    rows = np.asarray(rows)[_has_picture(known, rows)]
    whole, middle = (_of_rows(_unturned, part, rows) for part in (known.whole, known.middle))
    chosen = np.argsort(-middle.var(axis=0))[:COLUMNS] if len(rows) else np.arange(COLUMNS)
    return Index(rows, whole, middle, chosen, cKDTree(middle[:, chosen]))


def similar(known, first, among):
    """Find which images are the same or nearly so as those of an index, flips and turns included.

    Returns every such pair as two arrays of rows of the fingerprints, of `first` and of the index.
    """
    first = np.asarray(first)[_has_picture(known, first)]
    whole, middle = (_unturned(part[first]) for part in (known.whole, known.middle))
    found = among.tree.query_ball_point(middle[:, among.chosen], REACH)
    a = np.repeat(np.arange(len(first)), list(map(len, found)))
    b = np.fromiter(chain.from_iterable(found), dtype=int, count=len(a))
    for mine, others in ((whole, among.whole), (middle, among.middle)):
        near = ((mine[a] - others[b]) ** 2).sum(axis=1) <= REACH**2
        a, b = a[near], b[near]
    a, b = first[a], among.rows[b]
    parts = [slice(start, start + PAIRS) for start in range(0, len(a), PAIRS)]
    alike = np.concatenate([np.zeros(0, bool), *(_alike(known, a[part], b[part]) for part in parts)])
    return a[alike], b[alike]


def identical(known, first, second):
    """Find which images have the same pixels: every pair, as two arrays of rows of the fingerprints."""
    order = np.argsort(known.digests[second], kind="stable")
    digests, first, second = known.digests[second][order], np.asarray(first), np.asarray(second)[order]
    start, stop = (np.searchsorted(digests, known.digests[first], side=side) for side in ("left", "right"))
    places = [np.arange(*ends) for ends in zip(start, stop, strict=True)]
    return np.repeat(first, stop - start), second[np.concatenate([np.zeros(0, int), *places])]


def _has_picture(known, rows):
    """Which images have more than one grey level in the whole and in the middle."""
    whole, middle = (_of_rows(np.any, part, rows, axis=(1, 2)) for part in (known.whole, known.middle))
    return whole & middle


def _of_rows(make, pictures, rows, **options):
    """What is made of some pictures, batch by batch."""
    starts = range(0, max(1, len(rows)), PAIRS)
    return np.concatenate([make(pictures[rows[start : start + PAIRS]], **options) for start in starts])


def _unturned(pictures):
    """Numbers of a picture, (n, 64), that no flip and no quarter turn changes, and that bring none apart."""
    # Of the lowest waves (DCT): a flip changes signs of those that are odd in a direction, a turn swaps the
    # directions. Orthogonal waves, absolute values and sorted pairs are contractions: two pictures whose
    # correlation is c in some position are at most sqrt(2 - 2 c) apart here.
    from scipy.fft import dctn

    waves = dctn(pictures, axes=(1, 2), norm="ortho")[:, :WAVES, :WAVES]
    number = np.arange(WAVES) % 2
    waves = np.where(np.logical_or.outer(number, number), np.abs(waves), waves)
    row, column = np.triu_indices(WAVES, 1)
    pairs = np.sort(np.stack([waves[:, row, column], waves[:, column, row]]), axis=0)
    return np.concatenate([*pairs, np.einsum("ipp->ip", waves)], axis=1)


def _alike(known, first, second):
    """Which pairs of images, by rows (n,), are similar: bool, (n,)."""
    near = np.zeros(len(first), dtype=bool)
    hashes = _hash(known.whole[second])
    for whole, middle in zip(*(_positions(part[first]) for part in (known.whole, known.middle)), strict=True):
        pairs = ((whole, known.whole[second]), (middle, known.middle[second]))
        correlation = np.minimum(*(np.einsum("nij,nij->n", *pair) for pair in pairs))
        near |= (correlation >= CORRELATION) & ((_hash(whole) != hashes).sum(axis=1) <= BITS)
    return near


def _positions(pictures):
    """Yield pictures (n, side, side) in their eight positions: flipped or not, turned by quarters."""
    for flip, quarter in product((1, -1), range(4)):
        yield np.rot90(pictures[:, :, ::flip], quarter, axes=(1, 2))


def similarity(known, first, second):
    """The smaller correlation of whole and middle, in the position where it is largest: float32, [-1, 1].

    Of every pair: (len(first), len(second)).
    """
    best = np.full((len(first), len(second)), -1, dtype=np.float32)
    parts = (known.whole, known.middle)
    for turned in zip(*(_positions(part[first]) for part in parts), strict=True):
        flat = (one.reshape(len(first), -1) for one in turned)
        pairs = zip(flat, (part[second].reshape(len(second), -1).T for part in parts), strict=True)
        np.maximum(best, np.minimum(*(a @ b for a, b in pairs)), out=best)
    return best


def _hash(pictures):
    """Signs of the 63 lowest waves of a picture, the constant one left out, against their median."""
    from scipy.fft import dctn

    waves = dctn(pictures, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(pictures), -1)[:, 1:]
    return waves > np.median(waves, axis=1, keepdims=True)
