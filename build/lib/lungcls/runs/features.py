"""What the frozen part of a network gives for each image, kept.

A frozen backbone always gives the same features, so it is run once: for the plain images, and for a few
augmented copies of each. Every task, head, seed and trial shares them.
"""

import hashlib
import json

import keras
import numpy as np

from lungcls.models.backend import run_batch
from lungcls.preprocessing.augmentation import augment
from lungcls.preprocessing.images import release
from lungcls.runs import cache


def cached(
    backbone, images, rows, *, folder, copy=0, augmentation="none", seed=0, image_digest=None, progress=False
):
    """The features (len(rows), ...) of some images, from the cache or by running the frozen `backbone`.

    `images` (n, H, W, 1), float32 in [0, 1]; `copy` is 0 for the plain images, 1, 2, .. for their copies,
    augmented under a name of ``augmentation.NAMES``. Without `image_digest` the images are read to name them.
    """
    rows = np.asarray(rows)
    drawn = ["none", 0, 0] if copy == 0 else [augmentation, seed, copy]
    numbers = hashlib.sha256(rows.astype(np.int64)).hexdigest()
    content = [
        digest_layers(backbone),
        image_digest or digest_images(images),
        numbers,
        drawn,
        list(images.shape[1:]),
    ]

    def make(start, stop):
        batch = augment(images[rows[start:stop]], drawn[0], seed=[*drawn[1:], start])
        release(images)
        return run_batch(backbone, batch, cache.CHUNK)

    title = "features" if copy == 0 else f"features, copy {copy}"
    shape = (len(rows), *backbone.output.shape[1:])
    content += [keras.backend.backend(), keras.__version__]
    return cache.array(folder, content, shape, make, entry="runs.features", title=title, progress=progress)[0]


class Variants:
    """The plain features of all images, and those of the copies of `rows`.

    Called, it draws one of them for each row.
    """

    def __init__(self, plain, copies, rows):
        self.plain, self.copies = plain, copies
        self.place = np.full(len(plain), -1)
        self.place[rows] = np.arange(len(rows))

    def __call__(self, rows, augmented, seed):
        """One variant of each row that is to be augmented; the plain one is among them."""
        rng = np.random.default_rng(seed)
        drawn = np.where(augmented, rng.integers(len(self.copies) + 1, size=len(rows)), 0)
        batch = np.empty((len(rows), *self.plain.shape[1:]), np.float32)
        for variant, array in enumerate([self.plain, *self.copies]):
            chosen = drawn == variant
            batch[chosen] = array[rows[chosen] if variant == 0 else self.place[rows[chosen]]]
            release(array)
        return batch


def digest_layers(model):
    """SHA-256 of the layers and weights of a network, whatever its layers are called."""
    digest = hashlib.sha256()
    for layer in model.layers:
        config = {key: value for key, value in layer.get_config().items() if key not in ("name", "trainable")}
        digest.update(json.dumps([type(layer).__name__, config], sort_keys=True, default=str).encode())
        for weight in layer.get_weights():
            digest.update(np.ascontiguousarray(weight))
    return digest.hexdigest()


def digest_images(images):
    """SHA-256 of the pixels of images (n, H, W, 1), read batch by batch."""
    digest = hashlib.sha256(str(images.shape).encode())
    for first in range(0, len(images), 256):
        digest.update(np.ascontiguousarray(images[np.arange(first, min(first + 256, len(images)))]))
        release(images)
    return digest.hexdigest()
