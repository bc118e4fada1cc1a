"""Retrieval of a stored run, case by case: another hand's neighbours, and what is not known."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from lungcls.explain import case_properties, retrieval


@pytest.fixture(scope="module")
def searched(outlined):
    cohort, run, _ = outlined
    rng, n = np.random.default_rng(0), len(cohort)
    words = {name: rng.integers(1, 6, n).astype(str) for name in ("texture", *retrieval.SHAPE)}
    told = replace(cohort, cases=cohort.cases.assign(**words))
    return told, run, retrieval.search(run, told)


def test_nobody_asks_a_training_case_of_the_own_patient(searched):
    cohort, run, found = searched
    parts = run.predictions.set_index("case_id")["split"].loc[cohort.cases["case_id"]].to_numpy()
    assert set(parts[found.test]) == {"test"} and set(parts[found.train]) == {"train"}
    patients = cohort.cases["patient_id"].to_numpy()
    assert (found.allowed == (patients[found.test][:, None] != patients[found.train])).all()


def test_precision_is_that_of_another_search(searched):
    cohort, run, found = searched
    table = retrieval.precision(found, cohort, task="binary")
    vectors, labels = retrieval.embed_run(run, cohort), cohort.labels("binary")
    sizes = np.log(cohort.cases[["diameter_mm"]].to_numpy())
    for name, points, metric in (("network", vectors, "cosine"), ("diameter alone", sizes, "euclidean")):
        near = NearestNeighbors(n_neighbors=5, metric=metric).fit(points[found.train])
        rows = near.kneighbors(points[found.test], return_distance=False)
        oracle = (labels[found.train][rows] == labels[found.test][:, None]).mean(axis=1)
        assert table[name, "precision at 5"].mean() == pytest.approx(oracle.mean(), abs=0.08)  # ties
    share = [(labels[found.train] == label).mean() for label in labels[found.test]]
    assert table["random order", "precision at 5"].to_numpy() == pytest.approx(share)
    assert table.index.tolist() == cohort.cases["case_id"].iloc[found.test].tolist()


def test_likeness_is_counted_by_hand(searched):
    cohort, run, found = searched
    table, lacks = retrieval.likeness(found, cohort, case_properties.properties(run, cohort))
    assert lacks == {} and len(table.columns) == 6 and len(table) == len(found.test)
    texture = cohort.cases["texture"].astype(float).to_numpy()
    rows = np.argsort(found.distances, axis=1, kind="stable")[:, :5]
    gaps = np.abs(texture[found.test][:, None] - texture[found.train])
    for i, mine in enumerate(rows):
        further = [(gaps[i] > gaps[i, j]).mean() + (gaps[i] == gaps[i, j]).mean() / 2 for j in mine]
        assert table["likeness in texture, all cases"].iloc[i] == pytest.approx(np.mean(further) - 0.5)


def test_what_is_not_known_has_no_column_but_a_reason(searched):
    cohort, run, found = searched
    bare = replace(cohort, masks={})
    table, lacks = retrieval.likeness(found, bare, case_properties.properties(run, bare))
    assert set(lacks) == {"intensity"} and list(table.filter(like="intensity")) == []
    assert "no mask of the view" in lacks["intensity"]
