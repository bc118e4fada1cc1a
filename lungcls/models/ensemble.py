"""A committee of small networks that look at a nodule at two scales, as one network.

Each member is trained on all cases but those that were left out for it, so that the
committee as a whole has an opinion on every case from a member that has not seen it: what a
decision rule is fitted on. What new cases get is the mean of all members over the eight
ways to turn and mirror an image.

Where the diameters of the training cases are known, a member learns to name score and size
class together, one logit for each pair, and the size is summed out of its answer. It has to
see how large a nodule is, and is never told.
"""

import keras
from keras import ops

from lungcls.models.networks import MOMENTUM


def member(*, image_size, sizes=1, filters=(16, 32, 64, 128), dense=64, dropout=0.3, seed=0):
    """Build one member: four blocks of convolution on two scales, ending in logits.

    The whole image at half its resolution and its middle half as it is are the two channels
    of one small image: a fovea and its surroundings for the price of one.

    Parameters
    ----------
    image_size : int
        Side of the input in pixels, a multiple of 4.
    sizes : int, default 1
        Size classes that are named with the score.
    filters : sequence of int
        Of each block's 3x3 convolution.
    dense : int
        Units of the hidden layer.
    dropout : float in [0, 1)
        Before the hidden layer and after it.
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Model
        From float images (n, image_size, image_size, 1) in [0, 1] to logits (n, 5 * sizes),
        those of one score side by side.

    Raises
    ------
    ValueError
        If the image is no multiple of 4 or too small for the number of blocks.
    """
    if image_size % 4 or image_size < 2 ** (len(filters) + 1):
        raise ValueError(
            f"image_size: found {image_size}, expected a multiple of 4, at least "
            f"{2 ** (len(filters) + 1)} for {len(filters)} blocks"
        )
    keras.utils.set_random_seed(seed)
    image = keras.Input((image_size, image_size, 1), name="image")
    near = keras.layers.Cropping2D(image_size // 4, name="near")(image)
    far = keras.layers.AveragePooling2D(2, name="far")(image)
    x = keras.layers.Concatenate(name="scales")([near, far])
    for i, width in enumerate(filters, start=1):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"block{i}_conv")(x)
        x = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"block{i}_bn")(x)
        x = keras.layers.Activation("relu", name=f"block{i}_relu")(x)
        x = keras.layers.MaxPooling2D(name=f"block{i}_pool")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dropout(dropout, seed=seed, name="dropout_pool")(x)
    x = keras.layers.Dense(dense, activation="relu", name="dense")(x)
    x = keras.layers.Dropout(dropout, seed=seed + 1, name="dropout")(x)
    return keras.Model(image, keras.layers.Dense(5 * sizes, name="logits")(x), name=f"member_{seed}")


def join(members, task):
    """Join members to one network: their mean over the eight ways to turn and mirror an image.

    Parameters
    ----------
    members : sequence of keras.Model
        From images to logits, as :func:`member` builds them.
    task : {"binary", "multiclass"}
        Binary: malignant are scores 4 and 5.

    Returns
    -------
    keras.Model
        From float images (n, H, H, 1) in [0, 1] to probabilities (n, 1) or (n, 5), with a
        layer `logits` before the last.

    Raises
    ------
    ValueError
        If the task is unknown or there is no member.
    """
    if task not in ("binary", "multiclass") or not members:
        raise ValueError(
            f"task: found {task!r} and {len(members)} members, expected binary or multiclass and at least one"
        )
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
    last = keras.layers.Activation("sigmoid" if task == "binary" else "softmax", name="probabilities")
    return keras.Model(image, last(z), name=f"committee_{task}")


def _turns(image):
    """The eight ways to turn and mirror an image, as keras operations."""
    flipped = [image, ops.flip(image, axis=1), ops.flip(image, axis=2), ops.flip(image, axis=(1, 2))]
    return flipped + [ops.transpose(one, (0, 2, 1, 3)) for one in flipped]
