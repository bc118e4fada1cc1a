"""Networks as the report describes them: builders only, nothing is trained here.

Every classifier is one flat graph: input ``image`` (one channel, [0, 1]), scaling to what
the backbone wants, blocks, ``pool``, ``dropout``, ``logits``, ``probabilities``. Flat and
with the logits apart, because Grad-CAM needs both; cut in two at a block boundary, because
the frozen part is run once and its output kept.
"""

import keras
import numpy as np

from lungcls.models.networks import _check_task, _head

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


def transfer(backbone, *, image_size, task, weights=None, dropout=0.3, seed=0):
    """Build a classifier on a backbone of ``keras.applications``.

    Parameters
    ----------
    backbone : str
        A key of ``BACKBONES``: "mobilenet", "resnet50", "efficientnetb0" .. "efficientnetb7".
    image_size : int
        Height and width of the input in pixels, at least 32.
    task : {"binary", "multiclass"}
    weights : path, optional
        An ``include_top=False`` weight file of Keras; by default the weights are random.
    dropout : float in [0, 1)
        Before the last layer.
    seed : int
        Of the weights that are not loaded.

    Returns
    -------
    keras.Model
        From float images (n, image_size, image_size, 1) in [0, 1] to probabilities (n, 1) or (n, 5).

    Raises
    ------
    ValueError
        If an argument is not allowed; the message lists what is.

    References
    ----------
    .. [1] howard2017mobilenets
    .. [2] he2016resnet
    .. [3] tan2019efficientnet
    """
    _check_task(task)
    if backbone not in BACKBONES:
        raise ValueError(f"backbone: found {backbone!r}, expected one of {', '.join(BACKBONES)}")
    if image_size < 32:
        raise ValueError(f"image_size: found {image_size}, expected at least 32")
    keras.utils.set_random_seed(seed)
    name, scaling = BACKBONES[backbone]
    image = keras.Input((image_size, image_size, 1), name="image")
    x = keras.layers.Concatenate(name="three_channels")([image, image, image])
    x = keras.layers.Rescaling(**scaling, name="backbone_range")(x)
    trunk = getattr(keras.applications, name)(include_top=False, weights=None, input_tensor=x)
    if weights is not None:
        trunk.load_weights(str(weights))
        _mend_normalization(trunk)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(trunk.output)
    return keras.Model(image, _head(x, task, dropout, seed), name=f"{backbone}_{task}")


def _mend_normalization(trunk):
    """Keras's EfficientNet files hold standard deviations as variances, other files variances.

    Keras adds a layer for its own files only; here the file decides, so that one graph takes both.
    """
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.Normalization):
            mean, variance, *rest = layer.get_weights()
            if np.allclose(variance, _IMAGENET_STD, atol=1e-3):
                layer.set_weights([mean, _IMAGENET_STD**2, *rest])
                layer.finalize_state()
