"""Train a network in stages, from a block boundary on, and predict with it.

The part below the boundary is frozen. It is run once for each image and augmented copy and
the part above is trained on what it said (:mod:`lungcls.runs.features`); both are one ordinary
network afterwards.
"""

import keras
import numpy as np

from lungcls.models.blocks import split
from lungcls.preprocessing.augmentation import augment
from lungcls.preprocessing.images import let_go
from lungcls.runs import features
from lungcls.runs.loop import Examples, fit, logits_of, unaugmented

TASK_CLASSES = {"binary": (0, 1), "multiclass": (1, 2, 3, 4, 5)}


def train(
    model,
    images,
    labels,
    *,
    task,
    rows,
    validation_rows,
    plan,
    cache,
    seed,
    unfreeze_from="image",
    augmentation="geometric",
    copies="fresh",
    augment_originals=True,
    image_digest=None,
    progress=False,
    **options,
):
    """Train a network from a block boundary on; below it the network stays as it is.

    Parameters
    ----------
    model : keras.Model
        Of :mod:`lungcls.models`, built or loaded; it is trained in place.
    images : array of shape (n, H, W, 1), float32 in [0, 1]
        All cases; may be memory-mapped.
    labels : ndarray of shape (n,), int
        0 or 1, or scores 1..5. Only those of the rows used are read.
    task : {"binary", "multiclass"}
    rows, validation_rows : ndarray of int
        The training and validation cases.
    plan : lungcls.preprocessing.balancing.Plan
        Made from ``labels[rows]``.
    cache : path
        Folder of cached features.
    seed : int
    unfreeze_from : str, default "image"
        A name of :func:`lungcls.models.blocks.boundaries`: "head" for transfer learning, a block
        for fine-tuning, "image" for all.
    augmentation : {"geometric", "randaugment", "augmix", "none"}
    copies : int or "fresh", default "fresh"
        Augmented copies whose features are cached; or augment anew in every batch.
    augment_originals : bool, default True
        False augments the copies of the balancing plan only.
    image_digest : str, optional
        Names the content of `images`.
    progress : bool, default False
    **options
        Of :func:`lungcls.runs.loop.fit`.

    Returns
    -------
    history : History
    y_prob : ndarray of shape (n, n_classes), float32
        Predictions on all images.

    Raises
    ------
    ValueError
        If an argument is not allowed.
    InputError
        If the cache or the checkpoint cannot be written, or training diverges.
    """
    rows, validation_rows = np.asarray(rows), np.asarray(validation_rows)
    _check_copies(copies, unfreeze_from)
    trunk, top = split(model, unfreeze_from)
    plain, copied = images, []
    if trunk is not None:
        digest = image_digest or features.digest_images(images)
        keep = {"folder": cache, "image_digest": digest, "progress": progress}
        plain = features.cached(trunk, images, np.arange(len(images)), **keep)
        if copies != "fresh" and augmentation != "none":
            copied = [
                features.cached(trunk, images, rows, copy=k, augmentation=augmentation, **keep)
                for k in range(1, copies + 1)
            ]
    inputs = features.Variants(plain, copied, rows)
    fresh = copies == "fresh" and augmentation != "none"
    targets = to_targets(labels[rows], task)[plan.rows]
    weights = np.array([plan.weights[int(label)] for label in labels[rows]], np.float32)[plan.rows]
    examples = Examples(
        _Fresh(trunk, images, augmentation) if fresh else inputs,
        rows[plan.rows],
        targets,
        weights,
        plan.is_copy | augment_originals,
    )
    validation = unaugmented(inputs, validation_rows, to_targets(labels[validation_rows], task))
    history = fit(top, examples, validation, seed=seed, progress=progress, **options)
    return history, probabilities(logits_of(top, plain, np.arange(len(plain))))


class _Fresh:
    """Augments images anew, then runs the frozen part on them."""

    def __init__(self, trunk, images, augmentation):
        self.trunk, self.images, self.augmentation = trunk, images, augmentation

    def __call__(self, rows, augmented, seed):
        plain = np.asarray(self.images[rows], dtype=np.float32)
        changed = augment(plain, self.augmentation, seed=seed)
        batch = np.where(augmented[:, None, None, None], changed, plain)
        let_go(self.images)
        return batch if self.trunk is None else features.run(self.trunk, batch, len(batch))


def to_targets(labels, task):
    """Turn labels into target probabilities.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        0 or 1 for "binary", scores 1..5 for "multiclass".
    task : {"binary", "multiclass"}

    Returns
    -------
    ndarray of shape (n, 1) or (n, 5), float32

    Raises
    ------
    ValueError
        If a label is not one of the task's.
    """
    labels = np.asarray(labels)
    if not np.isin(labels, TASK_CLASSES[task]).all():
        raise ValueError(f"labels: found {np.unique(labels).tolist()}, expected {TASK_CLASSES[task]}")
    if task == "binary":
        return labels[:, None].astype(np.float32)
    return np.eye(5, dtype=np.float32)[labels - 1]


def _check_copies(copies, unfreeze_from):
    if copies == "fresh":
        return
    if isinstance(copies, bool) or not isinstance(copies, int) or copies < 0:
        raise ValueError(f"copies: found {copies!r}, expected 0, 1, 2, .. or 'fresh'")
    if unfreeze_from == "image":
        raise ValueError(f"copies: found {copies}, expected 'fresh': nothing is frozen, so nothing is cached")


# --- Predictions ----------------------------------------------------------------------------


def probabilities(logits):
    """Turn logits into one probability a class.

    Parameters
    ----------
    logits : ndarray of shape (n, 1) or (n, n_classes), float

    Returns
    -------
    ndarray of shape (n, 2) or (n, n_classes), float32
        Rows sum to 1; the binary task's columns are benign, malignant.
    """
    z = logits.astype(float)
    if z.shape[1] == 1:
        z = np.concatenate([np.zeros_like(z), z], axis=1)
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return (z / z.sum(axis=1, keepdims=True)).astype(np.float32)


def predict(model, images, *, batch_size=128):
    """Predict with a whole network, batch by batch.

    Parameters
    ----------
    model : keras.Model
        Of :mod:`lungcls.models`, built or loaded.
    images : array of shape (n, H, W, 1), float32 in [0, 1]
        May be memory-mapped.
    batch_size : int, default 128

    Returns
    -------
    ndarray of shape (n, n_classes), float32
        As :func:`probabilities`.
    """
    logits = keras.Model(model.input, model.get_layer("logits").output)
    return probabilities(logits_of(logits, images, np.arange(len(images)), batch_size))
