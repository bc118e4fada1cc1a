"""Latent vectors, the map, anomaly scores and their agreement."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from lungcls.explain import outliers


def ramps(n=24, side=16, seed=0):
    """Grey ramps that differ in brightness only, and one image of noise, the last."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, side)[None, :, None, None] * np.ones((1, 1, side, 1))
    images = (ramp * rng.uniform(0.3, 1, (n, 1, 1, 1))).astype(np.float32)
    images[-1] = rng.random((side, side, 1))
    return images


OPTIONS = {"latent_size": 4, "epochs": 40, "batch_size": 8}


@pytest.fixture(scope="module")
def fitted():
    return outliers.fit_latent(ramps(), seed=3, **OPTIONS)


def test_what_an_autoencoder_gives(fitted):
    assert fitted.vectors.shape == (24, 4) and fitted.vectors.dtype == np.float32
    assert fitted.copies.shape == (24, 16, 16, 1)
    assert fitted.loss.shape == (40,) and fitted.loss[-1] < fitted.loss[0]
    expected = [((copy - image) ** 2).mean() for copy, image in zip(fitted.copies, ramps(), strict=True)]
    np.testing.assert_allclose(fitted.error, expected, rtol=1e-5)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(fitted):
    again = outliers.fit_latent(ramps(), seed=3, **OPTIONS)
    other = outliers.fit_latent(ramps(), seed=4, **OPTIONS)
    assert (again.vectors == fitted.vectors).all() and (again.copies == fitted.copies).all()
    assert (other.vectors != fitted.vectors).any()


def test_a_run_does_not_depend_on_the_runs_before_it(fitted):
    outliers.fit_latent(ramps(seed=9), seed=5, **OPTIONS)
    outliers._compiled.cache_clear()  # a network whose graph is built anew
    again = outliers.fit_latent(ramps(), seed=3, **OPTIONS)
    assert (again.vectors == fitted.vectors).all() and (again.loss == fitted.loss).all()


def test_progress_is_shown_and_changes_nothing(fitted, capfd):
    shown = outliers.fit_latent(ramps(), seed=3, progress=True, **OPTIONS)
    assert (shown.vectors == fitted.vectors).all() and "40/40" in capfd.readouterr().err


def test_what_is_unlike_the_rest_is_hard_to_copy(fitted):
    assert fitted.error.argmax() == 23


@pytest.mark.parametrize(
    "images, message",
    [
        (ramps()[:9], "found 9, expected at least 10"),
        (ramps()[:, :8], "found 8 x 16 pixels, expected square"),
        (ramps().astype(np.float64), "found dtype float64, expected float32"),
        (ramps()[..., 0], "found shape .24, 16, 16., expected"),
        (ramps()[:, :12, :12], "image_size: found 12, expected a multiple of 8"),
    ],
)
def test_images_that_cannot_be_fitted_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        outliers.fit_latent(images, epochs=1)


def test_no_epoch_is_refused():
    with pytest.raises(ValueError, match="found epochs 0 and batch_size 32, expected 1 or more"):
        outliers.fit_latent(ramps(), epochs=0)


def test_project_finds_the_directions_of_largest_variance():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 5)) * [1, 10, 0.1, 3, 0.1] + 7
    points, explained = outliers.project(vectors)
    centred = vectors - vectors.mean(axis=0)
    variance = np.linalg.svd(centred, compute_uv=False) ** 2  # an oracle without scikit-learn
    np.testing.assert_allclose(explained, variance[:2] / variance.sum())
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-9)
    assert abs(np.corrcoef(points[:, 0], vectors[:, 1])[0, 1]) > 0.99


def test_project_keeps_distances_when_nothing_is_dropped():
    vectors = np.random.default_rng(1).normal(size=(20, 2))
    points, explained = outliers.project(vectors)
    assert explained.sum() == pytest.approx(1)
    gaps = [np.linalg.norm(x[3] - x[11]) for x in (vectors, points)]
    assert gaps[0] == pytest.approx(gaps[1])


def test_project_refuses_too_few_vectors():
    with pytest.raises(ValueError, match="found shape .1, 4., expected at least 2 by 2"):
        outliers.project(np.zeros((1, 4)))


def test_a_vector_far_from_all_others_has_the_highest_score():
    vectors = np.random.default_rng(0).normal(size=(100, 3))
    vectors[42] = 12
    scores = outliers.isolation_scores(vectors, seed=0)
    assert scores.argmax() == 42 and 0 < scores.min() and scores.max() < 1
    assert (scores == outliers.isolation_scores(vectors, seed=0)).all()
    assert (scores != outliers.isolation_scores(vectors, seed=1)).any()


def test_unusual_rows():
    scores = np.array([0.5, 0.9, 0.1, 0.6, 0.9])
    assert outliers.most_unusual(scores, 3).tolist() == [1, 4, 3]
    with pytest.raises(ValueError, match="k: found 6, expected 1 to 5"):
        outliers.most_unusual(scores, 6)
    with pytest.raises(ValueError, match="k: found 0, expected 1 to 5"):
        outliers.most_unusual(scores, 0)


def test_agreement_of_equal_and_of_opposite_runs():
    scores = np.arange(10.0)
    same = outliers.agreement([scores, scores + 1, scores * 2], k=2)
    assert (same.overlap, same.chance, same.pairs) == (1.0, 0.2, 3)
    assert same.rank_correlation == pytest.approx(1)
    opposite = outliers.agreement([scores, -scores], k=2)
    assert opposite.overlap == 0 and opposite.rank_correlation == pytest.approx(-1)


def test_agreement_is_the_mean_over_pairs():
    runs = np.array([[3, 2, 1, 0], [3, 0, 1, 2], [0, 1, 2, 3]], dtype=float)
    found = outliers.agreement(runs, k=2)
    # top two: {0, 1}, {0, 3}, {2, 3}: one, none and one in common
    assert found.overlap == pytest.approx((0.5 + 0 + 0.5) / 3)
    ranks = [spearmanr(runs[a], runs[b]).statistic for a, b in [(0, 1), (0, 2), (1, 2)]]
    assert found.rank_correlation == pytest.approx(np.mean(ranks))


def test_blind_runs_agree_by_chance_only():
    rng = np.random.default_rng(0)
    shares = [outliers.agreement(rng.random((2, 100)), k=20).overlap for _ in range(200)]
    assert np.mean(shares) == pytest.approx(outliers.agreement(rng.random((2, 100)), k=20).chance, abs=0.03)


def test_agreement_refuses_a_single_run():
    with pytest.raises(ValueError, match="found shape .1, 5., expected at least two rows"):
        outliers.agreement(np.zeros((1, 5)), k=2)
