"""LIME for grey images: which pieces of a picture a network's answer hangs on.

The `lime` package explains an answer by switching pieces of the picture off at random and
fitting a line to how the probability moves. Here it gets pieces that suit grey CT, a fixed
random state, and batches of pictures made at once; the sampling, the weights and the fit are
its own. A piece that is off shows the blurred image: the package's default, the piece's own
mean, would leave a nodule of even grey as it is.
"""

from dataclasses import dataclass

import numpy as np

PIECES, SAMPLES = 80, 400
BLUR = 0.1  # part of the side, as in lungcls.metrics.localisation.curves
SMOOTH = 0.5  # pixels: noise would tear the pieces apart, and torn ones are merged


@dataclass(frozen=True)
class Pieces:
    """What LIME says of one image.

    Attributes
    ----------
    segments : ndarray of shape (H, W), int
        The piece of each pixel, from 0 on.
    weights : ndarray of shape (n_pieces,), float
        How much the probability rises with each piece; below 0 it falls.
    fit : float
        How much of the movement the line explains (R squared, weighted by nearness).
    """

    segments: np.ndarray
    weights: np.ndarray
    fit: float

    @property
    def map(self):
        """ndarray of shape (H, W): the weights in their places."""
        return self.weights[self.segments]

    def best(self, k=5):
        """Mark the pieces that speak most for the class.

        Parameters
        ----------
        k : int, default 5

        Returns
        -------
        ndarray of shape (H, W), bool
            At most `k` pieces, those of weights above 0.
        """
        order = [piece for piece in np.argsort(-self.weights, kind="stable")[:k] if self.weights[piece] > 0]
        return np.isin(self.segments, order)


def segment(image, *, pieces=PIECES, compactness=0.3):
    """Cut a grey image into pieces of like grey (SLIC) [1]_.

    Parameters
    ----------
    image : ndarray of shape (H, W), float in [0, 1]
    pieces : int, default 80
        About so many.
    compactness : float, default 0.3
        The larger, the squarer; with this one a piece may lie in a small nodule alone.

    Returns
    -------
    ndarray of shape (H, W), int
        From 0 on, without gaps.

    Raises
    ------
    ValueError
        If the image is not (H, W) or `pieces` is below 2.

    References
    ----------
    .. [1] achanta2012
    """
    from skimage.segmentation import slic

    image = np.asarray(image, dtype=float)
    if image.ndim != 2 or pieces < 2:
        raise ValueError(
            f"image, pieces: found shape {image.shape} and {pieces}, expected (H, W) and 2 or more"
        )
    found = slic(
        image, n_segments=pieces, compactness=compactness, sigma=SMOOTH, channel_axis=None, start_label=0
    )
    return np.unique(found, return_inverse=True)[1].reshape(image.shape)


def explain(
    predict,
    images,
    classes,
    *,
    seed,
    pieces=PIECES,
    samples=SAMPLES,
    hide="blur",
    batch_size=128,
    progress=False,
):
    """Explain what a network says of images [1]_.

    Parameters
    ----------
    predict : callable
        From images (m, H, W, 1) to probabilities (m, n_classes).
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]
    classes : ndarray of shape (n,), int
        Whose probability.
    seed : int
        Of which pieces are switched off; same seed, same result.
    pieces : int, default 80
        As in :func:`segment`.
    samples : int, default 400
        Pictures that the network is asked about, for each image.
    hide : "blur", float or None, default "blur"
        What stands in place of a piece that is off: the image smoothed over ``BLUR`` of its
        side, one grey level, or, as in the package, the piece's own mean.
    batch_size : int, default 128
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    list of Pieces

    Raises
    ------
    ValueError
        If the images are not (n, H, W, 1), or `classes` does not fit.

    References
    ----------
    .. [1] ribeiro2016
    """
    from tqdm.auto import tqdm

    if np.ndim(images) != 4 or np.shape(images)[-1] != 1 or len(classes) != len(images):
        raise ValueError(
            f"images: found shape {np.shape(images)} and {len(classes)} classes, "
            "expected (n, H, W, 1) and a class each"
        )
    explainer, found = _explainer(hide == "blur"), []
    for image, label in zip(tqdm(images, desc="LIME", disable=not progress), np.asarray(classes).tolist()):
        said = explainer(random_state=seed).explain_instance(
            np.asarray(image[..., 0], dtype=float),
            predict,
            labels=(label,),
            top_labels=None,
            num_samples=samples,
            batch_size=batch_size,
            hide_color=None if hide == "blur" else hide,
            segmentation_fn=lambda colours: segment(colours[..., 0], pieces=pieces),
        )
        weights = np.zeros(said.segments.max() + 1)
        for piece, weight in said.local_exp[label]:
            weights[piece] = weight
        fit = said.score[label] if isinstance(said.score, dict) else said.score
        found.append(Pieces(said.segments, weights, float(fit)))
    return found


def _explainer(blur):
    """Return the package's explainer, making its pictures a batch at a time instead of one by one."""
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
