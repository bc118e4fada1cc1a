"""Look for unusual images: latent vectors, PCA, Isolation Forest, and how stable all this is.

As in the report: an autoencoder learns to copy the images through a short vector, the
decoder is dropped, and an Isolation Forest looks for vectors that stand apart. Nothing is
removed from a cohort here.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

from lungcls.models.backend import import_keras
from lungcls.preprocessing.pixel_contract import check_pixel_contract

LEAST = 10  # images below which "unusual" has no meaning
LEARNING_RATE = 2e-3  # ours: the report gives nothing about its autoencoder
BATCH = 256  # images that one pass through the trained network holds in memory


@dataclass(frozen=True)
class Latent:
    """What an autoencoder learnt about a set of images.

    Attributes
    ----------
    vectors : ndarray of shape (n, latent_size), float32
    error : ndarray of shape (n,), float32
        Mean squared difference between each image and its copy, in squared grey levels.
    loss : ndarray of shape (epochs,), float64
        Mean squared error over the images while training, one value an epoch.
    copies : ndarray of shape (n, H, W, 1), float32 in [0, 1]
    """

    vectors: np.ndarray
    error: np.ndarray
    loss: np.ndarray
    copies: np.ndarray


def fit_latent(images, *, latent_size=32, epochs=20, batch_size=32, seed=0, progress=False):
    """Train an autoencoder on images and return their latent vectors.

    Parameters
    ----------
    images : ndarray of shape (n, H, H, 1), float32 in [0, 1]
        At least 10; H is a multiple of 8.
    latent_size : int, default 32
    epochs : int, default 20
    batch_size : int, default 32
    seed : int, default 0
        Of the initial weights and the order of the images: same seed, same bits on one
        machine. The seed of NumPy, Python and Keras is set to it.
    progress : bool, default False
        Show a progress bar over the epochs.

    Returns
    -------
    Latent

    Raises
    ------
    ValueError
        If there are fewer than 10 images, or they break the pixel contract or are not
        square, or an option is wrong.

    References
    ----------
    .. [1] hinton2006
    """
    check_pixel_contract(images)
    if len(images) < LEAST:
        raise ValueError(f"images: found {len(images)}, expected at least {LEAST}")
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"images: found {images.shape[1]} x {images.shape[2]} pixels, expected square ones")
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"found epochs {epochs} and batch_size {batch_size}, expected 1 or more of each")
    keras = import_keras()
    model = _untrained(images.shape[1], latent_size, seed)
    shown = [_progress_bar(keras, epochs)] if progress else []
    fitted = model.fit(images, images, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=shown)
    vectors, copies = _encode(keras, model, images)
    error = np.square(copies - images).mean(axis=(1, 2, 3))
    return Latent(vectors, error, np.array(fitted.history["loss"]), copies)


@cache
def _compiled(image_size, latent_size):
    """A network whose graph is built once, and the state of its optimizer before the first step."""
    from keras.ops import convert_to_numpy
    from keras.optimizers import Adam

    from lungcls.models.networks import autoencoder

    model = autoencoder(image_size, latent_size)
    model.compile(optimizer=Adam(LEARNING_RATE), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model, [convert_to_numpy(variable) for variable in model.optimizer.variables]


def _untrained(image_size, latent_size, seed):
    """That network as the seed would have made it: building its graph takes longer than a short training."""
    from keras.utils import set_random_seed

    from lungcls.models.networks import autoencoder

    model, start = _compiled(image_size, latent_size)
    set_random_seed(seed)
    model.set_weights(autoencoder(image_size, latent_size).get_weights())
    for variable, value in zip(model.optimizer.variables, start):
        variable.assign(value)
    return model


def _encode(keras, model, images):
    """Latent vectors and copies of images, batch by batch: no graph is built for one pass."""
    both = keras.Model(model.input, [model.get_layer("latent").output, model.output])
    parts = [both(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    vectors, copies = ([keras.ops.convert_to_numpy(part) for part in found] for found in zip(*parts))
    return np.concatenate(vectors), np.concatenate(copies)


def _progress_bar(keras, epochs):
    from tqdm import tqdm

    bar = tqdm(total=epochs, desc="autoencoder")
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: bar.update(), on_train_end=lambda logs: bar.close()
    )


def project(vectors, *, components=2):
    """Project latent vectors on their first principal components.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float
    components : int, default 2

    Returns
    -------
    points : ndarray of shape (n, components), float64
        Centred. The sign of each component is fixed: its largest loading is positive.
    explained : ndarray of shape (components,), float64 in [0, 1]
        Share of the variance along each component.

    Raises
    ------
    ValueError
        If there are fewer vectors or dimensions than components.

    References
    ----------
    .. [1] jolliffe2016
    """
    from sklearn.decomposition import PCA

    vectors = np.asarray(vectors, dtype=float)
    if min(vectors.shape) < components:
        expected = f"at least {components} by {components}"
        raise ValueError(f"vectors: found shape {vectors.shape}, expected {expected}")
    pca = PCA(components, svd_solver="full").fit(vectors)
    return pca.transform(vectors), pca.explained_variance_ratio_


def isolation_scores(vectors, *, seed=0, trees=200):
    """Score how easily each vector is isolated by random cuts.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float
    seed : int, default 0
    trees : int, default 200

    Returns
    -------
    ndarray of shape (n,), float64 in (0, 1)
        The anomaly score of the Isolation Forest: the higher, the more unusual.

    References
    ----------
    .. [1] liu2008
    """
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=trees, random_state=seed).fit(vectors)
    return -forest.score_samples(vectors)


def most_unusual(scores, k):
    """Return the rows of the k highest scores, highest first.

    Parameters
    ----------
    scores : ndarray of shape (n,), float
    k : int, 1 to n

    Returns
    -------
    ndarray of shape (k,), int
    """
    _check_k(k, len(scores))
    return np.argsort(-np.asarray(scores), kind="stable")[:k]


def most_typical(scores, k):
    """Return the rows of the k scores nearest to the median, nearest first.

    Parameters
    ----------
    scores : ndarray of shape (n,), float
    k : int, 1 to n

    Returns
    -------
    ndarray of shape (k,), int
    """
    _check_k(k, len(scores))
    return np.argsort(np.abs(scores - np.median(scores)), kind="stable")[:k]


@dataclass(frozen=True)
class Agreement:
    """How far several runs name the same images.

    Attributes
    ----------
    overlap : float in [0, 1]
        Share of the k most unusual images that two runs have in common, mean over pairs.
    chance : float in (0, 1]
        The share that two random choices of k have in common on average: k / n.
    rank_correlation : float in [-1, 1]
        Spearman's, over all images, mean over pairs.
    pairs : int
    """

    overlap: float
    chance: float
    rank_correlation: float
    pairs: int


def agreement(runs, *, k):
    """Compare the scores that several runs give to the same images.

    Parameters
    ----------
    runs : ndarray of shape (n_runs, n), float
        At least two runs.
    k : int, 1 to n
        How many images count as unusual.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        If there is one run only, or `k` is out of range.
    """
    from scipy.stats import spearmanr

    runs = np.asarray(runs)
    if runs.ndim != 2 or len(runs) < 2:
        raise ValueError(f"runs: found shape {runs.shape}, expected at least two rows of scores")
    _check_k(k, runs.shape[1])
    chosen = [set(most_unusual(scores, k)) for scores in runs]
    shares = [len(a & b) / k for a, b in combinations(chosen, 2)]
    ranks = [spearmanr(a, b).statistic for a, b in combinations(runs, 2)]
    return Agreement(float(np.mean(shares)), k / runs.shape[1], float(np.mean(ranks)), len(shares))


def _check_k(k, n):
    if not 1 <= k <= n:
        raise ValueError(f"k: found {k}, expected 1 to {n}")
