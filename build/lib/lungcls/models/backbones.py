"""Backbones of `keras.applications` under a head of this package's, in one flat graph.

See :mod:`lungcls.models.networks` for the layout; the scaling to a backbone's own range is part of the graph.
"""

import keras
import numpy as np

from lungcls.models.networks import check_task, classifier

# Each backbone's own range for a grey level in [0, 1]: scale and offset (caffe: BGR means).
_UNIT = {"scale": 2.0, "offset": -1.0}
_CAFFE = {"scale": 255.0, "offset": [-103.939, -116.779, -123.68]}
_BYTES = {"scale": 255.0}
BACKBONES = {
    "mobilenet": ("MobileNet", _UNIT),
    "resnet50": ("ResNet50", _CAFFE),
    **{f"efficientnetb{i}": (f"EfficientNetB{i}", _BYTES) for i in range(8)},
}
_IMAGENET_STD = np.array([0.229, 0.224, 0.225])


def transfer(backbone, *, image_size, task, views=("",), weights=None, dropout=0.3, seed=0):
    """Build a classifier on a backbone of ``keras.applications``.

    Parameters
    ----------
    backbone : str
        A key of ``BACKBONES``: "mobilenet", "resnet50", "efficientnetb0" .. "efficientnetb7".
    image_size : int
        Height and width of the input in pixels, at least 32.
    task : {"binary", "multiclass"}
    views : sequence of str, optional
        Names of the views where there are several, one a channel: each gets a backbone of its own.
    weights : path, optional
        An ``include_top=False`` weight file of Keras; by default the weights are random.
    dropout : float in [0, 1)
        Before the last layer.
    seed : int
        Of the weights that are not loaded.

    Returns
    -------
    keras.Model
        From float images (n, image_size, image_size, views) in [0, 1] to probabilities (n, 1) or (n, 5).

    Raises
    ------
    ValueError
        If an argument is not allowed; the message lists what is.

    References
    ----------
    .. [1] howard2017mobilenets
    .. [2] he2016resnet
    .. [3] tan2019efficientnet

    Examples
    --------
    >>> network = transfer("mobilenet", image_size=32, task="binary")
    >>> network.input_shape, network.output_shape
    ((None, 32, 32, 1), (None, 1))
    """
    check_task(task)
    if backbone not in BACKBONES:
        raise ValueError(f"backbone: found {backbone!r}, expected one of {', '.join(BACKBONES)}")
    if image_size < 32:
        raise ValueError(f"image_size: found {image_size}, expected at least 32")
    name, scaling = BACKBONES[backbone]

    def features(image):
        x = keras.layers.Concatenate(name="three_channels")([image, image, image])
        x = keras.layers.Rescaling(**scaling, name="backbone_range")(x)
        base = getattr(keras.applications, name)(include_top=False, weights=None, input_tensor=x)
        if weights is not None:
            base.load_weights(str(weights))
            _mend_normalization(base)
        return keras.layers.GlobalAveragePooling2D(name="pool")(base.output)

    return classifier(features, backbone, image_size, views, task=task, dropout=dropout, seed=seed)


def _mend_normalization(base):
    """Let one graph take files with variances and Keras's own, with standard deviations in their place."""
    for layer in base.layers:
        if isinstance(layer, keras.layers.Normalization):
            mean, variance, *rest = layer.get_weights()
            if np.allclose(variance, _IMAGENET_STD, atol=1e-3):
                # Keras adds a layer for its own files only; here the file decides.
                layer.set_weights([mean, _IMAGENET_STD**2, *rest])
                layer.finalize_state()
