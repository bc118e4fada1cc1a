"""Change training images at random, and test images in five fixed ways.

Each augmentation is a function ``(images, seed) -> images``: what is drawn depends on the
seed alone, so that an interrupted run can be taken up where it stopped. Drawn anew for
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
    """
    functions = {"none": none, "geometric": geometric, "randaugment": randaugment, "augmix": augmix}
    if name not in functions:
        raise ValueError(f"augmentation: found {name!r}, expected one of {', '.join(NAMES)}")
    return functions[name](images, seed=seed, **options)


def none(images, *, seed=0):
    """Return the images as they are."""
    return np.asarray(images, dtype=np.float32)


def geometric(images, *, seed, degrees=15.0, shift=0.08, flip=True):
    """Turn, shift and mirror each image, in one interpolation.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]
    seed : int or sequence of int
    degrees : float, default 15
        Largest rotation either way.
    shift : float, default 0.08
        Largest translation either way, as a share of the side.
    flip : bool, default True
        Mirror left-right and up-down, each with probability 1/2.

    Returns
    -------
    ndarray of shape (n, H, W, 1), float32 in [0, 1]
        Bilinear; what enters from outside is the reflected image.
    """
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
    moved = keras.ops.image.affine_transform(
        np.asarray(images, dtype=np.float32), rows, interpolation="bilinear", fill_mode="reflect"
    )
    return np.clip(keras.ops.convert_to_numpy(moved), 0, 1)


def randaugment(images, *, seed, operations=2, strength=0.5):
    """Apply a few operations, drawn for each image from ten [1]_.

    The operations are those of ``keras.layers.RandAugment`` that mean something for one
    grey channel; that layer draws them once a batch, this function once an image.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]
    seed : int or sequence of int
    operations : int, default 2
        Operations in a row.
    strength : float in (0, 1], default 0.5
        Keras's default.

    Returns
    -------
    ndarray of shape (n, H, W, 1), float32 in [0, 1]

    References
    ----------
    .. [1] cubuk2020randaugment
    """
    rng = np.random.default_rng(seed)
    layers = _operations(strength)
    for _ in range(operations):
        images = _each(images, rng.integers(len(layers), size=len(images)), layers, rng)
    return images


def augmix(images, *, seed, chains=3, depth=3, strength=0.3, alpha=1.0):
    """Mix each image with chains of operations drawn for it [1]_.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]
    seed : int or sequence of int
    chains, depth : int, default 3
        Chains mixed; operations in a chain are drawn from 1 to `depth`.
    strength : float in (0, 1], default 0.3
        Keras's default.
    alpha : float, default 1
        Of the Dirichlet and beta distributions of the mixing weights.

    Returns
    -------
    ndarray of shape (n, H, W, 1), float32 in [0, 1]

    References
    ----------
    .. [1] hendrycks2020augmix
    """
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
    """Make the five versions of each image that are predicted on.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]

    Returns
    -------
    ndarray of shape (5, n, H, W, 1), float32 in [0, 1]
        In the order of ``TRANSFORMS``.
    """
    still, ones = np.zeros((2, len(images))), np.ones((2, len(images)))
    turned = [_affine(images, np.full(len(images), np.deg2rad(d)), still, ones) for d in (10, -10)]
    return np.stack([none(images), none(images[:, :, ::-1]), none(images[:, ::-1]), *turned])


def combine(y_prob, how):
    """Combine the predictions on the versions of an image.

    Parameters
    ----------
    y_prob : ndarray of shape (versions, n, n_classes), float in [0, 1]
    how : {"mode", "mean"}
        Each version's class is a vote, as in the report; or the probabilities are averaged.

    Returns
    -------
    ndarray of shape (n, n_classes), float
        Shares of the votes, or mean probabilities; its argmax is the prediction. Equal
        shares of votes are parted by the mean probability, by less than a vote's weight.

    Raises
    ------
    ValueError
        If `how` is neither.
    """
    if how not in ("mode", "mean"):
        raise ValueError(f"how: found {how!r}, expected mode or mean")
    mean = y_prob.mean(axis=0)
    if how == "mean":
        return mean
    votes = np.eye(y_prob.shape[2])[y_prob.argmax(axis=2)].mean(axis=0)
    tied = votes + 1e-6 * mean
    return tied / tied.sum(axis=1, keepdims=True)


def turn(images, *, seed, shift=0.06, grey=0.1):
    """Turn by quarters, mirror, move and re-grade images at random; sizes stay as they are.

    Parameters
    ----------
    images : ndarray of shape (n, H, H, 1), float32 in [0, 1]
    seed : int or sequence of int
    shift : float, default 0.06
        Largest move either way, as a share of the side; the outermost pixels are repeated.
    grey : float, default 0.1
        Standard deviation of a factor on the contrast; half of it, of a change in brightness.

    Returns
    -------
    ndarray of shape (n, H, H, 1), float32 in [0, 1]
    """
    rng = np.random.default_rng(seed)
    side, most = images.shape[1], round(shift * images.shape[1])
    moves, turns = rng.integers(-most, most + 1, (len(images), 2)), rng.integers(8, size=len(images))
    gain, offset = rng.normal(1, grey, len(images)), rng.normal(0, grey / 2, len(images))
    out = np.empty(images.shape, dtype=np.float32)
    for image, (down, right), k, a, b, changed in zip(images, moves, turns, gain, offset, out):
        rows, columns = (np.clip(np.arange(side) + move, 0, side - 1) for move in (down, right))
        moved = np.rot90(image[np.ix_(rows, columns)], k % 4)
        changed[:] = a * (moved[:, ::-1] if k > 3 else moved) + b
    return np.clip(out, 0, 1)
