"""A mixture behind readings: what was planted comes back, and nothing is claimed beyond it."""

import numpy as np
import pytest

from lungcls.metrics import latent_classes, ratings
from lungcls.metrics.latent_classes import Mixture

PLANTED = Mixture(
    weights=np.array([[0.6, 0.3, 0.1], [0.5, 0.3, 0.2], [0.4, 0.3, 0.3], [0.2, 0.3, 0.5]]),
    scores=np.array([[0.7, 0.2, 0.1, 0, 0], [0, 0.2, 0.7, 0.1, 0], [0, 0, 0.1, 0.3, 0.6]]),
    log_likelihood=np.nan,
    history=np.array([]),
)
SIZES = np.tile([1, 2, 3, 4], 1500)


@pytest.fixture(scope="module")
def panels():
    return latent_classes.simulate(PLANTED, SIZES, seed=0)[1]


@pytest.fixture(scope="module")
def counts(panels):
    return ratings.score_counts(panels)


def test_a_simulation_follows_its_mixture(panels):
    members, found = latent_classes.simulate(PLANTED, SIZES, seed=0)
    assert [panel.tolist() for panel in found] == [panel.tolist() for panel in panels]
    assert [len(panel) for panel in found] == SIZES.tolist()
    for size in range(1, 5):
        shares = np.bincount(members[SIZES == size], minlength=3) / 1500
        assert shares == pytest.approx(PLANTED.weights[size - 1], abs=0.05)
    for member in range(3):
        readings = np.concatenate(
            [panel for panel, mine in zip(found, members, strict=True) if mine == member]
        )
        shares = np.bincount(readings, minlength=6)[1:] / len(readings)
        assert shares == pytest.approx(PLANTED.scores[member], abs=0.03)


def test_a_planted_mixture_comes_back(counts):
    best = latent_classes.fit(counts, classes=3, seed=1, starts=5)[0]
    assert np.abs(best.scores - PLANTED.scores).max() < 0.04
    assert np.abs(best.weights - PLANTED.weights).max() < 0.06
    assert (np.diff(best.scores @ np.arange(5)) > 0).all()
    assert best.weights.sum(axis=1) == pytest.approx(1) and best.scores.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("prior", [0, 0.1])
def test_the_likelihood_never_falls(counts, prior):
    for mixture in latent_classes.fit(counts, classes=4, seed=2, starts=4, prior=prior, iterations=150):
        gains = np.diff(mixture.history)
        assert gains.min() > -1e-6 and gains.max() > 1  # it did climb
        if prior == 0:
            assert mixture.log_likelihood >= mixture.history[-1] - 1e-6


def test_likelihood_of_a_panel_by_hand():
    counts = ratings.score_counts(ratings.parse_ratings(["3", "1 3", "5 5 4 5 3"]))
    expected = [0.6 * 0.1 + 0.3 * 0.7 + 0.1 * 0.1, 0.5 * 0.7 * 0.1, 0.5 * 0.6**3 * 0.3 * 0.1]
    found = latent_classes.log_likelihood(counts, PLANTED)
    assert found == pytest.approx(np.log(expected))  # five readers count as four or more


def test_the_best_start_comes_first_and_near_ones_are_kept(counts):
    fits = latent_classes.fit(counts, classes=4, seed=3, starts=6, iterations=200)
    values = [mixture.log_likelihood for mixture in fits]
    assert values == sorted(values, reverse=True) and len(fits) == 6
    assert latent_classes.log_likelihood(counts, fits[0]).sum() == pytest.approx(values[0])
    kept = latent_classes.nearly_best(fits[::-1], near=0.5)
    assert [mixture.log_likelihood for mixture in kept] == [v for v in values[::-1] if v >= values[0] - 0.5]
    again = latent_classes.fit(counts, classes=4, seed=3, starts=6, iterations=200)
    assert np.array_equal(again[0].scores, fits[0].scores)


def test_held_out_patients_find_the_number_of_classes(counts):
    rows = np.arange(0, len(counts), 2)
    patients = np.arange(len(rows)) // 2  # two nodules each
    found = latent_classes.held_out(counts[rows], patients, classes=[1, 2, 3, 6], seed=0, folds=4, starts=3)
    assert found["behind"].idxmin() == 3 and found.loc[3, "behind"] == 0 and found.loc[3, "kept"]
    assert not found.loc[1, "kept"] and not found.loc[2, "kept"]
    assert found.loc[6, "behind"] > 0
    # A panel of one to four readings has at best the likelihood of the planted truth.
    truth = latent_classes.log_likelihood(counts[rows], PLANTED).mean()
    assert found.loc[3, "log_likelihood"] == pytest.approx(truth, abs=0.01)


def test_a_patient_is_never_on_both_sides(counts, monkeypatch):
    few = counts[:80]
    seen = []
    whole = latent_classes.fit

    def watched(part, **options):
        seen.append(len(part))
        return whole(part, **options)

    monkeypatch.setattr(latent_classes, "fit", watched)
    patients = np.repeat(["a", "b", "c", "d"], [40, 20, 15, 5])
    latent_classes.held_out(few, patients, classes=[2], seed=0, folds=4, starts=1)
    assert sorted(seen) == [40, 60, 65, 75]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"classes": 0}, "classes: found 0, expected 1 or more"),
        ({"classes": 2, "starts": 0}, "starts: found 0, expected 1 or more"),
        ({"classes": 2, "prior": -1}, "prior: found -1, expected 0 or more"),
    ],
)
def test_wrong_options(counts, options, message):
    with pytest.raises(ValueError, match=message):
        latent_classes.fit(counts, seed=0, **options)


def test_wrong_counts(counts):
    with pytest.raises(ValueError, match=r"counts: found shape \(2, 4\), expected \(n, 5\)"):
        latent_classes.fit(np.ones((2, 4), int), classes=1, seed=0)
    with pytest.raises(ValueError, match="counts: found a nodule without readers"):
        latent_classes.log_likelihood(np.zeros((1, 5), int), PLANTED)
    with pytest.raises(ValueError, match="folds: found 3, expected 2 to 2, the number of patients"):
        latent_classes.held_out(counts[:2], ["a", "b"], classes=[1], seed=0, folds=3)
