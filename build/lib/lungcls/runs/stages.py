"""Train a network from a block boundary on, and predict with it.

The part below the boundary, the backbone, is frozen. It is run once for each image and augmented copy and the
part above, the head, is trained on its features (:mod:`lungcls.runs.features`); both are one ordinary network
afterwards.
"""

from dataclasses import replace

import keras
import numpy as np
from scipy.special import softmax

from lungcls.metrics.classification import LABELS
from lungcls.models.backend import run_batch
from lungcls.models.blocks import split
from lungcls.preprocessing import balancing
from lungcls.preprocessing.augmentation import augment
from lungcls.preprocessing.images import release
from lungcls.runs import features
from lungcls.runs.loop import Examples, fit, logits_of, unaugmented


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
    copied_rows=None,
    validation_balance="training",
    unfreeze_from="image",
    augmentation="geometric",
    copies="fresh",
    augment_originals=True,
    image_digest=None,
    progress=False,
    **options,
):
    """Train a network in place from a block boundary on.

    Return its History and its predictions on all images.

    `images` (n, H, W, 1), float32 in [0, 1], may be memory-mapped; `labels` (n,) are 0 or 1, or scores
    1..5, and only those of `rows` and `validation_rows` are read; `plan` is a balancing plan of
    ``labels[rows]``; `cache` the folder of cached features. `unfreeze_from` is "head" for transfer
    learning, a block for fine-tuning, "image" for all. `copies` are the augmented ones whose features are
    cached, or "fresh" in every batch; `copied_rows` have them, by default `rows`. The classes weigh in the
    validation loss as in "training", or as they are there, "natural". `options` are those of
    :func:`lungcls.runs.loop.fit`.
    """
    rows, validation_rows = np.asarray(rows), np.asarray(validation_rows)
    copied_rows = rows if copied_rows is None else copied_rows
    _check_copies(copies, unfreeze_from)
    backbone, head = split(model, unfreeze_from)
    plain, copied, fresh = images, [], copies == "fresh" and augmentation != "none"
    if backbone is not None:
        digest = image_digest or features.digest_images(images)
        keep = {"folder": cache, "image_digest": digest, "progress": progress}
        plain = features.cached(backbone, images, np.arange(len(images)), **keep)
        if not fresh and augmentation != "none":
            keep["augmentation"] = augmentation
            numbers = range(1, copies + 1)
            copied = [features.cached(backbone, images, copied_rows, copy=k, **keep) for k in numbers]
    variants = features.Variants(plain, copied, copied_rows)
    targets = to_targets(labels[rows], task)[plan.rows]
    weights = np.array([plan.weights[int(label)] for label in labels[rows]], np.float32)[plan.rows]
    inputs = _Fresh(backbone, images, augmentation) if fresh else variants
    examples = Examples(inputs, rows[plan.rows], targets, weights, plan.is_copy | augment_originals)
    held_out = labels[validation_rows]
    watched = unaugmented(variants, validation_rows, to_targets(held_out, task))
    if validation_balance == "training":
        watched = replace(watched, weights=balancing.as_in_training(held_out, labels[rows], plan))
    history = fit(head, examples, watched, seed=seed, progress=progress, **options)
    return history, probabilities(logits_of(head, plain, np.arange(len(plain))))


class _Fresh:
    """Augments images anew, then runs the frozen part on them."""

    def __init__(self, backbone, images, augmentation):
        self.backbone, self.images, self.augmentation = backbone, images, augmentation

    def __call__(self, rows, augmented, seed):
        plain = np.asarray(self.images[rows], dtype=np.float32)
        changed = augment(plain, self.augmentation, seed=seed)
        batch = np.where(augmented[:, None, None, None], changed, plain)
        release(self.images)
        return batch if self.backbone is None else run_batch(self.backbone, batch, len(batch))


def to_targets(labels, task):
    """Turn labels, 0 or 1, or scores 1..5, into target probabilities (n, 1) or (n, 5), float32."""
    labels = np.asarray(labels)
    if not np.isin(labels, LABELS[task]).all():
        raise ValueError(f"labels: found {np.unique(labels).tolist()}, expected {LABELS[task]}")
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


# --- Predictions ------------------------------------------------------------------------


def probabilities(logits):
    """Turn logits (n, 1) or (n, n_classes) into one probability a class, float32.

    The columns of (n, 1) become benign and malignant.
    """
    z = logits.astype(float)
    if z.shape[1] == 1:
        z = np.concatenate([np.zeros_like(z), z], axis=1)
    return softmax(z, axis=1).astype(np.float32)


def predict(model, images, *, batch_size=128):
    """Probabilities (n, n_classes), float32, of a whole network for images (n, H, W, 1), batch by batch."""
    logits = keras.Model(model.input, model.get_layer("logits").output)
    return probabilities(logits_of(logits, images, np.arange(len(images)), batch_size))
