"""What a backbone pretrained on photographs says of an image, without training it.

The backbone stays as it is. It sees several test-time views of an image, moved and turned, and
the maps of several of its layers are summed up around the middle, where the nodule lies. A ridge
regression turns this into five numbers, one a score. It is solved, not trained.
"""

import keras
from keras import ops
import numpy as np

from lungcls.models import backbones, ensemble

# Layers whose maps are summed up, in the middle of the backbone; chosen by cross-validation.
LAYERS = {
    "mobilenet": tuple(f"conv_pw_{i}_relu" for i in (1, 3, 5, 7, 9, 11)),
    "efficientnetb4": tuple(f"block{i}_expand_activation" for i in ("3c", "4d", "5d")),
}
WIDTHS = (0.06, 0.12, 0.24)  # standard deviations of the windows around the middle, as shares of the side
MOVES = ((0, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))  # down and right, in steps of `STEP`
STEP = 0.04  # share of the side


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


def fingerprint(frozen):
    """Features of one made-up image, (m,): which weights an extractor has."""
    place = np.linspace(-1, 1, frozen.input.shape[1], dtype=np.float32)
    image = np.exp(-8 * (place[:, None] ** 2 + place**2)) * (1 + np.sin(9 * place)) / 2
    return ops.convert_to_numpy(frozen(image[None, :, :, None], training=False))[0]


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
    # `x` is (n, m) a view; `groups` below 0 are cases that no fit may see. Features are standardised over
    # all known cases and weighted by `shares`; `penalty` is times the number of views, whose errors are
    # added up. Returns the answers to known cases by fits without their group, means over views, and
    # kernel (m, k) and bias (k,) of the fit to all.
    known = groups >= 0
    seen = [np.asarray(one[known], dtype=np.float32) for one in x]
    mean = np.mean([one.mean(axis=0) for one in seen], axis=0)
    spread = np.sqrt(np.mean([((one - mean) ** 2).mean(axis=0) for one in seen], axis=0))
    scale = (np.sqrt(shares) / (spread + 1e-6)).astype(np.float32)
    z = np.concatenate([(one - mean) * scale for one in seen])
    targets, group = np.tile(y[known], (len(x), 1)), np.tile(groups[known], len(x))
    answers, dual, middle = ensemble.solve(z @ z.T, targets, group, penalty * len(x))
    kernel = scale[:, None] * (z.T @ dual)
    return answers.reshape(len(x), -1, y.shape[1]).mean(axis=0), kernel, middle - mean @ kernel


def answering(frozen, linear):
    """A function from images to the mean answer over their views, of the extractor and (kernel, bias)."""
    ridge = keras.layers.Dense(linear[0].shape[1], name="ridge")

    def answer(images):
        found = sum(ridge(frozen(view)) for view in test_time_views(images)) / len(MOVES)
        ridge.set_weights(linear)
        return found

    return answer
