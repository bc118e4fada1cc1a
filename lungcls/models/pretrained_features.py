"""What a backbone pretrained on photographs adds to another network, without training it.

The backbone stays as it is. It sees several test-time views of an image, moved and turned, and
the maps of several of its layers are summed up around the middle, where the nodule lies. A ridge
regression turns this into five numbers, one a score, and a logistic regression weighs these
against what the other network predicts. Both are solved, not trained, and become layers of one
network.
"""

import keras
from keras import ops
import numpy as np
from scipy import linalg

from lungcls.models import backbones
from lungcls.models.networks import probabilities

# Layers whose maps are summed up, in the middle of the backbone; chosen by cross-validation.
LAYERS = {
    "mobilenet": tuple(f"conv_pw_{i}_relu" for i in (1, 3, 5, 7, 9, 11)),
    "efficientnetb4": tuple(f"block{i}_expand_activation" for i in ("3c", "4d", "5d")),
}
WIDTHS = (0.06, 0.12, 0.24)  # standard deviations of the windows around the middle, as shares of the side
MOVES = ((0, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))  # down and right, in steps of `STEP`
STEP = 0.04  # share of the side
GAIN = 5.0  # brings the ridge's predictions to the range of logits; ours


def extractor(backbone, image_size, *, side=128, weights=None):
    """Build the frozen part: from images (n, image_size, image_size, 1) to features (n, m)."""
    # Images are resized to `side` pixels. Of each map it keeps the mean in each window of `WIDTHS`
    # and the greatest value in the inner half (howard2017mobilenets, tan2019efficientnet).
    if backbone not in LAYERS:
        raise ValueError(f"backbone: found {backbone!r}, expected one of {', '.join(LAYERS)}")
    whole = backbones.transfer(backbone, image_size=side, task="multiclass", weights=weights)
    found = [summed for layer in LAYERS[backbone] for summed in _summed_up(whole.get_layer(layer).output)]
    frozen = keras.Model(whole.input, ops.concatenate(found, axis=1), name="backbone")
    frozen.trainable = False  # its batch normalisation keeps its own means, however it is called
    image = keras.Input((image_size, image_size, 1), name="image")
    found = frozen(keras.layers.Resizing(side, side)(image))
    return keras.Model(image, ops.sign(found) * ops.log1p(ops.abs(found)), name="frozen")


def _summed_up(maps):
    """A map around its middle, and at its greatest: a number a channel each."""
    side = maps.shape[1]
    place = (np.arange(side) + 0.5) / side - 0.5
    far = place[:, None] ** 2 + place[None, :] ** 2
    windows = [np.exp(-far / (2 * width**2)) for width in WIDTHS]
    shares = [(window / window.sum())[:, :, None].astype("float32") for window in windows]
    inner = slice(side // 4, side - side // 4)
    greatest = ops.max(maps[:, inner, inner], axis=(1, 2))
    return [ops.sum(maps * share, axis=(1, 2)) for share in shares] + [greatest]


def shares(extractor, backbone):
    """Share of each feature in the ridge, (m,), their sum 1: layers count alike, whatever their channels."""
    maps = [extractor.get_layer("backbone").get_layer(layer).output for layer in LAYERS[backbone]]
    features = [(len(WIDTHS) + 1) * one.shape[-1] for one in maps]
    return np.concatenate([np.full(number, 1 / (number * len(maps))) for number in features])


def test_time_views(images):
    """A view of images (n, H, H, 1) for each of `MOVES`: moved, mirroring what is uncovered, and turned."""
    side = images.shape[1]
    step = max(1, round(STEP * side))
    wide = ops.pad(images, [[0, 0], [step, step], [step, step], [0, 0]], mode="symmetric")
    views = []
    for number, (down, right) in enumerate(MOVES):
        row, column = step * (1 - down), step * (1 - right)
        moved = wide[:, row : row + side, column : column + side]
        views.append(ops.rot90(moved, number % 4, axes=(1, 2)))
    return views


def ridge(x, y, groups, shares, *, penalty):
    """Solve a ridge regression of targets (n, k) on all views of cases, and once more without each group."""
    # `x` is (n, m) a view; `groups` below 0 are cases that no fit may see. Its dual form, so that
    # the products of all pairs are needed once. Features are standardised over all known cases and
    # weighted by `shares`, each fit starts from the mean of its own targets, and `penalty` is times
    # the number of views, whose errors are added up. Returns the predictions, (n, k), means over
    # views: of each case by the fit without its group, of those below 0 by the fit to all others;
    # and kernel (m, k) and bias (k,) of that fit.
    if not penalty > 0:
        raise ValueError(f"penalty: found {penalty}, expected more than 0")
    known = groups >= 0
    seen = [np.asarray(one[known], dtype=np.float32) for one in x]
    mean = np.mean([one.mean(axis=0) for one in seen], axis=0)
    spread = np.sqrt(np.mean([((one - mean) ** 2).mean(axis=0) for one in seen], axis=0))
    scale = (np.sqrt(shares) / (spread + 1e-6)).astype(np.float32)
    z = np.concatenate([(one - mean) * scale for one in seen])
    products, targets = z @ z.T, np.tile(y[known], (len(x), 1))
    group = np.tile(groups[known], len(x))

    def solve(rows):
        middle = targets[rows].mean(axis=0)
        inner = products[np.ix_(rows, rows)] + penalty * len(x) * np.eye(len(rows), dtype=np.float32)
        return linalg.solve(inner, (targets[rows] - middle).astype(np.float32), assume_a="pos"), middle

    predicted, all_rows = np.empty(np.shape(y)), np.arange(len(z))
    for number in np.unique(group):
        rows, left_out = all_rows[group != number], all_rows[group == number]
        dual, middle = solve(rows)
        by_view = products[np.ix_(left_out, rows)] @ dual + middle
        predicted[groups == number] = by_view.reshape(len(x), -1, y.shape[1]).mean(axis=0)
    dual, middle = solve(all_rows)
    kernel = scale[:, None] * (z.T @ dual)
    bias = middle - mean @ kernel
    predicted[~known] = np.mean([one[~known] @ kernel + bias for one in x], axis=0)
    return predicted, kernel, bias


def weigh(logits, predicted, scores):
    """Weigh logits and the ridge's predictions, (n, 5), by a logistic regression: its kernel and bias."""
    # They are of cases, with each score 1..5 among them, that neither has seen.
    from sklearn.linear_model import LogisticRegression

    both = np.concatenate([logits, GAIN * np.asarray(predicted)], axis=1)
    learner = LogisticRegression(C=1.0, max_iter=1000).fit(both, scores)
    return learner.coef_.T, learner.intercept_


def join(network, frozen, linear, weights, task):
    """Make one network, with a layer `logits`, of another, the extractor and (kernel, bias) of both fits."""
    first = keras.Model(network.input, network.get_layer("logits").output, name="ensemble")
    image = keras.Input(network.input.shape[1:], name="image")
    ridge, weighed = keras.layers.Dense(5, name="ridge"), keras.layers.Dense(5, name="weighed")
    predicted = sum(ridge(frozen(view)) for view in test_time_views(image)) / len(MOVES)
    z = weighed(ops.concatenate([first(image), GAIN * predicted], axis=1))
    if task == "binary":
        z = ops.logsumexp(z[:, 3:], axis=1, keepdims=True) - ops.logsumexp(z[:, :3], axis=1, keepdims=True)
    z = keras.layers.Activation("linear", name="logits")(z)
    ridge.set_weights(linear)
    weighed.set_weights(weights)
    return keras.Model(image, probabilities(z, task), name=f"weighed_{task}")
