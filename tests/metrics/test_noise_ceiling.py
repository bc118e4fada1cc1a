"""The ceiling: certain readers can be foreseen, random ones cannot, and LIDC's are in between."""

from itertools import product

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, roc_auc_score

from lungcls.metrics import agreement, latent_classes, noise_ceiling, ratings
from lungcls.metrics.latent_classes import Mixture
from lungcls.sources import annotations

SIZES = np.repeat([1, 2, 3, 4, 5], [8, 5, 5, 10, 1])
BINARY = [("binary", score) for score in agreement.TASK_SCORES["binary"]]
EVERY = BINARY + [("multiclass", score) for score in agreement.TASK_SCORES["multiclass"]]


def mixture(weights, scores):
    weights = np.broadcast_to(np.asarray(weights, float), (4, len(scores)))
    return Mixture(weights, np.asarray(scores, float), np.nan, np.array([]))


@pytest.fixture(scope="module")
def rough():
    rng = np.random.default_rng(0)
    scores = np.array([np.bincount(rng.binomial(4, p, 60), minlength=5) / 60 for p in (0.1, 0.4, 0.55, 0.9)])
    return Mixture(rng.dirichlet(np.full(4, 3), 4), scores, np.nan, np.array([]))


@pytest.fixture(scope="module")
def lidc_reference():
    """Fitted to all readings with few starts; for the panel sizes of the report's cases."""
    table = annotations.nodules(scans_per_patient=None, least_readers=1, aggregation="ceil_mean")
    counts = ratings.score_counts(ratings.parse_ratings(table["ratings"]))
    sizes = annotations.report_cases()["ratings"].str.split().str.len().to_numpy()
    fits = [latent_classes.fit(counts, classes=number, seed=0, starts=6) for number in (4, 6, 8, 10)]
    kept = [mixture for starts in fits for mixture in latent_classes.nearly_best(starts)]
    return noise_ceiling.ceiling_scores(kept, sizes)


def test_readers_who_always_agree_can_be_foreseen():
    table = noise_ceiling.label_table(mixture([0.1, 0.2, 0.4, 0.2, 0.1], np.eye(5)), SIZES)
    for found in (noise_ceiling.second_panel(table), noise_ceiling.known_class(table, decide="score")):
        assert all(found[key] == pytest.approx(1) for key in EVERY if key in found)
    assert noise_ceiling.known_class(table, decide="label")["multiclass", "accuracy"] == pytest.approx(1)


def test_perfect_panels_give_a_ceiling_of_one_after_fitting():
    texts = [" ".join([score] * size) for score, size in product("12345", (1, 2, 3, 4)) for _ in range(20)]
    counts = ratings.score_counts(ratings.parse_ratings(texts))
    best = latent_classes.fit(counts, classes=5, seed=0, starts=10, prior=0)[0]
    found = noise_ceiling.known_class(noise_ceiling.label_table(best, counts.sum(axis=1)), decide="score")
    assert [found[key] for key in EVERY] == pytest.approx([1] * 6)


def test_readers_who_guess_cannot_be_foreseen():
    table = noise_ceiling.label_table(mixture([1], [[0.2] * 5]), np.array([1]))
    found = noise_ceiling.known_class(table, decide="score")
    assert found["multiclass", "accuracy"] == pytest.approx(0.2)
    assert found["multiclass", "quadratic weighted kappa"] == pytest.approx(0, abs=1e-12)
    assert found["binary", "AUC"] == 0.5 and found["binary", "accuracy"] == pytest.approx(0.6)
    second = noise_ceiling.second_panel(table)
    assert second["multiclass", "accuracy"] == pytest.approx(0.2)
    assert second["multiclass", "quadratic weighted kappa"] == pytest.approx(0, abs=1e-12)


def test_labels_by_hand():
    one = mixture([1], [[0.5, 0, 0, 0.5, 0]])
    table = noise_ceiling.label_table(one, np.array([1, 2]))
    # One reader: 1 or 4. Two readers: 1 1, 1 4 (mean 2.5, rounded up to 3) or 4 4.
    assert table[0, 0] == pytest.approx([0.25, 0, 0, 0.25, 0])
    assert table[1, 0] == pytest.approx([0.125, 0, 0.25, 0.125, 0])


def test_exact_scores_are_those_of_simulated_panels(rough):
    sizes = np.tile(SIZES, 8000)
    members, first = latent_classes.simulate(rough, sizes, seed=1)
    label = ratings.ceil_mean(ratings.score_counts(first))
    table = noise_ceiling.label_table(rough, SIZES)
    assert table.sum() == pytest.approx(1)
    shares = np.bincount(label, minlength=6)[1:] / len(label)
    assert table.sum(axis=(0, 1)) == pytest.approx(shares, abs=0.004)

    found = noise_ceiling.known_class(table, decide="label")
    decided = (1 + table.sum(axis=0).argmax(axis=1))[members]
    close = {"abs": 0.005}
    assert found["multiclass", "accuracy"] == pytest.approx((decided == label).mean(), **close)
    kappa = cohen_kappa_score(label, decided, weights="quadratic", labels=[1, 2, 3, 4, 5])
    assert found["multiclass", "quadratic weighted kappa"] == pytest.approx(kappa, **close)
    expected = f1_score(label, decided, average="weighted", zero_division=0)
    assert found["multiclass", "F1 (weighted)"] == pytest.approx(expected, **close)
    posterior = table.sum(axis=0)[:, 3:].sum(axis=1) / table.sum(axis=(0, 2))
    assert found["binary", "AUC"] == pytest.approx(roc_auc_score(label > 3, posterior[members]), **close)


def test_a_second_panel_is_that_of_simulated_panels(rough):
    sizes = np.tile(SIZES, 6000)
    members, first = latent_classes.simulate(rough, sizes, seed=2)
    rng = np.random.default_rng(3)
    edges = rough.scores.cumsum(axis=1)[np.repeat(members, sizes), :-1]  # the same nodules, read again
    again = np.split(1 + (rng.random((len(edges), 1)) > edges).sum(axis=1), np.cumsum(sizes)[:-1])
    one, two = (ratings.ceil_mean(ratings.score_counts(panels)) for panels in (first, again))
    found = noise_ceiling.second_panel(noise_ceiling.label_table(rough, SIZES))
    assert found["multiclass", "accuracy"] == pytest.approx((one == two).mean(), abs=0.006)
    assert found["binary", "accuracy"] == pytest.approx(((one > 3) == (two > 3)).mean(), abs=0.006)
    kappa = cohen_kappa_score(one, two, weights="quadratic")
    assert found["multiclass", "quadratic weighted kappa"] == pytest.approx(kappa, abs=0.006)


@pytest.mark.parametrize("score", ["F1 (weighted)", "quadratic weighted kappa"])
@pytest.mark.parametrize("n_classes", [1, 3, 5])
def test_the_best_decision_is_that_of_trying_them_all(score, n_classes):
    for seed in range(12):
        joint = np.random.default_rng(seed).dirichlet(np.full(5 * n_classes, 0.4)).reshape(n_classes, 5)
        tables = [joint.T @ np.eye(5)[list(way)] for way in product(range(5), repeat=n_classes)]
        best = np.nanmax(agreement.table_scores(np.array(tables))[score])
        decision, value = noise_ceiling.best_decision(joint, score)
        assert value == pytest.approx(agreement.table_scores(joint.T @ np.eye(5)[decision])[score])
        assert value == pytest.approx(best)


def test_deciding_for_the_score_is_never_worse(lidc_reference):
    gain = lidc_reference["known class"] - lidc_reference["most probable label"]
    assert (gain >= -1e-9).all(axis=None)
    assert gain["multiclass", "F1 (weighted)"].min() > 0.02


def test_lidc_stands_where_it_is_known_to_stand(lidc_reference):
    known = {  # the modelled ceiling and a second panel, as first found; to be met within 0.01
        ("known class", "binary", "accuracy"): (0.865, 0.874),
        ("known class", "binary", "F1 (weighted)"): (0.85, 0.87),
        ("known class", "binary", "AUC"): (0.90, 0.92),
        ("known class", "multiclass", "accuracy"): (0.57, 0.61),
        ("known class", "multiclass", "F1 (weighted)"): (0.50, 0.60),
        ("most probable label", "multiclass", "quadratic weighted kappa"): (0.66, 0.75),
        ("second panel", "binary", "accuracy"): (0.82, 0.83),
        ("second panel", "multiclass", "accuracy"): (0.49, 0.51),
        ("second panel", "multiclass", "F1 (weighted)"): (0.49, 0.51),
        ("second panel", "multiclass", "quadratic weighted kappa"): (0.63, 0.65),
    }
    for (who, *key), (low, high) in known.items():
        found = noise_ceiling.ceiling_range(lidc_reference, who).loc[tuple(key)]
        assert low - 0.01 <= found["low"] <= found["high"] <= high + 0.01, (who, key, found.tolist())
    # With the decision made for kappa the band is higher.
    found = noise_ceiling.ceiling_range(lidc_reference).loc["multiclass", "quadratic weighted kappa"]
    assert 0.71 < found["low"] < found["high"] < 0.79


def test_a_band_spans_numbers_of_classes_and_starts(lidc_reference):
    assert set(lidc_reference.index) == {4, 6, 8, 10} and len(lidc_reference) > 8
    found = noise_ceiling.ceiling_range(lidc_reference)
    values = lidc_reference["known class", "binary", "AUC"]
    assert found.loc[("binary", "AUC")].tolist() == [values.min(), values.max()]
    assert (found["low"] < found["high"]).all()
    assert ("binary", "AUC") not in noise_ceiling.ceiling_range(lidc_reference, "second panel").index


@pytest.mark.parametrize(
    "value, expected",
    [
        (0.4, "below the second panel"),
        (0.5, "between second panel and range"),
        (0.6, "inside the range"),
        (0.7, "inside the range"),
        (0.71, "above the range"),
    ],
)
def test_places(value, expected):
    assert noise_ceiling.position(value, second=0.5, low=0.6, high=0.7) == expected


def test_without_a_second_panel_there_is_the_band_alone():
    assert noise_ceiling.position(0.4, low=0.6, high=0.7) == "below the range"
    assert noise_ceiling.position(0.8, low=0.6, high=0.7) == "above the range"


@pytest.mark.parametrize(
    "value, ends, second, found",
    [
        (np.nan, (0.6, 0.7), 0.5, "nan, 0.6, 0.7, 0.5"),
        (0.5, (0.8, 0.7), None, "0.5, 0.8, 0.7"),
        (0.5, (0.6, np.nan), None, "0.5, 0.6, nan"),
    ],
)
def test_what_cannot_be_placed(value, ends, second, found):
    with pytest.raises(ValueError, match=f"position: found {found}, expected numbers with low <= high"):
        noise_ceiling.position(value, low=ends[0], high=ends[1], second=second)


def test_the_decision_is_named():
    table = noise_ceiling.label_table(mixture([1], [[0.2] * 5]), np.array([1]))
    with pytest.raises(ValueError, match="decide: found 'best', expected 'score' or 'label'"):
        noise_ceiling.known_class(table, decide="best")
