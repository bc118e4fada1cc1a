"""What a network pretrained on photographs adds to another one, without training it.

Its trunk stays as it is. It looks at an image several times, moved and turned, and the maps
of several of its layers are summed up around the middle, where the nodule lies. A ridge
regression turns this into five numbers, one a score, and a logistic regression weighs these
against what the other network says. Both are solved, not trained, and become layers of one
network.
"""

import keras
from keras import ops
import numpy as np
from scipy import linalg

from lungcls.models import backbones

# Layers whose maps are summed up, in the middle of the trunk; chosen by cross-validation.
LAYERS = {
    "mobilenet": tuple(f"conv_pw_{i}_relu" for i in (1, 3, 5, 7, 9, 11)),
    "efficientnetb4": tuple(f"block{i}_expand_activation" for i in ("3c", "4d", "5d")),
}
WIDTHS = (0.06, 0.12, 0.24)  # standard deviations of the windows around the middle, as shares of the side
MOVES = ((0, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))  # down and right, in steps of `STEP`
STEP = 0.04  # share of the side
GAIN = 5.0  # brings the ridge's answers to the range of logits; ours


def extractor(backbone, image_size, *, side=128, weights=None):
    """Build the frozen part: a pretrained trunk's maps, summed up around the middle.

    Parameters
    ----------
    backbone : {"mobilenet", "efficientnetb4"}
    image_size : int
        Side of the input in pixels.
    side : int, default 128
        That the image is resized to, at least 32.
    weights : path, optional
        An ``include_top=False`` weight file of Keras; by default they are random.

    Returns
    -------
    keras.Model
        From float images (n, image_size, image_size, 1) in [0, 1] to features (n, m), a number
        a channel: the mean in each window of `WIDTHS`, and the greatest value in the inner half.

    Raises
    ------
    ValueError
        If the backbone is unknown, `side` too small, or the weights do not fit.

    References
    ----------
    .. [1] howard2017mobilenets
    .. [2] tan2019efficientnet
    """
    if backbone not in LAYERS:
        raise ValueError(f"backbone: found {backbone!r}, expected one of {', '.join(LAYERS)}")
    whole = backbones.transfer(backbone, image_size=side, task="multiclass", weights=weights)
    found = [summed for layer in LAYERS[backbone] for summed in _summed_up(whole.get_layer(layer).output)]
    trunk = keras.Model(whole.input, ops.concatenate(found, axis=1), name="trunk")
    trunk.trainable = False  # its batch normalisation keeps its own means, however it is called
    image = keras.Input((image_size, image_size, 1), name="image")
    found = trunk(keras.layers.Resizing(side, side)(image))
    return keras.Model(image, ops.sign(found) * ops.log1p(ops.abs(found)), name="frozen")


def _summed_up(maps):
    """A map around its middle, and at its greatest: a number a channel each."""
    side = maps.shape[1]
    place = (np.arange(side) + 0.5) / side - 0.5
    far = place[:, None] ** 2 + place[None, :] ** 2
    windows = [np.exp(-far / (2 * width**2)) for width in WIDTHS]
    shares = [(window / window.sum())[:, :, None].astype("float32") for window in windows]
    inner = slice(side // 4, side - side // 4)
    return [ops.sum(maps * share, axis=(1, 2)) for share in shares] + [
        ops.max(maps[:, inner, inner], axis=(1, 2))
    ]


def shares(extractor, backbone):
    """Share that each feature has in the ridge: every layer counts as much, whatever its channels.

    Parameters
    ----------
    extractor : keras.Model
        Of :func:`extractor`.
    backbone : str
        Its own.

    Returns
    -------
    ndarray of shape (m,), float64
        They add up to 1.
    """
    maps = [extractor.get_layer("trunk").get_layer(layer).output for layer in LAYERS[backbone]]
    features = [(len(WIDTHS) + 1) * one.shape[-1] for one in maps]
    return np.concatenate([np.full(number, 1 / (number * len(maps))) for number in features])


def looks(images):
    """Look at images again and again: as they are, and moved towards the four corners, three of these turned.

    Parameters
    ----------
    images : array or keras tensor of shape (n, H, H, 1)

    Returns
    -------
    list of tensor of shape (n, H, H, 1)
        One for each of `MOVES`; what a move uncovers mirrors what lies beside it.
    """
    side = images.shape[1]
    step = max(1, round(STEP * side))
    wide = ops.pad(images, [[0, 0], [step, step], [step, step], [0, 0]], mode="symmetric")
    moved = [
        wide[:, step * (1 - down) : step * (1 - down) + side, step * (1 - right) : step * (1 - right) + side]
        for down, right in MOVES
    ]
    return [ops.rot90(one, number % 4, axes=(1, 2)) for number, one in enumerate(moved)]


def ridge(x, y, groups, shares, *, penalty):
    """Solve a ridge regression on the looks of all cases, and once more without each group.

    Its dual form, so that the products of all pairs of looks are needed once. Features are
    standardised over all known cases, and each fit starts from the mean of its own targets.

    Parameters
    ----------
    x : sequence of ndarray of shape (n, m), float
        Features of each look.
    y : ndarray of shape (n, k), float
    groups : ndarray of shape (n,), int
        Below 0: cases that no fit may see.
    shares : ndarray of shape (m,), float above 0
        Of each standardised feature in a product.
    penalty : float, above 0
        Times the number of looks, whose errors are added up.

    Returns
    -------
    answers : ndarray of shape (n, k)
        Means over looks: to each case by the fit without its group; to those below 0 by the
        fit to all others.
    kernel : ndarray of shape (m, k)
    bias : ndarray of shape (k,)
        A look's answer by the fit to all known cases is ``x @ kernel + bias``.

    Raises
    ------
    ValueError
        If `penalty` is not above 0.
    """
    if not penalty > 0:
        raise ValueError(f"penalty: found {penalty}, expected more than 0")
    known = groups >= 0
    seen = [np.asarray(one[known], dtype=np.float32) for one in x]
    mean = np.mean([one.mean(axis=0) for one in seen], axis=0)
    spread = np.sqrt(np.mean([((one - mean) ** 2).mean(axis=0) for one in seen], axis=0))
    scale = (np.sqrt(shares) / (spread + 1e-6)).astype(np.float32)
    z = np.concatenate([(one - mean) * scale for one in seen])
    products, wanted = z @ z.T, np.tile(y[known], (len(x), 1))
    group = np.tile(groups[known], len(x))

    def solve(rows):
        middle = wanted[rows].mean(axis=0)
        inner = products[np.ix_(rows, rows)] + penalty * len(x) * np.eye(len(rows), dtype=np.float32)
        return linalg.solve(inner, (wanted[rows] - middle).astype(np.float32), assume_a="pos"), middle

    answers, all_rows = np.empty(np.shape(y)), np.arange(len(z))
    for number in np.unique(group):
        rows, asked = all_rows[group != number], all_rows[group == number]
        dual, middle = solve(rows)
        said = products[np.ix_(asked, rows)] @ dual + middle
        answers[groups == number] = said.reshape(len(x), -1, y.shape[1]).mean(axis=0)
    dual, middle = solve(all_rows)
    kernel = scale[:, None] * (z.T @ dual)
    bias = middle - mean @ kernel
    answers[~known] = np.mean([one[~known] @ kernel + bias for one in x], axis=0)
    return answers, kernel, bias


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
    said = sum(answers(frozen(one)) for one in looks(image)) / len(MOVES)
    z = last(ops.concatenate([first(image), GAIN * said], axis=1))
    if task == "binary":
        z = ops.logsumexp(z[:, 3:], axis=1, keepdims=True) - ops.logsumexp(z[:, :3], axis=1, keepdims=True)
    z = keras.layers.Activation("linear", name="logits")(z)
    p = keras.layers.Activation("sigmoid" if task == "binary" else "softmax", name="probabilities")(z)
    answers.set_weights(linear)
    last.set_weights(weights)
    return keras.Model(image, p, name=f"weighed_{task}")
