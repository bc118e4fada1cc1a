"""Outline the nodule in the middle of an image, and measure what lies inside, without a reader.

A small U-Net [1]_ learns the readers' outlines of the training cases. Its answer, the mean over the
eight ways to turn and mirror an image, is a share of nodule in each pixel; the measures are weighted
by it, so nothing is cut off at a threshold. Where no outline is known a disc in the middle serves.

References
----------
.. [1] ronneberger2015
"""

import keras
from keras import ops
import numpy as np

from lungcls.models.networks import MOMENTUM

MARGIN = 10  # a tenth of the image on each side is surroundings that only other parts see
DISC = 0.15  # radius of the disc where no outline is known, as a share of the side
RINGS = (2, 5, 10)  # pixels around the outline, outwards
SCALES = (3, 5, 9)  # pixels of the squares whose mean is taken off for texture
MEASURES = (
    *("area", "major axis", "minor axis", "eccentricity", "perimeter", "circularity", "off centre"),
    *("mean", "sd", "skewness", "core", "edge", "gradient inside", "indistinct", "surest pixel"),
    *(f"{what} {ring}" for ring in ("rim", *RINGS) for what in ("contrast to", "sd of")),
    *(f"{what} {scale}" for scale in SCALES for what in ("texture", "texture around")),
    *("darkest tenth", "median", "brightest twentieth", "mean in range"),
)


def unet(*, image_size, filters=(8, 24, 48, 64, 64), seed=0):
    """Build a U-Net: from images (n, H, H, 1) to a logit a pixel, same shape; a level each of `filters`."""
    if image_size % 2 ** (len(filters) - 1):
        expected = f"a multiple of {2 ** (len(filters) - 1)} for {len(filters)} levels"
        raise ValueError(f"image_size: found {image_size} pixels inside the margin, expected {expected}")
    keras.utils.set_random_seed(seed)
    image = keras.Input((image_size, image_size, 1), name="image")
    x = _convolved(image, filters[0])
    levels = [x]
    for width in filters[1:]:
        x = _convolved(_convolved(x, width, strides=2), width)
        levels.append(x)
    for level in levels[-2::-1]:
        upper = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
        x = _convolved(keras.layers.Concatenate()([upper, level]), level.shape[-1])
    return keras.Model(image, keras.layers.Conv2D(1, 1, name="logits")(x), name="unet")


def _convolved(x, width, strides=1):
    x = keras.layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False)(x)
    return keras.layers.Activation("relu")(keras.layers.BatchNormalization(momentum=MOMENTUM)(x))


def disc(*, image_size):
    """What stands for a U-Net where no outline is known: the same disc in every image."""
    image = keras.Input((image_size, image_size, 1), name="image")
    place = np.hypot(*np.meshgrid(*[np.arange(image_size) + 0.5 - image_size / 2] * 2))
    logits = ((DISC * image_size - place) * 2)[:, :, None].tolist()
    return keras.Model(image, 0 * image + ops.convert_to_tensor(logits), name="disc")


def learner(network):
    """What is trained: from an image with its outline, (n, H, H, 2), to the logits with the outline."""
    both = keras.Input((*network.input.shape[1:3], 2), name="both")
    return keras.Model(both, keras.layers.Concatenate()([network(both[..., :1]), both[..., 1:]]))


def loss(_, both):
    """Cross-entropy a pixel plus one less the soft Dice score, of what :func:`learner` gives."""
    z, outline = both[..., 0], both[..., 1]
    entropy = ops.mean(ops.softplus(z) - z * outline, axis=(1, 2))
    shared, total = _sum(ops.sigmoid(z) * outline), _sum(ops.sigmoid(z)) + _sum(outline)
    return entropy + 1 - (2 * shared + 1) / (total + 1)


def measured(network, image_size):
    """One network from images (n, image_size, image_size, 1) to their measures, (n, len(MEASURES))."""
    image = keras.Input((image_size, image_size, 1), name="image")
    near = keras.layers.Cropping2D(image_size // MARGIN, name="near")(image)
    turned = ops.concatenate(turns(near), axis=0)
    parts = ops.split(ops.sigmoid(network(turned)), 8, axis=0)
    outline = keras.layers.Identity(name="outline")(sum(turned_back(parts)) / 8)
    return keras.Model(image, measures(near[..., 0], outline[..., 0]), name="measured")


_FLIPS = [lambda x: x] + [lambda x, axes=axes: ops.flip(x, axes) for axes in (1, 2, (1, 2))]


def turns(image):
    """The eight ways to turn and mirror images (n, H, H, c), as keras operations."""
    flipped = [flip(image) for flip in _FLIPS]
    return flipped + [_transposed(one) for one in flipped]


def turned_back(images):
    """What :func:`turns` gives, each as it was."""
    images = [*images[:4], *map(_transposed, images[4:])]
    return [flip(one) for flip, one in zip(_FLIPS * 2, images)]


def _transposed(image):
    return ops.transpose(image, (0, 2, 1, 3))


# --- Measures ---------------------------------------------------------------------------


def measures(image, outline):
    """Measure images (n, H, H) inside outlines of 0 to 1, alike: `MEASURES`, (n, m), in pixels and grey."""
    area, slope = _sum(outline) + 1, _slope(image)
    border = _slope(outline)
    perimeter = _sum(border) + 0.1
    mean, sd = _mean_sd(image, outline, area)
    core = _shrunk(outline, 1)
    third = _sum(outline * (image - mean[:, None, None]) ** 3) / area / sd**3
    inside = [mean, sd, third, _mean_sd(image, core, _sum(core) + 1e-3)[0] - mean]
    inside += [_sum(border * slope) / (_sum(border) + 1e-3), _sum(outline * slope) / area]
    inside += [_sum(outline * (1 - outline)) / area, ops.max(outline, axis=(1, 2))]
    found = [*_shape(outline, area), ops.log(perimeter), ops.log(perimeter) - 0.5 * ops.log(area)]
    found = [*found, _off_centre(outline, area), *inside]
    rings = [outline - core, *_rings(outline)]
    for ring in rings:
        around, spread = _mean_sd(image, ring, _sum(ring) + 1e-3)
        found += [mean - around, spread]
    for scale in SCALES:
        rest = (image - _pooled(ops.average_pool, image, scale)) ** 2
        for part, total in ((outline, area), (rings[2], _sum(rings[2]) + 1e-3)):
            found.append(ops.log(ops.sqrt(_sum(part * rest) / total) + 1e-3))
    pixels = image.shape[1] ** 2
    ordered = ops.sort(ops.reshape(image, (-1, pixels)), axis=1)
    low, middle, high = (ordered[:, int(share * pixels)] for share in (0.1, 0.5, 0.95))
    return ops.stack([*found, low, middle, high, (mean - low) / (high - low + 0.05)], axis=1)


def _sum(x):
    return ops.sum(x, axis=(1, 2))


def _mean_sd(image, part, total):
    mean = _sum(part * image) / total
    return mean, ops.sqrt(_sum(part * (image - mean[:, None, None]) ** 2) / total + 1e-6)


def _places(outline):
    """Rows and columns of pixels, from the middle of the image, (1, H, H) each."""
    side = outline.shape[1]
    return [ops.cast(axis[None] - (side - 1) / 2, "float32") for axis in np.indices((side, side))]


def _middle(outline, area):
    return [_sum(outline * place) / area for place in _places(outline)]


def _shape(outline, area):
    """Logarithms of area and of both axes, and how far the axes differ."""
    middle = _middle(outline, area)
    down, right = (place - one[:, None, None] for place, one in zip(_places(outline), middle))
    rows, columns = _sum(outline * down**2) / area + 0.5, _sum(outline * right**2) / area + 0.5
    half, across = (rows + columns) / 2, _sum(outline * down * right) / area
    apart = ops.sqrt(((rows - columns) / 2) ** 2 + across**2)
    axes = [ops.log(half + apart) / 2, ops.log(ops.maximum(half - apart, 0.1)) / 2]
    return [ops.log(area), *axes, apart / half]


def _off_centre(outline, area):
    row, column = _middle(outline, area)
    return ops.sqrt(row**2 + column**2)


def _slope(x):
    """Length of the gradient, by central differences."""
    wide = ops.pad(x, [[0, 0], [1, 1], [1, 1]], mode="symmetric")
    down, right = wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1], wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]
    return ops.sqrt(down**2 + right**2 + 1e-12) / 2


def _pooled(pool, x, side):
    return pool(x[..., None], side, strides=1, padding="same")[..., 0]


def _shrunk(outline, pixels):
    return -_pooled(ops.max_pool, -outline, 2 * pixels + 1)


def _rings(outline):
    """What lies up to each of `RINGS` pixels outside, without what the ring before it has."""
    grown = [outline, *(_pooled(ops.max_pool, outline, 2 * ring + 1) for ring in RINGS)]
    return [outer - inner for inner, outer in zip(grown, grown[1:])]
