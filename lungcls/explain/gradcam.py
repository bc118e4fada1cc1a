"""Grad-CAM: where a network's last maps speak for a class.

The score that is explained is the one before sigmoid or softmax: after them the gradient of
a sure network is nearly 0 everywhere, and that of a softmax mixes the classes. For a single
sigmoid it is the logit for malignant, and its negative for benign. The only module that
needs gradients, and so TensorFlow.
"""

from dataclasses import dataclass

import numpy as np

from lungcls.errors import InputError

BATCH = 32
SMALLEST, ENOUGH = 4, 8  # cells a side: a last map below the first gives way to the deepest of the second
KINDS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "BatchNormalization", "Activation", "ReLU", "Add")


@dataclass(frozen=True)
class ClassMaps:
    """Maps of some images on the grid of one layer.

    Attributes
    ----------
    values : ndarray of shape (n, h, w), float32, at least 0
        Not scaled: maps of one network can be compared.
    layer : str
        The layer whose maps they are made of.
    why : str
        Why that layer, in words.
    classes : ndarray of shape (n,), int
        What each map speaks for: 0 benign, 1 malignant; or 0..4 for the scores 1..5.
    scores : ndarray of shape (n,), float32
        The class's score before sigmoid or softmax.
    """

    values: np.ndarray
    layer: str
    why: str
    classes: np.ndarray
    scores: np.ndarray

    @property
    def zero(self):
        """ndarray of shape (n,), bool: maps that are 0 everywhere and show nothing."""
        return ~(self.values > 0).any(axis=(1, 2))


def grad_cam(model, images, *, classes=None, layer=None, batch_size=BATCH):
    """Explain what a network says of images, class by class [1]_.

    ``max(0, sum_k a_k A_k)``, where ``A_k`` are the maps of a layer and ``a_k`` is the mean
    over the map of the score's gradient.

    Parameters
    ----------
    model : keras.Model
        A flat graph that ends in a dense layer, perhaps with sigmoid or softmax after it.
    images : array of shape (n, H, W, channels), float
        As the network takes them; may be read when asked for.
    classes : ndarray of shape (n,), int, or int, optional
        By default what the network says.
    layer : str, optional
        By default that of :func:`choose_layer`.
    batch_size : int, default 32

    Returns
    -------
    ClassMaps

    Raises
    ------
    ValueError
        If a class or the layer does not exist; the message lists what does.
    InputError
        If Keras runs on another backend than TensorFlow.

    References
    ----------
    .. [1] selvaraju2017
    """
    keras, tf = _tensorflow()
    name, why = choose_layer(model, layer)
    head = last_dense(model)
    width = head.kernel.shape[-1]
    wanted = _check_classes(classes, len(images), max(width, 2))
    inner = keras.Model(model.inputs, [model.get_layer(name).output, head.input])
    found, said, scores = [], [], []
    for start in range(0, len(images), batch_size):
        part = slice(start, min(start + batch_size, len(images)))
        batch = tf.convert_to_tensor(np.asarray(images[part], dtype=np.float32))
        maps, one, score = _weighted(tf, inner, head, batch, None if wanted is None else wanted[part])
        found.append(maps)
        said.append(one)
        scores.append(score)
    return ClassMaps(*(np.concatenate(found), name, why), np.concatenate(said), np.concatenate(scores))


def _weighted(tf, inner, head, batch, classes):
    """Maps of one batch: its images do not see one another, so one gradient serves them all."""
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


def _check_classes(classes, n, number):
    if classes is None:
        return None
    classes = np.broadcast_to(np.asarray(classes), (n,))
    if classes.dtype.kind not in "iu" or not ((classes >= 0) & (classes < number)).all():
        raise ValueError(f"classes: found {np.unique(classes).tolist()}, expected 0 to {number - 1}")
    return classes


def _tensorflow():
    import keras

    if keras.config.backend() != "tensorflow":
        raise InputError(f"Grad-CAM: Keras runs on {keras.config.backend()}, expected tensorflow")
    import tensorflow

    return keras, tensorflow


# --- Which layer ------------------------------------------------------------------------


def choose_layer(model, name=None):
    """Choose the layer that is explained, and say why.

    Parameters
    ----------
    model : keras.Model
    name : str, optional
        One that is wanted.

    Returns
    -------
    name, why : str
        The last layer that has the size of the last convolution's output; where that is
        below 4 x 4, the deepest layer of at least 8 x 8.

    Raises
    ------
    ValueError
        If there is no such layer, or it has no map; the message lists those that have one.
    """
    sides = map_layers(model)
    if name is not None:
        if name not in sides:
            raise ValueError(f"layer: found {name!r}, expected one of {', '.join(sides)}")
        return name, "as asked for"
    if not sides:
        raise ValueError(f"model: {model.name} has no convolution, expected one to explain")
    convolutions = [layer for layer in sides if "Conv" in type(model.get_layer(layer)).__name__]
    side = sides[convolutions[-1] if convolutions else list(sides)[-1]]
    last = [layer for layer in sides if sides[layer] == side][-1]
    large = [layer for layer in sides if min(sides[layer]) >= ENOUGH]
    if min(side) >= SMALLEST or not large:
        return last, "the last convolution"
    return large[-1], f"the deepest of at least {ENOUGH} x {ENOUGH}: the last has {side[0]} x {side[1]}"


def map_layers(model):
    """List the layers that give maps, from the input on, with the maps' size.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    dict of str to (int, int)
        Convolutions and what keeps their size: normalisation, activations, sums. Maps of one
        cell are none.
    """
    found = {}
    for layer in model.layers:
        shape = getattr(layer.output, "shape", ())
        if type(layer).__name__ in KINDS and len(shape) == 4 and min(shape[1:3]) > 1:
            found[layer.name] = tuple(shape[1:3])
    return found


def last_dense(model):
    """Return the dense layer whose output, before any activation, are the class scores.

    Parameters
    ----------
    model : keras.Model

    Raises
    ------
    ValueError
        If there is none, or something else than an activation follows it.
    """
    for layer in reversed(model.layers):
        kind = type(layer).__name__
        if kind == "Dense":
            return layer
        if kind not in ("Activation", "Softmax"):
            break
    raise ValueError(f"model: {model.name} does not end in a dense layer with at most an activation after it")


def audit(model, images, *, classes=None, layers=None):
    """Say for each layer how many maps are 0 everywhere, and so show nothing.

    Parameters
    ----------
    model : keras.Model
    images : array of shape (n, H, W, channels), float
    classes : as in :func:`grad_cam`
    layers : sequence of str, optional
        By default the last layer of each size.

    Returns
    -------
    DataFrame, indexed by layer
        `side` (cells), `zero` (how many maps are all 0), `n`.
    """
    import pandas as pd

    sides = map_layers(model)
    chosen = list(layers or {side: layer for layer, side in sides.items()}.values())
    rows = {}
    for layer in chosen:
        zero = grad_cam(model, images, classes=classes, layer=layer).zero
        rows[layer] = {"side": sides[layer][0], "zero": int(zero.sum()), "n": len(zero)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("layer")
