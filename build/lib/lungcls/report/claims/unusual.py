"""Do images that stand out differ from the rest? A measure for the ledger of claims.

The report looks for unusual images in the latent space of an autoencoder. Here the space is that of
principal components, which is what an autoencoder without bends would find: it needs no training and
gives the same answer each time. The chapter on data inspection has the autoencoder itself.
"""

import numpy as np

from lungcls.explain import outliers
from lungcls.preprocessing.pipelines import preprocess
from lungcls.report.claims.evidence import resampled

SHARE = 0.05  # of the images count as unusual, as in the chapter
COMPONENTS = 8  # more would be mostly noise, which an Isolation Forest cannot tell from shape
SIZE = 32  # pixels
WIDE = ("full_slice", "context")
MEASURE = "malignant among unusual less others, {}"


def of_cohort(cohort, *, seed):
    """Compare the malignant share of unusual images with the others', by view; a text if there is none."""
    found = {}
    for name, of, lacks in (("nodule", ("nodule",), "zoomed nodule"), ("wide", WIDE, "wide view")):
        view = next((view for view in of if view in cohort.views), None)
        none = f"the cohort {cohort.name} has no {lacks}"
        found[MEASURE.format(name)] = difference(cohort, view, seed=seed) if view else none
    return found


def difference(cohort, view, *, seed):
    """Malignant share of a view's unusual images less that of the others, with an interval over patients."""
    scores = outliers.isolation_scores(components(cohort, view), seed=seed)
    chosen = outliers.most_unusual(scores, max(1, round(SHARE * len(cohort))))
    unusual, malignant = np.isin(np.arange(len(cohort)), chosen), cohort.labels("binary").astype(float)

    def statistic(weights):
        with np.errstate(invalid="ignore"):  # a resample may lack all unusual ones
            first, second = (_share(weights[:, rows], malignant[rows]) for rows in (unusual, ~unusual))
        return {"difference": first - second}

    return resampled(statistic, cohort.cases["patient_id"], seed)


def components(cohort, view):
    """Principal components (n, 8) of a view's images, small and without contrast."""
    images = cohort.views[view]
    options = {"size": SIZE, "crop": images.shape[1:], "contrast": "none"}
    pixels = np.concatenate([preprocess(batch, view, **options) for _, batch in images.batches()])
    pixels = pixels.reshape(len(cohort), -1)
    return outliers.project(pixels, components=min(COMPONENTS, *pixels.shape))[0]


def _share(weights, values):
    return weights @ values / weights.sum(axis=1)
