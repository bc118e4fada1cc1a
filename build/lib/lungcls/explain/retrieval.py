"""Retrieval: the cases whose images a network describes in a similar way.

A case is described by its *embedding*, what the last layer of a network is given to judge. A
*query* is compared with every case of a *gallery*; a case of the query's own patient never
counts. The search is exact: no index, no approximation. What a retrieval is worth is for
:mod:`lungcls.metrics.retrieval` to say; of a stored run it is said here case by case.
"""

from collections import namedtuple

import numpy as np
import pandas as pd

from lungcls.metrics import retrieval as scoring
from lungcls.runs import prediction

RETRIEVED = 5  # cases a query, where a run is scored
SHAPE = ["margin", "spiculation", "sphericity"]
SHARED = {"texture": ["texture"], "shape": SHAPE, "intensity": ["grey level"]}
AMONG = ("all cases", "cases of other scores")  # what is retrieved from
NETWORK, DIAMETER, CHANCE = "network", "diameter alone", "random order"

# --- Embeddings -------------------------------------------------------------------------


def embed(model, images, *, batch_size=128):
    """Embeddings (n, d), float32, of images (n, H, W, 1): what a network gives to its layer ``logits``."""
    import keras

    judged, found = model.get_layer("logits").input, []
    body = keras.Model(model.input, judged)
    for start in range(0, len(images), batch_size):  # one pass: tracing a graph would take longer
        rows = np.arange(start, min(start + batch_size, len(images)))
        found.append(body(np.asarray(images[rows], dtype=np.float32), training=False))
    return np.concatenate([keras.ops.convert_to_numpy(batch) for batch in found])


def embed_run(run, cohort):
    """Give the embeddings of a cohort's cases by a stored run.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort
        With the run's view.

    Returns
    -------
    ndarray of shape (n, d), float32
        What the last layer of the run's network is given to judge.

    Raises
    ------
    InputError
        If the cohort lacks the view, or the network cannot be read.

    Examples
    --------
    >>> from lungcls import runs, sources
    >>> data = sources.open_cohort("phantom", profile="smoke")
    >>> small = {"view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}
    >>> vectors = embed_run(runs.train(data, task="binary", **small), data)
    >>> rows, distances = nearest_cases(vectors[:2], vectors[2:], k=5)
    >>> rows.shape
    (2, 5)
    """
    images = prediction.images_of(run, cohort)
    return embed(prediction.open_model(run), images)


# --- Distances --------------------------------------------------------------------------


def cosine_distances(queries, gallery):
    """1 less the cosine between vectors (n, d) and (m, d): (n, m), float32 in [0, 2]; 1 from one of zeros."""
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
    """Which cases of a gallery may be retrieved (n, m), bool: those of other patients."""
    return np.not_equal.outer(*_numbered(query_patients, gallery_patients))


def _numbered(first, second):
    """Whole numbers for names: far faster to compare."""
    numbers = np.unique(np.concatenate([first, second]), return_inverse=True)[1].astype(np.int32)
    return numbers[: len(first)], numbers[len(first) :]


# --- Search -----------------------------------------------------------------------------


def ranked(distances, *, allowed=None, k=None):
    """Rows (n, k) of the gallery by distance (n, m), nearest first, and those; then -1 and NaN."""
    # of equals the first row comes first; what is NaN or not `allowed` (n, m) is never retrieved
    distances = np.asarray(distances)
    if distances.ndim != 2 or (allowed is not None and np.shape(allowed) != distances.shape):
        found = f"found shapes {distances.shape} and {np.shape(allowed)}"
        raise ValueError(f"distances, allowed: {found}, expected (n, m) of both")
    if k is not None and k < 1:
        raise ValueError(f"k: found {k}, expected 1 or more")
    barred = np.isnan(distances) if allowed is None else np.isnan(distances) | ~allowed
    if barred.any():
        distances = np.where(barred, np.inf, distances)
    if k is None or k >= distances.shape[1]:
        rows = np.argsort(distances, axis=1, kind="stable")
    else:
        limits = np.partition(distances, k - 1, axis=1)[:, k - 1]
        rows = np.stack([_nearest(*pair, k) for pair in zip(distances, limits, strict=True)])
    nearest = np.take_along_axis(distances, rows, axis=1)
    missing = np.isinf(nearest)
    return np.where(missing, -1, rows), np.where(missing, np.nan, nearest)


def _nearest(distances, limit, k):
    """The k nearest of one query, given the distance of the last of them."""
    near = np.flatnonzero(distances <= limit)
    return near[np.argsort(distances[near], kind="stable")][:k]


def nearest_cases(queries, gallery, *, k, query_patients=None, gallery_patients=None, batch=256):
    """Find the k nearest cases of each query by cosine distance, exactly, in batches.

    Parameters
    ----------
    queries, gallery : ndarray of shape (n, d) and (m, d), float
    k : int, at least 1
    query_patients, gallery_patients : sequence of shape (n,) and (m,), optional
        Cases of the query's own patient are left out.
    batch : int, default 256
        Queries at a time: memory grows with ``batch * m`` and not with n.

    Returns
    -------
    rows, nearest : ndarray of shape (n, min(k, m)), int and float32 in [0, 2]
        Rows of the gallery, nearest first, and 1 less their cosines; then -1 and NaN.

    Raises
    ------
    ValueError
        If a number is not finite, shapes do not fit, `k` is below 1, or only one side has patients.

    Examples
    --------
    >>> gallery = np.array([[1.0, 0], [0, 3], [-1, 0]])
    >>> nearest_cases(gallery[:1], gallery, k=2, query_patients=["a"], gallery_patients=["a", "b", "b"])[0]
    array([[1, 2]])
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
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


# --- A stored run: its test cases search its training cases ---------------------------------


# Rows of the cohort that ask and that are searched, their distances (n, m), and who may be retrieved.
Search = namedtuple("Search", ["test", "train", "distances", "allowed"])


def search(run, cohort):
    """Let a run's test cases search its training cases of other patients."""
    parts = run.predictions.set_index("case_id")["split"].reindex(cohort.cases["case_id"])
    test, train = (np.flatnonzero(parts == name) for name in ("test", "train"))
    vectors = embed_run(run, cohort.select(np.r_[test, train]))
    patients = cohort.cases["patient_id"].to_numpy()
    apart = cosine_distances(vectors[: len(test)], vectors[len(test) :])
    return Search(test, train, apart, other_patients(patients[test], patients[train]))


def precision(found, cohort, *, task):
    """Scores of the ranked list of each test case: columns (search, score) of `metrics.retrieval`."""
    labels, scores = cohort.labels(task), cohort.cases["malignancy"].to_numpy()
    same = np.equal.outer(labels[found.test], labels[found.train])
    gain = scoring.gains(scores[found.test], scores[found.train])
    distances, parts = {NETWORK: found.distances}, {}
    if "diameter_mm" in cohort.cases:
        sizes = np.log(cohort.cases["diameter_mm"].to_numpy(float))
        distances[DIAMETER] = np.abs(np.subtract.outer(sizes[found.test], sizes[found.train]))
    for name, apart in distances.items():
        rows, _ = ranked(apart, allowed=found.allowed)
        lists = scoring.in_order(same, rows), scoring.in_order(gain, rows)
        parts[name] = scoring.scores(*lists, k=RETRIEVED)
    parts[CHANCE] = scoring.chance(*lists, k=RETRIEVED)
    return pd.concat(parts, axis=1).set_index(cohort.cases["case_id"].iloc[found.test])


def likeness(found, cohort, properties):
    """Likeness of each test case and what is retrieved for it, less the 0.5 of random cases.

    `properties` are known ones by case and why others are missing (:mod:`case_properties`). A row
    a test case, columns of ``SHARED`` among ``AMONG``; and the reason of each that is lacking.
    """
    known, missing = properties
    lacks = {name: next((missing[one] for one in of if one in missing), None) for name, of in SHARED.items()}
    scores = cohort.cases["malignancy"].to_numpy()
    others = np.not_equal.outer(scores[found.test], scores[found.train])
    table = pd.DataFrame(index=pd.Index(cohort.cases["case_id"].iloc[found.test], name="case_id"))
    for among, may in zip(AMONG, (found.allowed, found.allowed & others), strict=True):
        rows, _ = ranked(found.distances, allowed=may, k=RETRIEVED)
        alike = scoring.likenesses(known.iloc[found.test], known.iloc[found.train], rows, allowed=may)
        for name in (name for name in SHARED if not lacks[name]):
            table[f"likeness in {name}, {among}"] = alike[SHARED[name]].mean(axis=1).to_numpy() - 0.5
    return table, {name: why for name, why in lacks.items() if why}
