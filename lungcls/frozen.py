"""What a network pretrained on photographs adds to another one, without training it.

Its trunk stays as it is and looks at an image in windows of several sizes. A ridge
regression turns what it says into five numbers, one a score, and a logistic regression weighs
these against what the other network says. Both are solved, not trained, and become layers of
one network.
"""

import keras
import numpy as np
from keras import ops

from lungcls.models import BACKBONES

LAYERS = ("conv_pw_6_relu", "conv_pw_11_relu", "conv_pw_13_relu")  # of MobileNet: textures, parts, wholes
SHARES = (0.5, 0.75, 1.0)  # of the image's side that the windows show
GAIN = 5.0  # brings the ridge's answers to the range of logits; ours


def extractor(image_size, *, side=128, weights=None):
    """Build the frozen part: MobileNet's features of three windows, means over maps and two turns.

    Parameters
    ----------
    image_size : int
        Side of the input in pixels, a multiple of 8.
    side : int, default 128
        That each window is resized to.
    weights : path, optional
        An ``include_top=False`` weight file of Keras's MobileNet; by default they are random.

    Returns
    -------
    keras.Model
        From float images (n, image_size, image_size, 1) in [0, 1] to features (n, m), at least 0.

    Raises
    ------
    ValueError
        If `image_size` is no multiple of 8 or the weights do not fit.

    References
    ----------
    .. [1] howard2017mobilenets
    """
    if image_size % 8:
        raise ValueError(f"image_size: found {image_size}, expected a multiple of 8")
    name, scaling = BACKBONES["mobilenet"]
    window = keras.Input((side, side, 1))
    x = keras.layers.Rescaling(**scaling)(keras.layers.Concatenate()([window] * 3))
    trunk = getattr(keras.applications, name)(include_top=False, weights=None, input_tensor=x)
    if weights is not None:
        trunk.load_weights(str(weights))
    maps = [keras.layers.GlobalAveragePooling2D()(trunk.get_layer(layer).output) for layer in LAYERS]
    trunk = keras.Model(window, keras.layers.Concatenate()(maps), name="trunk")
    image = keras.Input((image_size, image_size, 1), name="image")
    found = []
    for share in SHARES:
        near = keras.layers.Cropping2D(round((1 - share) * image_size / 2))(image)
        near = keras.layers.Resizing(side, side)(near)
        found.append((trunk(near) + trunk(ops.transpose(near, (0, 2, 1, 3)))) / 2)
    return keras.Model(image, ops.log1p(ops.relu(ops.concatenate(found, axis=1))), name="frozen")


def ridge(x, y, *, penalty):
    """Solve a ridge regression on standardised features, in its dual form.

    Parameters
    ----------
    x : ndarray of shape (n, m), float
    y : ndarray of shape (n, k), float
    penalty : float, above 0

    Returns
    -------
    kernel : ndarray of shape (m, k)
    bias : ndarray of shape (k,)
        The answers are ``x @ kernel + bias``, on features as they are.

    Raises
    ------
    ValueError
        If `penalty` is not above 0.
    """
    if not penalty > 0:
        raise ValueError(f"penalty: found {penalty}, expected more than 0")
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    mean, scale, middle = x.mean(axis=0), x.std(axis=0) + 1e-6, y.mean(axis=0)
    z = (x - mean) / scale
    kernel = z.T @ np.linalg.solve(z @ z.T + penalty * np.eye(len(z)), y - middle) / scale[:, None]
    return kernel, middle - mean @ kernel


def out_of_group(x, y, groups, *, penalty):
    """Answers of the ridge to each case, from a fit without the group that it is in.

    Parameters
    ----------
    x, y, penalty
        As in :func:`ridge`.
    groups : ndarray of shape (n,), int
        Cases below 0 are in no fit, and get the answer of a fit to all others.

    Returns
    -------
    ndarray of shape (n, k), float
    """
    found = np.empty(np.shape(y))
    for group in np.unique(groups):
        asked = groups == group
        kernel, bias = ridge(x[~asked & (groups >= 0)], y[~asked & (groups >= 0)], penalty=penalty)
        found[asked] = x[asked] @ kernel + bias
    return found


def weigh(logits, answers, scores):
    """Weigh two opinions by a logistic regression on both.

    Parameters
    ----------
    logits, answers : ndarray of shape (n, 5), float
        Of a network, and of the ridge; on cases that neither has seen.
    scores : ndarray of shape (n,), int, 1..5
        Each at least once.

    Returns
    -------
    kernel : ndarray of shape (10, 5)
    bias : ndarray of shape (5,)
    """
    from sklearn.linear_model import LogisticRegression

    both = np.concatenate([logits, GAIN * np.asarray(answers)], axis=1)
    learner = LogisticRegression(C=1.0, max_iter=1000).fit(both, scores)
    return learner.coef_.T, learner.intercept_


def join(network, frozen, linear, weights, task):
    """Make one network of a network, the frozen part and the two regressions.

    Parameters
    ----------
    network : keras.Model
        From images to probabilities of the five scores, with a layer `logits`.
    frozen : keras.Model
        Of :func:`extractor`.
    linear, weights : (kernel, bias)
        Of :func:`ridge` and :func:`weigh`.
    task : {"binary", "multiclass"}
        Binary: malignant are scores 4 and 5.

    Returns
    -------
    keras.Model
        From images to probabilities (n, 1) or (n, 5), with a layer `logits` before the last.
    """
    first = keras.Model(network.input, network.get_layer("logits").output, name="committee")
    image = keras.Input(network.input.shape[1:], name="image")
    answers = keras.layers.Dense(5, name="ridge")
    last = keras.layers.Dense(5, name="weighed")
    z = last(ops.concatenate([first(image), GAIN * answers(frozen(image))], axis=1))
    if task == "binary":
        z = ops.logsumexp(z[:, 3:], axis=1, keepdims=True) - ops.logsumexp(z[:, :3], axis=1, keepdims=True)
    z = keras.layers.Activation("linear", name="logits")(z)
    p = keras.layers.Activation("sigmoid" if task == "binary" else "softmax", name="probabilities")(z)
    answers.set_weights(linear)
    last.set_weights(weights)
    return keras.Model(image, p, name=f"weighed_{task}")
