"""What a run retrieves for its test cases, case by case: the same class, and what readers see in it.

Test cases search the training cases, those of their own patient left out. Every score stands beside
that of the diameter alone and of random order.
"""

from collections import namedtuple

import numpy as np
import pandas as pd

from lungcls.explain import case_properties, retrieval
from lungcls.metrics import retrieval as scoring

RETRIEVED = 5  # cases a query
SHAPE = ["margin", "spiculation", "sphericity"]
SHARED = {"texture": ["texture"], "shape": SHAPE, "intensity": ["grey level"]}
AMONG = ("all cases", "cases of other scores")  # what is retrieved from
NETWORK, DIAMETER, CHANCE = "network", "diameter alone", "random order"


# Rows of the cohort that ask and that are searched, their distances (n, m), and who may be retrieved.
Search = namedtuple("Search", ["test", "train", "distances", "allowed"])


def search(run, cohort):
    """Let a run's test cases search its training cases of other patients."""
    parts = run.predictions.set_index("case_id")["split"].reindex(cohort.cases["case_id"])
    test, train = (np.flatnonzero(parts == name) for name in ("test", "train"))
    vectors = retrieval.embed_run(run, cohort.select(np.r_[test, train]))
    patients = cohort.cases["patient_id"].to_numpy()
    apart = retrieval.cosine_distances(vectors[: len(test)], vectors[len(test) :])
    return Search(test, train, apart, retrieval.other_patients(patients[test], patients[train]))


def likeness(found, run, cohort):
    """Likeness of each test case and what is retrieved for it, less the 0.5 of random cases.

    A row a test case, columns of ``SHARED`` among ``AMONG``; and the reason of each that is lacking.
    """
    known, missing = case_properties.properties(run, cohort)
    lacks = {name: next((missing[one] for one in of if one in missing), None) for name, of in SHARED.items()}
    scores = cohort.cases["malignancy"].to_numpy()
    others = np.not_equal.outer(scores[found.test], scores[found.train])
    table = pd.DataFrame(index=pd.Index(cohort.cases["case_id"].to_numpy()[found.test], name="case_id"))
    for among, may in zip(AMONG, (found.allowed, found.allowed & others), strict=True):
        rows, _ = retrieval.ranked(found.distances, allowed=may, k=RETRIEVED)
        alike = scoring.likenesses(known.iloc[found.test], known.iloc[found.train], rows, allowed=may)
        for name in (name for name in SHARED if not lacks[name]):
            table[f"likeness in {name}, {among}"] = alike[SHARED[name]].mean(axis=1).to_numpy() - 0.5
    return table, {name: why for name, why in lacks.items() if why}


def precision(found, cohort, *, task):
    """Scores of the ranked lists of each test case, columns (search, score); see `metrics.retrieval`."""
    labels, scores = cohort.labels(task), cohort.cases["malignancy"].to_numpy()
    same = np.equal.outer(labels[found.test], labels[found.train])
    gain = scoring.gains(scores[found.test], scores[found.train])
    distances, parts = {NETWORK: found.distances}, {}
    if "diameter_mm" in cohort.cases:
        sizes = np.log(cohort.cases["diameter_mm"].to_numpy(float))
        distances[DIAMETER] = np.abs(np.subtract.outer(sizes[found.test], sizes[found.train]))
    for name, apart in distances.items():
        rows, _ = retrieval.ranked(apart, allowed=found.allowed)
        lists = scoring.in_order(same, rows), scoring.in_order(gain, rows)
        parts[name] = scoring.scores(*lists, k=RETRIEVED)
    parts[CHANCE] = scoring.chance(*lists, k=RETRIEVED)
    return pd.concat(parts, axis=1).set_index(cohort.cases["case_id"].iloc[found.test])
