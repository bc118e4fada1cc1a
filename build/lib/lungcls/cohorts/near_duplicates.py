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
from lungcls.preprocessing.images import Images, as_images, release
from lungcls.preprocessing.pixel_contract import image_stack

WHOLE, MIDDLE = 32, 24  # sides of the small pictures, in pixels
MARGIN = 5 / 16  # of each side, cut off for the middle: in the zoomed view no padding is left
CORRELATION = 0.99  # different patients reach 0.981 on LIDC, 0.983 on the phantom
BITS = 10  # of the 63 of a hash
BATCH_PIXELS = 1_000_000  # held in memory, and of pairs compared, at a time
WAVES, COLUMNS = 8, 24  # lowest waves of a picture in each direction; columns that the index searches
REACH = math.sqrt(2 - 2 * CORRELATION) + 1e-5  # no similar pictures are farther apart


@dataclass(frozen=True)
class Fingerprints:
    """What is remembered of images, about half a kB each; their small pictures are made again when needed."""

    images: Images
    digests: np.ndarray  # (n,), uint64: equal for equal pixels, and for others by a chance of 2**-64 a pair
    pictured: np.ndarray  # (n,), bool: more than one grey level in the whole and in the middle
    whole: np.ndarray  # (n, 64), float32, of the picture of the whole; see `_unturned`
    middle: np.ndarray  # (n, 64), likewise


def fingerprints(images):
    """Go through images (n, H, W), integer or finite float grey levels, once, batch by batch."""
    images = as_images(image_stack(images))
    numbers = (np.empty((len(images), WAVES**2), np.float32) for _ in ("whole", "middle"))
    known = Fingerprints(images, np.empty(len(images), np.uint64), np.empty(len(images), bool), *numbers)
    for part, batch in images.batches(_step(images)):
        batch = np.ascontiguousarray(batch)
        whole, middle = pictures(batch)
        known.digests[part] = [_digest(image) for image in batch]
        known.pictured[part] = whole.any(axis=(1, 2)) & middle.any(axis=(1, 2))
        known.whole[part], known.middle[part] = _unturned(whole), _unturned(middle)
        release(images)
    return known


def pictures(images):
    """Make small pictures of images (n, H, W): (n, WHOLE, WHOLE) and, of the middle, (n, MIDDLE, MIDDLE).

    Float32 of mean 0 and norm 1; all 0 for an image of one grey level. Takes 4 bytes a pixel meanwhile.
    """
    core = tuple(slice(int(side * MARGIN), side - int(side * MARGIN)) for side in images.shape[1:])
    scaled = grey_levels.min_max(images)
    return _picture(scaled, WHOLE), _picture(scaled[:, core[0], core[1]], MIDDLE)


def _step(images):
    return max(1, BATCH_PIXELS // (images.shape[1] * images.shape[2]))


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
    chosen: np.ndarray  # columns of `middle` that differ most
    tree: cKDTree  # of these columns


def index(known, rows):
    """Make the index of some images."""
    rows = np.asarray(rows)[known.pictured[rows]]
    middle = known.middle[rows]
    chosen = np.argsort(-middle.var(axis=0))[:COLUMNS] if len(rows) else np.arange(COLUMNS)
    return Index(rows, chosen, cKDTree(middle[:, chosen]))


def similar(known, first, among):
    """Find which images are the same or nearly so as those of an index, flips and turns included.

    Returns every such pair as two arrays of rows of the fingerprints, of `first` and of the index.
    """
    first = np.asarray(first)[known.pictured[first]]
    found = among.tree.query_ball_point(known.middle[first][:, among.chosen], REACH)
    a = np.repeat(first, list(map(len, found)))
    b = among.rows[np.fromiter(chain.from_iterable(found), dtype=int, count=len(a))]
    step = _step(known.images)
    parts = [slice(start, start + step) for start in range(0, len(a), step)]
    alike = np.concatenate([np.zeros(0, bool), *(_alike(known, a[part], b[part]) for part in parts)])
    return a[alike], b[alike]


def identical(known, first, second):
    """Find which images have the same pixels: every pair, as two arrays of rows of the fingerprints."""
    order = np.argsort(known.digests[second], kind="stable")
    digests, first, second = known.digests[second][order], np.asarray(first), np.asarray(second)[order]
    start, stop = (np.searchsorted(digests, known.digests[first], side=side) for side in ("left", "right"))
    places = [np.arange(*ends) for ends in zip(start, stop, strict=True)]
    return np.repeat(first, stop - start), second[np.concatenate([np.zeros(0, int), *places])]


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
    """Which pairs of images, by rows (n,), are the same or similar: bool, (n,)."""
    alike = known.digests[first] == known.digests[second]
    apart = (((part[first] - part[second]) ** 2).sum(axis=1) for part in (known.whole, known.middle))
    left = np.flatnonzero(~alike & (np.maximum(*apart) <= REACH**2))
    if len(left):
        alike[left] = _correlated(*(pictures(known.images[rows[left]]) for rows in (first, second)))
    return alike


def _correlated(first, second):
    """Which pairs of images, by their small pictures, are similar in one of eight positions: bool, (n,)."""
    near = np.zeros(len(first[0]), dtype=bool)
    hashes = _hash(second[0])
    for turned in zip(*map(_positions, first), strict=True):
        pairs = zip(turned, second, strict=True)
        correlation = np.minimum(*(np.einsum("nij,nij->n", *pair) for pair in pairs))
        near |= (correlation >= CORRELATION) & ((_hash(turned[0]) != hashes).sum(axis=1) <= BITS)
    return near


def _positions(pictures):
    """Yield pictures (n, side, side) in their eight positions: flipped or not, turned by quarters."""
    for flip, quarter in product((1, -1), range(4)):
        yield np.rot90(pictures[:, :, ::flip], quarter, axes=(1, 2))


def similarity(first, second):
    """The smaller correlation of whole and middle, in the position where it is largest: float32, [-1, 1].

    Of every pair of small pictures, as `pictures` makes them: (len(first[0]), len(second[0])).
    """
    best = np.full((len(first[0]), len(second[0])), -1, dtype=np.float32)
    for turned in zip(*map(_positions, first), strict=True):
        flat = (one.reshape(len(one), -1) for one in turned)
        pairs = zip(flat, (part.reshape(len(part), -1).T for part in second), strict=True)
        np.maximum(best, np.minimum(*(a @ b for a, b in pairs)), out=best)
    return best


def _hash(pictures):
    """Signs of the 63 lowest waves of a picture, the constant one left out, against their median."""
    from scipy.fft import dctn

    waves = dctn(pictures, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(pictures), -1)[:, 1:]
    return waves > np.median(waves, axis=1, keepdims=True)
