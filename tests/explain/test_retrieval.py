"""Embeddings, and exact search with scikit-learn as oracle."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_distances as oracle_distances
from sklearn.neighbors import NearestNeighbors

from lungcls.cohorts import cohort as cohorts
from lungcls.explain import retrieval
from lungcls.runs import prediction


def vectors(n, d=7, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_embeddings_are_what_the_last_layer_judges(trained):
    folder, _, _, run = trained
    data = cohorts.load(folder)
    found = retrieval.embed_run(run, data)
    assert found.shape == (len(data), run.config["settings"]["dense"]) and found.dtype == np.float32
    weight, bias = prediction.open_model(run).get_layer("logits").get_weights()
    probability = 1 / (1 + np.exp(-(found @ weight + bias)[:, 0]))  # the rest of the network by hand
    stored = run.predictions.set_index("case_id").loc[data.cases["case_id"], "p_malignant"]
    assert probability == pytest.approx(stored.to_numpy(), abs=1e-5)
    few = retrieval.embed(prediction.open_model(run), prediction.images_of(run, data), batch_size=7)
    assert few == pytest.approx(found, abs=1e-5)


def test_a_network_without_logits_is_refused():
    import keras

    with pytest.raises(ValueError, match="logits"):
        model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
        retrieval.embed(model, np.zeros((2, 4, 4, 1)))


def test_distances_are_those_of_scikit_learn():
    queries, gallery = vectors(5), vectors(30, seed=1)
    found = retrieval.cosine_distances(queries, gallery)
    assert found == pytest.approx(oracle_distances(queries, gallery), abs=1e-6)
    assert retrieval.cosine_distances([[2.0, 0]], [[1, 0], [0, 3], [-1, 0], [0, 0]]).tolist() == [
        [0, 1, 2, 1]
    ]
    assert retrieval.cosine_distances(1e10 * queries, gallery) == pytest.approx(found, abs=1e-6)
    with pytest.raises(ValueError, match="expected 7"):
        retrieval.cosine_distances(queries, gallery[:, :5])
    with pytest.raises(ValueError, match="finite"):
        retrieval.cosine_distances([[np.nan, 1.0]], [[1.0, 1.0]])
    with pytest.raises(ValueError, match="gallery: found shape"):
        retrieval.nearest_cases(queries, gallery[0], k=1)


@pytest.mark.parametrize("k", [1, 5, 40])
def test_the_search_is_that_of_scikit_learn_whatever_the_batch(k):
    queries, gallery = vectors(23), vectors(40, seed=1)
    apart, rows = NearestNeighbors(metric="cosine", algorithm="brute").fit(gallery).kneighbors(queries, k)
    for batch in (4, 256):
        found, nearest = retrieval.nearest_cases(queries, gallery, k=k, batch=batch)
        assert (found == rows).all() and nearest == pytest.approx(apart, abs=1e-6)


def test_no_case_of_the_own_patient_is_found():
    gallery, patients = vectors(12), np.array([f"p{i // 3}" for i in range(12)])
    rows, nearest = retrieval.nearest_cases(
        gallery, gallery, k=12, query_patients=patients, gallery_patients=patients
    )
    for row, (mine, apart) in enumerate(zip(rows, nearest, strict=True)):
        others = np.flatnonzero(patients != patients[row])  # by hand
        distance = oracle_distances(gallery[[row]], gallery[others])[0]
        assert mine[:9].tolist() == others[np.argsort(distance)].tolist()
        assert (mine[9:] == -1).all() and np.isnan(apart[9:]).all()
    few = retrieval.nearest_cases(gallery, gallery, k=2, query_patients=patients, gallery_patients=patients)[
        0
    ]
    assert (few == rows[:, :2]).all()
    assert retrieval.other_patients(["a", "b"], ["b", "c"]).tolist() == [[True, True], [False, True]]
    with pytest.raises(ValueError, match="both or of neither"):
        retrieval.nearest_cases(gallery, gallery, k=2, query_patients=patients)


def test_of_equals_the_first_comes_first_and_what_is_barred_last():
    rows, nearest = retrieval.ranked([[0.5, 0.1, 0.5, 0.1, 0.5, np.nan]], k=4)
    assert rows.tolist() == [[1, 3, 0, 2]] and nearest.tolist() == [[0.1, 0.1, 0.5, 0.5]]
    allowed = np.array([[True, False, True, False, False, True]])
    rows, nearest = retrieval.ranked([[0.5, 0.1, 0.5, 0.1, 0.5, np.nan]], allowed=allowed)
    assert rows.tolist() == [[0, 2, -1, -1, -1, -1]] and np.isnan(nearest[0, 2:]).all()
    with pytest.raises(ValueError, match="k: found 0"):
        retrieval.ranked([[0.1]], k=0)
    with pytest.raises(ValueError, match="expected \\(n, m\\)"):
        retrieval.ranked([[0.1]], allowed=np.ones(3, bool))
