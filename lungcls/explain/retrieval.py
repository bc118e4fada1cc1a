"""Retrieval: the cases whose images a network describes alike.

A case is described by its *embedding*, what the last layer of a network is given to judge. A
*query* is compared with every case of a *gallery*; a case of the query's own patient never
counts. The search is exact: no index, no approximation.

Arrays of distances have a row a query and a column a case of the gallery. What a retrieval is
worth is for :mod:`lungcls.metrics.retrieval` to say.
"""

import numpy as np
import pandas as pd

from lungcls.errors import InputError
from lungcls.metrics import ratings
from lungcls.runs import prediction
from lungcls.sources import annotations

BATCH = 256  # queries at a time
DESCRIBED = ("texture", "margin", "spiculation", "sphericity")  # what readers say of a nodule, 1..5


# --- Embeddings -------------------------------------------------------------------------


def embed(model, images, *, batch_size=128):
    """Give what the last layer of a network is given to judge.

    Parameters
    ----------
    model : keras.Model
        Of :mod:`lungcls.models`, with a layer ``logits``.
    images : array of shape (n, H, W, 1), float32 in [0, 1]
    batch_size : int, default 128

    Returns
    -------
    ndarray of shape (n, d), float32

    Raises
    ------
    ValueError
        If the network has no layer of that name.
    """
    import keras

    judged = model.get_layer("logits").input
    body, found = keras.Model(model.input, judged), []
    for start in range(0, len(images), batch_size):  # one pass: tracing a graph would take longer
        rows = np.arange(start, min(start + batch_size, len(images)))
        batch = np.asarray(images[rows], dtype=np.float32)
        found.append(keras.ops.convert_to_numpy(body(batch, training=False)))
    return np.concatenate(found)


def embed_run(run, cohort):
    """Give the embeddings of a cohort's cases by a stored run.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort

    Returns
    -------
    ndarray of shape (n, d), float32

    Raises
    ------
    InputError
        As :func:`lungcls.runs.prediction.images_of` and :func:`lungcls.runs.prediction.open_model`.
    """
    images = prediction.images_of(run, cohort)
    return embed(prediction.open_model(run), images)


# --- Search -----------------------------------------------------------------------------


def cosine_distances(queries, gallery):
    """Compare the directions of vectors: 1 less the cosine of their angle.

    Parameters
    ----------
    queries : ndarray of shape (n, d), float
    gallery : ndarray of shape (m, d), float

    Returns
    -------
    ndarray of shape (n, m), float32 in [0, 2]
        1 from a vector of zeros to any other.

    Raises
    ------
    ValueError
        If a number is not finite, or shapes do not fit.
    """
    return _apart(*_checked("queries", queries), *_checked("gallery", gallery))


def _checked(name, vectors):
    """Vectors and their lengths; that of a vector of zeros is given as 1."""
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2:
        raise ValueError(f"{name}: found shape {vectors.shape}, expected (n, d)")
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    if not np.isfinite(lengths).all():
        raise ValueError(f"{name}: found a number that is not finite or too large, expected finite numbers")
    return vectors, np.where(lengths > 0, lengths, 1)


def _apart(queries, query_lengths, gallery, gallery_lengths):
    """Distances, in the array of the products: the gallery is not copied."""
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(f"gallery: found vectors of {gallery.shape[1]} numbers, expected {queries.shape[1]}")
    found = (queries / query_lengths[:, None]) @ gallery.T
    found /= gallery_lengths
    return np.clip(np.subtract(1, found, out=found), 0, 2, out=found)


def other_patients(query_patients, gallery_patients):
    """Say which cases of a gallery may be retrieved: those of other patients.

    Parameters
    ----------
    query_patients : sequence of shape (n,)
    gallery_patients : sequence of shape (m,)

    Returns
    -------
    ndarray of shape (n, m), bool
    """
    return np.not_equal.outer(*_numbered(query_patients, gallery_patients))


def _numbered(first, second):
    """Whole numbers for names: far faster to compare."""
    numbers = np.unique(np.concatenate([first, second]), return_inverse=True)[1].astype(np.int32)
    return numbers[: len(first)], numbers[len(first) :]


def ranked(distances, *, allowed=None, k=None):
    """Order the gallery for each query, nearest first; of equals the first row first.

    Parameters
    ----------
    distances : ndarray of shape (n, m), float
        NaN is never retrieved.
    allowed : ndarray of shape (n, m), bool, optional
    k : int, at least 1, optional
        Only so many; all by default.

    Returns
    -------
    rows : ndarray of shape (n, min(k, m)), int
        Rows of the gallery; -1 where there are no more.
    nearest : ndarray of the same shape, float
        Their distances; NaN where there are no more.

    Raises
    ------
    ValueError
        If a shape does not fit or `k` is below 1.
    """
    distances = np.asarray(distances)
    if distances.ndim != 2 or (allowed is not None and np.shape(allowed) != distances.shape):
        raise ValueError(
            f"distances, allowed: found shapes {distances.shape} and {np.shape(allowed)}, "
            "expected (n, m) of both"
        )
    if k is not None and k < 1:
        raise ValueError(f"k: found {k}, expected 1 or more")
    barred = np.isnan(distances) if allowed is None else np.isnan(distances) | ~allowed
    if barred.any():
        distances = np.where(barred, np.inf, distances)
    if k is None or k >= distances.shape[1]:
        rows = np.argsort(distances, axis=1, kind="stable")
    else:
        limits = np.partition(distances, k - 1, axis=1)[:, k - 1]
        rows = np.stack([_nearest(*pair, k) for pair in zip(distances, limits)])
    nearest = np.take_along_axis(distances, rows, axis=1)
    missing = np.isinf(nearest)
    return np.where(missing, -1, rows), np.where(missing, np.nan, nearest)


def _nearest(distances, limit, k):
    """The k nearest of one query, given the distance of the last of them."""
    near = np.flatnonzero(distances <= limit)
    return near[np.argsort(distances[near], kind="stable")][:k]


def search(queries, gallery, *, k, query_patients=None, gallery_patients=None, batch=BATCH):
    """Find the k nearest cases of each query by cosine distance, exactly, in batches.

    Parameters
    ----------
    queries : ndarray of shape (n, d), float
    gallery : ndarray of shape (m, d), float
    k : int, at least 1
    query_patients, gallery_patients : sequence of shape (n,) and (m,), optional
        Cases of the query's own patient are left out.
    batch : int, default 256
        Queries at a time: memory grows with ``batch * m`` and not with n.

    Returns
    -------
    rows, nearest
        As :func:`ranked`.

    Raises
    ------
    ValueError
        As :func:`cosine_distances` and :func:`ranked`, or if only one side has patients.
    """
    if (query_patients is None) != (gallery_patients is None):
        raise ValueError("patients: found those of one side, expected them of both or of neither")
    (queries, lengths), gallery, found = _checked("queries", queries), _checked("gallery", gallery), []
    if query_patients is not None:
        query_patients, gallery_patients = _numbered(query_patients, gallery_patients)
    for start in range(0, len(queries), batch):
        part, allowed = slice(start, start + batch), None
        if query_patients is not None and np.isin(query_patients[part], gallery_patients).any():
            allowed = np.not_equal.outer(query_patients[part], gallery_patients)
        found.append(ranked(_apart(queries[part], lengths[part], *gallery), allowed=allowed, k=k))
    return tuple(np.concatenate(parts) for parts in zip(*found))


# --- What is known of a case --------------------------------------------------------------


def properties(run, cohort):
    """Gather what is known of each case: size, what readers say, and how bright it is.

    Parameters
    ----------
    run : lungcls.runs.store.Run
        Its images are measured.
    cohort : Cohort

    Returns
    -------
    known : DataFrame of float
        `diameter` (logarithm of mm), the columns of :func:`described`, and `grey level`.
    missing : dict of str to str
        Why there are no others.

    Raises
    ------
    InputError
        If the cohort lacks the run's view.
    """
    known, missing, images = pd.DataFrame(index=range(len(cohort))), {}, prediction.images_of(run, cohort)
    if "diameter_mm" in cohort.cases:
        known["diameter"] = np.log(cohort.cases["diameter_mm"].astype(float))
    else:
        missing["diameter"] = f"{cohort.name}: no column diameter_mm in cases.csv"
    try:
        known = known.join(described(cohort.cases))
    except InputError as error:
        missing |= dict.fromkeys(DESCRIBED, str(error))
    try:
        known["grey level"] = grey_inside(images, prediction.masks_of(run, cohort))
    except InputError as error:
        missing["grey level"] = str(error)
    return known, missing


def described(cases):
    """Give what readers say of nodules, the mean over the readers of each.

    Parameters
    ----------
    cases : DataFrame
        `case_id`, `patient_id`, and the columns of ``DESCRIBED``, readers' scores 1..5
        separated by spaces. Where these are missing they are those of the annotation index,
        for cases that have the id, the patient and, if there are, the `ratings` of its
        :func:`lungcls.sources.annotations.report_cases`.

    Returns
    -------
    DataFrame of float, in the order of `cases`
        The columns of ``DESCRIBED``; NaN where nothing is known.

    Raises
    ------
    InputError
        If nothing is known of any case, or a text holds anything but scores.
    """
    names = list(DESCRIBED)
    keys = [name for name in ("case_id", "patient_id", "ratings") if name in cases]
    if not set(names) <= set(cases):
        cases = cases[keys].merge(annotations.report_cases()[keys + names], on=keys, how="left")
    if cases[names].isna().all(axis=None):
        raise InputError(
            f"cases: found no readers' {', '.join(names)}, expected these columns in cases.csv "
            "or cases of the annotation index"
        )
    panels = {name: ratings.parse_ratings(cases[name].fillna("")) for name in names}
    return pd.DataFrame(
        {name: [panel.mean() if len(panel) else np.nan for panel in found] for name, found in panels.items()}
    )


def grey_inside(images, masks):
    """Measure the mean grey level of nodules.

    Parameters
    ----------
    images : array of shape (n, H, W, 1), float
        As :func:`lungcls.runs.prediction.images_of` gives them.
    masks : ndarray of shape (n, H, W, 1), bool
        As :func:`lungcls.runs.prediction.masks_of` gives them.

    Returns
    -------
    ndarray of shape (n,), float
        NaN where a mask is empty.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if tuple(images.shape) != masks.shape:
        raise ValueError(f"masks: found shape {masks.shape}, expected {tuple(images.shape)}")
    inside, means = masks.sum(axis=(1, 2, 3)), np.full(len(masks), np.nan)
    for start in range(0, len(masks), BATCH):
        rows = np.arange(start, min(start + BATCH, len(masks)))
        total = (images[rows] * masks[rows]).sum(axis=(1, 2, 3), dtype=float)
        np.divide(total, inside[rows], out=means[start : start + BATCH], where=inside[rows] > 0)
    return means
