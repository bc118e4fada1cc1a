"""Look for unusual images: latent vectors, PCA, Isolation Forest, and how stable all this is.

As in the report: an autoencoder learns to copy the images through a short vector, the
decoder is dropped, and an Isolation Forest looks for vectors that stand apart. Nothing is
removed from a cohort here.
"""

from collections import namedtuple
from functools import cache
from itertools import combinations

import numpy as np

from lungcls.models.backend import import_keras
from lungcls.preprocessing.pixel_contract import check_pixel_contract

LEAST = 10  # images below which "unusual" has no meaning
LEARNING_RATE = 2e-3  # ours: the report gives nothing about its autoencoder
BATCH = 256  # images that one pass through the trained network holds in memory


# What an autoencoder learnt: vectors (n, latent_size), float32; error (n,), float32, the mean squared
# difference between an image and its copy; loss (epochs,), float64, its mean while training; copies
# (n, H, W, 1), float32.
Latent = namedtuple("Latent", ["vectors", "error", "loss", "copies"])


def fit_latent(images, *, latent_size=32, epochs=20, batch_size=32, seed=0, progress=False):
    """Train an autoencoder on images and return their latent vectors.

    See [1]_.

    Parameters
    ----------
    images : ndarray of shape (n >= 10, H, H, 1), float32 in [0, 1], H a multiple of 8
    latent_size, epochs, batch_size : int, default 32, 20 and 32
    seed : int, default 0
        Of the initial weights and the order of the images. That of NumPy, Python and Keras is set to it.
    progress : bool, default False

    Returns
    -------
    Latent
        `vectors` (n, latent_size), `error` (n,), `loss` (epochs,) and `copies` of the images.

    Raises
    ------
    ValueError
        If the images are too few, not square or break the pixel contract, or an option is wrong.

    References
    ----------
    .. [1] hinton2006

    Examples
    --------
    >>> images = np.random.default_rng(0).random((12, 8, 8, 1)).astype(np.float32)
    >>> found = fit_latent(images, latent_size=2, epochs=1)
    >>> found.vectors.shape, found.error.shape
    ((12, 2), (12,))
    """
    check_pixel_contract(images)
    if len(images) < LEAST:
        raise ValueError(f"images: found {len(images)}, expected at least {LEAST}")
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"images: found {images.shape[1]} x {images.shape[2]} pixels, expected square ones")
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"found epochs {epochs} and batch_size {batch_size}, expected 1 or more of each")
    keras = import_keras()
    from tqdm.keras import TqdmCallback

    model = _untrained(keras, images.shape[1], latent_size, seed)
    shown = [TqdmCallback(verbose=0, desc="autoencoder")] if progress else []
    fitted = model.fit(images, images, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=shown)
    vectors, copies = _encode(keras, model, images)
    error = np.square(copies - images).mean(axis=(1, 2, 3))
    return Latent(vectors, error, np.array(fitted.history["loss"]), copies)


@cache
def _compiled(image_size, latent_size):
    """A network whose graph is built once, and the state of its optimizer before the first step."""
    from keras.optimizers import Adam

    from lungcls.models.networks import autoencoder

    model, start = autoencoder(image_size, latent_size), {}
    model.compile(optimizer=Adam(LEARNING_RATE), loss="mse")
    model.optimizer.build(model.trainable_variables)
    model.optimizer.save_own_variables(start)
    return model, start


def _untrained(keras, image_size, latent_size, seed):
    """That network as the seed would have made it: building its graph takes longer than a short training."""
    from lungcls.models.networks import autoencoder

    model, start = _compiled(image_size, latent_size)
    keras.utils.set_random_seed(seed)
    model.set_weights(autoencoder(image_size, latent_size).get_weights())
    model.optimizer.load_own_variables(start)
    return model


def _encode(keras, model, images):
    """Latent vectors and copies of images, batch by batch: no graph is built for one pass."""
    both = keras.Model(model.input, [model.get_layer("latent").output, model.output])
    parts = [both(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    joined = (keras.ops.concatenate(found) for found in zip(*parts, strict=True))
    return tuple(keras.ops.convert_to_numpy(found) for found in joined)


def project(vectors, *, components=2):
    """Principal components of vectors (n, d): centred points (n, components), and the variance's shares."""
    from sklearn.decomposition import PCA

    vectors = np.asarray(vectors, dtype=float)
    if min(vectors.shape) < components:
        expected = f"at least {components} by {components}"
        raise ValueError(f"vectors: found shape {vectors.shape}, expected {expected}")
    # the sign of a component is fixed: its largest loading is positive
    pca = PCA(components, svd_solver="full").fit(vectors)
    return pca.transform(vectors), pca.explained_variance_ratio_


def isolation_scores(vectors, *, seed=0, trees=200):
    """Score how easily each vector is isolated by random cuts, by an Isolation Forest.

    See [1]_.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float
    seed : int, default 0
    trees : int, default 200

    Returns
    -------
    ndarray of shape (n,), float64 in (0, 1)
        The anomaly score: the higher, the more unusual.

    References
    ----------
    .. [1] liu2008

    Examples
    --------
    >>> vectors = np.random.default_rng(0).normal(size=(50, 3))
    >>> vectors[42] = 12
    >>> int(isolation_scores(vectors, trees=20).argmax())
    42
    """
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=trees, random_state=seed).fit(vectors)
    return -forest.score_samples(vectors)


def most_unusual(scores, k):
    """Rows of the k highest scores (n,), highest first, of equals the first row first."""
    if not 1 <= k <= len(scores):
        raise ValueError(f"k: found {k}, expected 1 to {len(scores)}")
    return np.argsort(-np.asarray(scores), kind="stable")[:k]


# How far several runs name the same images, means over pairs: the share of the k most unusual ones in common,
# the share that two random choices of k have in common on average (k / n), and Spearman's over all images.
Agreement = namedtuple("Agreement", ["overlap", "chance", "rank_correlation", "pairs"])


def agreement(runs, *, k):
    """Compare the scores (n_runs, n) that several runs give to the same images, k of them being unusual."""
    from scipy.stats import spearmanr

    runs = np.asarray(runs)
    if runs.ndim != 2 or len(runs) < 2:
        raise ValueError(f"runs: found shape {runs.shape}, expected at least two rows of scores")
    chosen = [set(most_unusual(scores, k)) for scores in runs]
    shares = [len(a & b) / k for a, b in combinations(chosen, 2)]
    ranks = [spearmanr(a, b).statistic for a, b in combinations(runs, 2)]
    return Agreement(float(np.mean(shares)), k / runs.shape[1], float(np.mean(ranks)), len(shares))
