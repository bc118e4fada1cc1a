"""An ensemble of small networks that look at a nodule at two scales, as one network.

Each member is trained on all cases but those that were left out for it, so that every case
has a prediction of a member that has not seen it: what thresholds are fitted on. What new
cases get is the mean of all members over the eight ways to turn and mirror an image.

Where the diameters of the training cases are known, a member learns to name score and size
class together, one logit for each pair, and the size is summed out of its prediction. It has
to see how large a nodule is, and is never told.
"""

import keras
from keras import ops
import numpy as np

from lungcls.metrics.ratings import parse_ratings, score_counts
from lungcls.models.networks import conv_blocks, probabilities

SIZES = (5.0, 6.5, 8.5, 12.0, 18.0)  # mm between the size classes: LIDC's nodules in about equal parts


def member(*, image_size, sizes=1, filters=(16, 32, 64, 128), dense=64, dropout=0.3, seed=0):
    """Build one member: from images (n, H, H, 1) to logits (n, 5 * sizes), those of a score side by side."""
    # The whole image at half its resolution and its middle half as it is are the two channels
    # of one small image: a fovea and its surroundings for the price of one.
    least = 2 ** (len(filters) + 1)
    if image_size % 4 or image_size < least:
        expected = f"a multiple of 4, at least {least} for {len(filters)} blocks"
        raise ValueError(f"image_size: found {image_size}, expected {expected}")
    keras.utils.set_random_seed(seed)
    image = keras.Input((image_size, image_size, 1), name="image")
    near = keras.layers.Cropping2D(image_size // 4, name="near")(image)
    far = keras.layers.AveragePooling2D(2, name="far")(image)
    x = keras.layers.Concatenate(name="scales")([near, far])
    x = conv_blocks(x, filters)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dropout(dropout, seed=seed, name="dropout_pool")(x)
    x = keras.layers.Dense(dense, activation="relu", name="dense")(x)
    x = keras.layers.Dropout(dropout, seed=seed + 1, name="dropout")(x)
    return keras.Model(image, keras.layers.Dense(5 * sizes, name="logits")(x), name=f"member_{seed}")


def join(members, task):
    """Join members to one network of a task, with a layer `logits`: their mean over the eight turns."""
    if task not in ("binary", "multiclass") or not members:
        found = f"{task!r} and {len(members)} members"
        raise ValueError(f"task: found {found}, expected binary or multiclass and at least one")
    image = keras.Input(members[0].input.shape[1:], name="image")
    turned = ops.concatenate(_turns(image), axis=0)
    y_prob = sum(ops.softmax(one(turned)) for one in members) / len(members)
    y_prob = ops.mean(ops.reshape(y_prob, (8, -1, y_prob.shape[1])), axis=0)
    y_prob = ops.sum(ops.reshape(y_prob, (-1, 5, y_prob.shape[1] // 5)), axis=2)
    if task == "binary":
        y_prob = ops.sum(y_prob[:, 3:], axis=1, keepdims=True)
    y_prob = ops.clip(y_prob, 1e-7, 1 - 1e-7)
    z = ops.log(y_prob) - (ops.log(1 - y_prob) if task == "binary" else 0)
    z = keras.layers.Activation("linear", name="logits")(z)
    return keras.Model(image, probabilities(z, task), name=f"ensemble_{task}")


def _turns(image):
    """The eight ways to turn and mirror an image, as keras operations."""
    flipped = [image, ops.flip(image, axis=1), ops.flip(image, axis=2), ops.flip(image, axis=(1, 2))]
    return flipped + [ops.transpose(one, (0, 2, 1, 3)) for one in flipped]


def targets(scores, ratings, *, share):
    """Scores 1..5 as targets (n, 5), float32, with `share` of the histogram of a case's ratings, if any."""
    if not 0 <= share <= 1:
        raise ValueError(f"share: found {share}, expected 0 to 1")
    mixed = np.eye(5)[np.asarray(scores) - 1]
    if ratings is not None:
        counts = score_counts(parse_ratings(ratings))
        read = counts.sum(axis=1) > 0
        histogram = counts[read] / counts[read].sum(axis=1, keepdims=True)
        mixed[read] = (1 - share) * mixed[read] + share * histogram
    return mixed.astype(np.float32)


def with_size(targets, diameters):
    """Spread targets (n, 5) over the case's size class, (n, 5 * sizes), if every diameter is known."""
    # Diameters, in mm, are labels of training cases, never an input.
    if diameters is None or np.isnan(np.asarray(diameters, dtype=float)).any():
        return targets
    classes = np.eye(len(SIZES) + 1, dtype=np.float32)[np.searchsorted(SIZES, diameters)]
    return (targets[:, :, None] * classes[:, None, :]).reshape(len(targets), -1)
