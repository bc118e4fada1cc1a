"""Grad-CAM: where a network's last maps speak for a class.

The score that is explained is the one before sigmoid or softmax: after them the gradient of
a sure network is nearly 0 everywhere, and that of a softmax mixes the classes. For a single
sigmoid it is the logit for malignant, and its negative for benign. The only module that
needs gradients, and so TensorFlow.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lungcls.errors import InputError
from lungcls.explain import heat_maps
from lungcls.models import blocks

SMALLEST, ENOUGH = 4, 8  # cells a side: a last map below the first gives way to the deepest of the second
KINDS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "BatchNormalization", "Activation", "ReLU", "Add")


@dataclass(frozen=True)
class ClassMaps:
    """Maps of some images on the grid of one layer, as :func:`grad_cam` makes them."""

    images: Any  # (n, H, W, channels), as they were given; perhaps not read before they are asked for
    values: np.ndarray  # (n, h, w), float32, at least 0; not scaled: maps of one network can be compared
    layer: str  # whose maps they are made of
    why: str  # why that layer, in words
    classes: np.ndarray  # (n,), int, that each map speaks for: 0 benign, 1 malignant; or 0..4 for scores 1..5
    scores: np.ndarray  # (n,), float32: the score of that class before sigmoid or softmax
    channel: int = 0  # of the images, that the maps lie on: which view, where a network joins several

    @property
    def zero(self):
        """ndarray of shape (n,), bool: maps that are 0 everywhere and show nothing."""
        return ~(self.values > 0).any(axis=(1, 2))

    def pictures(self, masks=None):
        """List of (image, map of its size, mask or None): a row for `report.plots.heat_maps.overlays`."""
        images = np.asarray(self.images[np.arange(len(self.values))])[..., self.channel]
        maps = heat_maps.upsample(self.values, images.shape[1:])
        return list(zip(images, maps, [None] * len(images) if masks is None else masks, strict=True))


def grad_cam(model, images, *, classes=None, layer=None, view="", batch_size=32):
    """Explain what a network says of images, class by class.

    See [1]_.

    ``max(0, sum_k a_k A_k)``, where ``A_k`` are the maps of a layer and ``a_k`` is the mean
    over the map of the score's gradient.

    Parameters
    ----------
    model : keras.Model
        A flat graph that ends in a dense layer, perhaps with sigmoid or softmax after it.
    images : array of shape (n, H, W, channels), float, perhaps not read before it is asked for
    classes : ndarray of shape (n,), int, or int, optional
        0 benign, 1 malignant, or 0..4 for the scores 1..5; by default those predicted.
    layer : str, optional
        By default that of ``choose_layer``.
    view : str, optional
        On which input, where the network joins several views; by default on the last.
    batch_size : int, default 32

    Returns
    -------
    ClassMaps
        `values` (n, h, w), float32, at least 0; `layer`, `why` that one, `classes`, `scores`.

    Raises
    ------
    ValueError
        If a class or the layer does not exist; the message lists what does.
    InputError
        If Keras runs on another backend than TensorFlow.

    References
    ----------
    .. [1] selvaraju2017

    Examples
    --------
    >>> from lungcls.models import networks
    >>> model = networks.cnn(image_size=32, task="binary", filters=(2, 2), dense=4)
    >>> maps = grad_cam(model, np.ones((3, 32, 32, 1), np.float32), classes=1)
    >>> maps.values.shape, maps.layer, maps.why
    ((3, 16, 16), 'block2_relu', 'the last convolution')
    """
    import keras

    if keras.config.backend() != "tensorflow":
        raise InputError(f"Grad-CAM: Keras runs on {keras.config.backend()}, expected tensorflow")
    name, why = choose_layer(model, layer, view)
    head = last_dense(model)
    if classes is not None:
        classes = _checked(classes, len(images), max(head.kernel.shape[-1], 2))
    inner = keras.Model(model.inputs, [model.get_layer(name).output, head.input])
    found = []
    for start in range(0, len(images), batch_size):
        part = slice(start, min(start + batch_size, len(images)))
        batch = np.asarray(images[part], dtype=np.float32)
        found.append(_weighted(inner, head, batch, None if classes is None else classes[part]))
    values, explained, scores = map(np.concatenate, zip(*found, strict=True))
    views = blocks.views_of(model)
    channel = views.index(name.partition(".")[0]) if views else 0
    return ClassMaps(images, values, name, why, explained, scores, channel)


def _weighted(inner, head, batch, classes):
    """Maps, classes and scores of a batch: its images do not see one another, so one gradient serves all."""
    import tensorflow as tf

    batch = tf.convert_to_tensor(batch)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(batch)
        maps, features = inner(batch, training=False)
        logits = tf.matmul(features, tf.convert_to_tensor(head.kernel))
        logits = logits + tf.convert_to_tensor(head.bias) if head.use_bias else logits
        if logits.shape[-1] == 1:  # one sigmoid: what speaks for benign speaks against malignant
            logits = tf.concat([-logits, logits], axis=1)
        if classes is None:
            classes = np.argmax(logits.numpy(), axis=1)
        score = tf.gather(logits, classes, axis=1, batch_dims=1)
    slope = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    values = tf.nn.relu(tf.reduce_sum(slope * maps, axis=-1))
    return values.numpy(), np.asarray(classes), score.numpy()


def _checked(classes, n, number):
    """A class, of so many, for each of n images."""
    classes = np.broadcast_to(np.asarray(classes), (n,))
    if classes.dtype.kind not in "iu" or not ((classes >= 0) & (classes < number)).all():
        raise ValueError(f"classes: found {np.unique(classes).tolist()}, expected 0 to {number - 1}")
    return classes


# --- Which layer ------------------------------------------------------------------------


def choose_layer(model, name=None, view=""):
    """Name of the layer to explain, and why: the last convolution, or the deepest of at least 8 x 8 cells."""
    sides = map_layers(model, view)
    if name is not None:
        if name not in sides:
            raise ValueError(f"layer: found {name!r}, expected one of {', '.join(sides)}")
        return name, "as requested"
    if not sides:
        raise ValueError(f"model: {model.name} has no convolution, expected one to explain")
    convolutions = [layer for layer in sides if "Conv" in type(model.get_layer(layer)).__name__]
    side = sides[convolutions[-1] if convolutions else list(sides)[-1]]
    last = [layer for layer in sides if sides[layer] == side][-1]
    large = [layer for layer in sides if min(sides[layer]) >= ENOUGH]
    if min(side) >= SMALLEST or not large:
        return last, "the last convolution"
    return large[-1], f"the deepest of at least {ENOUGH} x {ENOUGH}: the last has {side[0]} x {side[1]}"


def map_layers(model, view=""):
    """Rows and columns by name of the layers that give maps of more than one cell, from the input on."""
    found, prefix = {}, f"{view}." if view else ""
    for layer in (layer for layer in model.layers if layer.name.startswith(prefix)):
        shape = getattr(layer.output, "shape", ())
        if type(layer).__name__ in KINDS and len(shape) == 4 and min(shape[1:3]) > 1:
            found[layer.name] = tuple(shape[1:3])
    return found


def last_dense(model):
    """The dense layer whose output, before any activation, are the class scores."""
    last = [one for one in model.layers if type(one).__name__ not in ("Activation", "Softmax")][-1]
    if type(last).__name__ == "Dense":
        return last
    raise ValueError(f"model: {model.name} does not end in a dense layer with at most an activation after it")
