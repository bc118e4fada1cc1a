"""LIME for grey images: which pieces of a picture a network's answer hangs on.

The `lime` package explains an answer by switching pieces of the picture off at random and
fitting a line to how the probability moves. Here it gets pieces that suit grey CT, a fixed
random state, and batches of pictures; the sampling, the weights and the fit are its own. A piece
that is off shows the blurred image: the package's default, the piece's own mean, would leave a
nodule of even grey as it is.
"""

from dataclasses import dataclass

import numpy as np

PIECES, SAMPLES = 80, 400
BLUR = 0.1  # part of the side, as in lungcls.metrics.localisation.curves
SMOOTH = 0.5  # pixels: noise would tear the pieces apart, and torn ones are merged


@dataclass(frozen=True)
class Pieces:
    """What LIME says of one image, as :func:`lime_pieces` asks it."""

    segments: np.ndarray  # (H, W), int: the piece of each pixel, from 0 on
    weights: np.ndarray  # (n_pieces,), float: how much the probability rises with each; below 0 it falls
    fit: float  # how much of the movement the line explains (R squared, weighted by nearness)

    @property
    def map(self):
        """ndarray of shape (H, W): the weights in their places."""
        return self.weights[self.segments]


def segment(image, *, pieces=PIECES, compactness=0.3):
    """Number the pieces (SLIC) of an image (H, W) in [0, 1] from 0 on, without gaps: (H, W), int."""
    from skimage.segmentation import slic

    image = np.asarray(image, dtype=float)
    if image.ndim != 2 or pieces < 2:
        found = f"found shape {image.shape} and {pieces}"
        raise ValueError(f"image, pieces: {found}, expected (H, W) and 2 or more")
    grey = {"sigma": SMOOTH, "channel_axis": None, "start_label": 0}
    found = slic(image, n_segments=pieces, compactness=compactness, **grey)  # the larger, the squarer
    return np.unique(found, return_inverse=True)[1].reshape(image.shape)


def lime_pieces(
    predict, images, classes, *, seed, pieces=PIECES, samples=SAMPLES, hide="blur", batch=128, progress=False
):
    """Explain by LIME what a network says of images.

    See [1]_.

    Parameters
    ----------
    predict : callable
        From images (m, H, W, 1) to probabilities (m, n_classes), see
        :func:`lungcls.explain.explanation.predictor`.
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]
    classes : sequence of shape (n,), int
        Whose probability, as columns of what `predict` gives.
    seed : int
        Of which pieces are switched off.
    pieces : int, default 80
        About so many, of like grey (SLIC [2]_).
    samples : int, default 400
        Pictures that `predict` is asked about for each image, `batch` at once.
    hide : "blur", float or None, default "blur"
        What stands in place of a piece that is off: the smoothed image, one grey level, or,
        as in the package, the piece's own mean.
    batch, progress : int, default 128, and bool, default False

    Returns
    -------
    list of Pieces
        Of each image `segments` and `map` (H, W), `weights` (n_pieces,) and `fit`.

    Raises
    ------
    ValueError
        If the images are not (n, H, W, 1), or `classes` does not fit.

    References
    ----------
    .. [1] ribeiro2016
    .. [2] achanta2012

    Examples
    --------
    >>> images = np.zeros((1, 16, 16, 1), np.float32)
    >>> images[:, 4:10, 4:10] = 1
    >>> def predict(batch):  # a network that sees one square only
    ...     inside = batch[:, 4:10, 4:10, 0].mean(axis=(1, 2))
    ...     return np.stack([1 - inside, inside], axis=1)
    >>> found = lime_pieces(predict, images, [1], seed=0, pieces=8, samples=50)[0]
    >>> bool(found.map[6, 6] > found.map[0, 0])
    True
    """
    from tqdm.auto import tqdm

    if np.ndim(images) != 4 or np.shape(images)[-1] != 1 or len(classes) != len(images):
        seen = f"found shape {np.shape(images)} and {len(classes)} classes"
        raise ValueError(f"images: {seen}, expected (n, H, W, 1) and a class each")
    explainer, found = _explainer(hide == "blur"), []
    options = {"top_labels": None, "num_samples": samples, "batch_size": batch}
    options |= {"hide_color": None if hide == "blur" else hide}
    options |= {"segmentation_fn": lambda colours: segment(colours[..., 0], pieces=pieces)}
    pairs = zip(images, np.asarray(classes).tolist(), strict=True)
    for image, label in tqdm(pairs, total=len(images), desc="LIME", disable=not progress):
        grey = np.asarray(image[..., 0], dtype=float)
        one = explainer(random_state=seed).explain_instance(grey, predict, labels=(label,), **options)
        weights = np.array([weight for _, weight in sorted(one.local_exp[label])])  # by piece
        found.append(Pieces(one.segments, weights, float(one.score)))
    return found


def _explainer(blur):
    """The package's explainer, making its pictures a batch at a time instead of one by one."""
    from lime.lime_image import LimeImageExplainer
    from scipy.ndimage import gaussian_filter

    class Explainer(LimeImageExplainer):
        def data_labels(self, image, fudged_image, segments, classifier_fn, num_samples, batch_size=10, **_):
            number = int(segments.max()) + 1
            data = self.random_state.randint(0, 2, num_samples * number).reshape(num_samples, number)
            data[0] = 1  # the image itself, as the package has it
            plain, hidden = image[..., 0], fudged_image[..., 0]
            hidden = gaussian_filter(plain, [BLUR * side for side in plain.shape]) if blur else hidden
            labels = [
                classifier_fn(np.where(part[:, segments], plain, hidden)[..., None].astype(np.float32))
                for part in np.split(data, range(batch_size, num_samples, batch_size))
            ]
            return data, np.concatenate(labels)

    return Explainer
