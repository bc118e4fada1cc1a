"""Augmentation: training images changed at random, test images seen in five fixed views.

Each augmentation is a function ``(images, seed) -> images``: what is drawn depends on the
seed alone, so that an interrupted run can be resumed where it stopped. Drawn anew for
every image, not once a batch.
"""

import functools

import keras
import numpy as np

NAMES = ("none", "geometric", "randaugment", "augmix")
TRANSFORMS = ("identity", "flip left-right", "flip up-down", "turn +10 degrees", "turn -10 degrees")


def augment(images, name, *, seed, **options):
    """Apply an augmentation by name.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]
    name : {"none", "geometric", "randaugment", "augmix"}
    seed : int or sequence of int, 0 or more
        Same seed, same result.
    **options
        Of the function of that name.

    Returns
    -------
    ndarray of shape (n, H, W, 1), float32 in [0, 1]

    Raises
    ------
    ValueError
        If `name` is unknown.

    References
    ----------
    .. [1] cubuk2020randaugment
    .. [2] hendrycks2020augmix

    Examples
    --------
    >>> images = np.linspace(0, 1, 32, dtype="float32").reshape(2, 4, 4, 1)
    >>> augment(images, "geometric", seed=0, degrees=0, shift=0).shape
    (2, 4, 4, 1)
    """
    functions = {"none": none, "geometric": geometric, "randaugment": randaugment, "augmix": augmix}
    if name not in functions:
        raise ValueError(f"augmentation: found {name!r}, expected one of {', '.join(NAMES)}")
    return functions[name](images, seed=seed, **options)


def none(images, *, seed=0):
    """The images as they are."""
    return np.asarray(images, dtype=np.float32)


def geometric(images, *, seed, degrees=15.0, shift=0.08, flip=True):
    """Turn by up to `degrees`, shift by up to a share of the side and mirror, all in one interpolation."""
    rng = np.random.default_rng(seed)
    n, height, width = images.shape[:3]
    angle = np.deg2rad(rng.uniform(-degrees, degrees, n))
    move = rng.uniform(-shift, shift, (2, n)) * [[width], [height]]
    signs = rng.choice([-1, 1], (2, n)) if flip else np.ones((2, n))
    return _affine(images, angle, move, signs)


def _affine(images, angle, move, signs):
    """Look up output pixel (x, y) at R S (p - c) + c + move, c being the centre."""
    height, width = images.shape[1:3]
    cx, cy = (width - 1) / 2, (height - 1) / 2
    a, b = np.cos(angle) * signs[0], -np.sin(angle) * signs[1]
    c, d = np.sin(angle) * signs[0], np.cos(angle) * signs[1]
    right, down = cx + move[0] - a * cx - b * cy, cy + move[1] - c * cx - d * cy
    rows = np.stack([a, b, right, c, d, down, 0 * a, 0 * a], axis=1).astype(np.float32)
    options = {"interpolation": "bilinear", "fill_mode": "reflect"}
    moved = keras.ops.image.affine_transform(none(images), rows, **options)
    return np.clip(keras.ops.convert_to_numpy(moved), 0, 1)


def randaugment(images, *, seed, operations=2, strength=0.5):
    """Apply a few operations to each image, drawn for it from ten (cubuk2020randaugment)."""
    rng = np.random.default_rng(seed)
    layers = _operations(strength)
    for _ in range(operations):
        images = _each(images, rng.integers(len(layers), size=len(images)), layers, rng)
    return images


def augmix(images, *, seed, chains=3, depth=3, strength=0.3, alpha=1.0):
    """Mix each image with chains of operations drawn for it (hendrycks2020augmix); defaults are Keras's."""
    rng = np.random.default_rng(seed)
    layers = _operations(strength)[:7]  # AugMix leaves out what its test corruptions resemble
    n = len(images)
    share = rng.dirichlet(np.full(chains, alpha), n).astype(np.float32)
    kept = rng.beta(alpha, alpha, (n, 1, 1, 1)).astype(np.float32)
    mixed = np.zeros(images.shape, np.float32)
    for chain in range(chains):
        length, changed = rng.integers(1, depth + 1, n), images
        for step in range(depth):
            chosen = np.where(step < length, rng.integers(len(layers), size=n), -1)
            changed = _each(changed, chosen, layers, rng)
        mixed += share[:, chain, None, None, None] * changed
    return np.clip(kept * images + (1 - kept) * mixed, 0, 1)


@functools.cache
def _operations(strength):
    """Keras's operations, each with its own seed generator; the first seven are AugMix's."""
    bits, unit, layers = max(1, int(8 * strength)), {"value_range": (0, 1)}, keras.layers
    return (
        layers.RandomShear(strength, strength, seed=0),
        layers.RandomTranslation(strength, strength, seed=0),
        layers.RandomRotation(strength, seed=0),
        layers.Solarization(strength, strength, **unit, seed=0),
        layers.RandomPosterization(bits, **unit, seed=0),
        layers.AutoContrast(**unit),
        layers.Equalization(**unit),
        layers.RandomBrightness(strength, **unit, seed=0),
        layers.RandomContrast(strength, **unit, seed=0),
        layers.RandomSharpness(strength, **unit, seed=0),
    )


def _each(images, chosen, layers, rng):
    """Apply to each image the layer chosen for it; -1 leaves it as it is."""
    changed = np.array(images, dtype=np.float32)
    for i, layer in enumerate(layers):
        seed, rows = rng.integers(2**31), np.flatnonzero(chosen == i)
        if rows.size:
            if hasattr(layer, "generator"):
                layer.generator.state.assign([seed, 0])
            result = keras.ops.convert_to_numpy(layer(changed[rows], training=True))
            changed[rows] = np.clip(result, 0, 1)
    return changed


def test_time(images):
    """The five test-time views of images (n, H, W, 1), in the order of ``TRANSFORMS``: (5, n, H, W, 1)."""
    still, ones = np.zeros((2, len(images))), np.ones((2, len(images)))
    turned = [_affine(images, np.full(len(images), np.deg2rad(d)), still, ones) for d in (10, -10)]
    return np.stack([none(images), none(images[:, :, ::-1]), none(images[:, ::-1]), *turned])


def combine(y_prob, how):
    """Combine probabilities (views, n, n_classes) over views: by "mode", the report's votes, or "mean"."""
    if how not in ("mode", "mean"):
        raise ValueError(f"how: found {how!r}, expected mode or mean")
    mean = y_prob.mean(axis=0)
    if how == "mean":
        return mean
    votes = np.eye(y_prob.shape[2])[y_prob.argmax(axis=2)].mean(axis=0)
    tied = votes + 1e-6 * mean  # equal votes are parted by the mean, by less than a vote's weight
    return tied / tied.sum(axis=1, keepdims=True)


def turn(images, *, seed, shift=0.06, grey=0.1):  # grey: sd of contrast, and twice that of brightness
    """Turn by quarters, mirror, shift (up to a share of the side) and re-grade square images, no scaling."""
    rng = np.random.default_rng(seed)
    side, most = images.shape[1], round(shift * images.shape[1])
    moves, turns = rng.integers(-most, most + 1, (len(images), 2)), rng.integers(8, size=len(images))
    gain, offset = rng.normal(1, grey, len(images)), rng.normal(0, grey / 2, len(images))
    out = np.empty(images.shape, dtype=np.float32)
    for image, (down, right), k, a, b, changed in zip(images, moves, turns, gain, offset, out, strict=True):
        rows, columns = (np.clip(np.arange(side) + move, 0, side - 1) for move in (down, right))
        moved = np.rot90(image[np.ix_(rows, columns)], k % 4)
        changed[:] = a * (moved[:, ::-1] if k > 3 else moved) + b
    return np.clip(out, 0, 1)
