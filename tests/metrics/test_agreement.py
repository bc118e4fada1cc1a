"""How far readers agree: measures against published and outside answers."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from lungcls.metrics import agreement, bootstrap, ratings as readers
from lungcls.sources import annotations

# Krippendorff's own example: four observers, twelve units, values 1 to 5 (krippendorff2011).
EXAMPLE = [
    "1 1 1",
    "2 2 3 2",
    "3 3 3 3",
    "3 3 3 3",
    "2 2 2 2",
    "1 2 3 4",
    "4 4 4 4",
    "1 1 2 1",
    "2 2 2 2",
    "5 5 5",
    "1 1",
    "3",
]


@pytest.fixture(scope="module")
def every():
    table = annotations.nodules(scans_per_patient=None, least_readers=1, aggregation="ceil_mean")
    return readers.parse_ratings(table["ratings"]), table["patient_id"].to_numpy()


def alpha(ratings, metric):
    counts = readers.score_counts(readers.parse_ratings(ratings))
    return agreement.krippendorff_alpha(agreement.coincidences(counts).sum(axis=0), metric=metric)


@pytest.mark.parametrize("metric, published", [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_published_example(metric, published):
    assert alpha(EXAMPLE, metric) == pytest.approx(published, abs=0.0005)


def test_alpha_of_two_units_by_hand():
    # 1 2 | 2 2: of the coincidences 1-2, 2-1 and twice 2-2 half disagree; by chance, of four
    # readings (1 once, 2 three times) also 6 in 12 ordered pairs.
    assert alpha(["1 2", "2 2"], "nominal") == pytest.approx(1 - (2 / 4) / (6 / 12))


@pytest.mark.parametrize("metric", agreement.METRICS)
def test_alpha_is_one_for_perfect_agreement_and_none_for_chance(metric):
    assert alpha(["1 1 1", "4 4", "5 5 5 5"], metric) == 1
    rng = np.random.default_rng(0)
    by_chance = [" ".join(map(str, rng.integers(1, 6, 4))) for _ in range(4000)]
    assert alpha(by_chance, metric) == pytest.approx(0, abs=0.02)
    assert np.isnan(alpha(["3 3", "3 3 3"], metric))


def test_alpha_knows_its_metrics():
    with pytest.raises(ValueError, match="metric: found 'ratio', expected one of nominal, ordinal, interval"):
        agreement.krippendorff_alpha(np.eye(5), metric="ratio")


def test_scores_of_a_table_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    label, decided = rng.integers(0, 5, 300), rng.integers(0, 4, 300)  # class 4 is never decided for
    table = np.zeros((5, 5))
    np.add.at(table, (label, decided), 1)
    found = agreement.both_tasks(table)
    assert found["multiclass", "accuracy"] == pytest.approx(accuracy_score(label, decided))
    expected = f1_score(label, decided, average="weighted", zero_division=0)
    assert found["multiclass", "F1 (weighted)"] == pytest.approx(expected)
    expected = f1_score(label >= 3, decided >= 3, average="weighted")
    assert found["binary", "F1 (weighted)"] == pytest.approx(expected)
    assert found["binary", "accuracy"] == pytest.approx(((label >= 3) == (decided >= 3)).mean())


def test_patients_are_drawn_whole():
    found, patients = readers.parse_ratings(["1 1", "1 2", "3 3 4", "5 5"]), ["a", "a", "b", "c"]
    table = agreement.reader_agreement(found, patients, seed=0, resamples=300)
    same, pairs = np.array([1, 0, 1, 1]), np.array([1, 1, 3, 1])
    weights = bootstrap.patient_weights(patients, resamples=300, seed=0)
    assert (weights[:, 0] == weights[:, 1]).all()  # both of patient a
    shares = (weights @ same) / (weights @ pairs)
    assert table.loc["same score", "value"] == pytest.approx(0.5)
    assert table.loc["same score", ["low", "high"]].tolist() == pytest.approx(
        np.quantile(shares, [0.025, 0.975])
    )
    with pytest.raises(ValueError, match=r"patients: found shape \(2,\), expected \(4,\), one a nodule"):
        agreement.reader_agreement(found, ["a", "b"], seed=0, resamples=5)


def test_lidc_readers_agree_as_known(every):
    found = agreement.reader_agreement(*every, seed=0, resamples=300)
    assert found.loc["same score", "value"] == pytest.approx(0.38, abs=0.005)
    assert found.loc["quadratic weighted kappa", "value"] == pytest.approx(0.465, abs=0.005)
    assert found.loc["Krippendorff's alpha, ordinal", "value"] == pytest.approx(0.43, abs=0.005)
    assert (found["low"] < found["value"]).all() and (found["value"] < found["high"]).all()
    assert (found["high"] - found["low"] < 0.1).all()


def test_more_readers_foresee_a_label_better(every):
    one = agreement.split_agreement(*every, first=1, size=4, seed=0, resamples=50)["value"]
    two = agreement.split_agreement(*every, first=2, size=4, seed=0, resamples=50)["value"]
    rest = agreement.split_agreement(*every, first=1, seed=0, resamples=50)["value"]
    kappa = ("multiclass", "quadratic weighted kappa")
    pair = agreement.reader_agreement(*every, seed=0, resamples=50)["value"]["quadratic weighted kappa"]
    assert pair < one[kappa] < two[kappa] and pair < rest[kappa]
    assert two["multiclass", "accuracy"] > one["multiclass", "accuracy"]


def test_a_single_reader_is_the_decision_and_the_rest_the_label():
    # One reader says 5, two say 1: the label of the rest is 1 or 3, that of a single reader 5 or 1.
    found = agreement.split_agreement(
        readers.parse_ratings(["1 1 5"] * 3), ["a", "b", "c"], first=1, seed=0, resamples=5
    )["value"]
    table = np.zeros((5, 5))
    table[0, 4], table[2, 0] = 1, 2  # label 1, decision 5; label 3, decision 1, twice
    assert found["multiclass", "quadratic weighted kappa"] == pytest.approx(readers.weighted_kappa(table))
    assert found["multiclass", "accuracy"] == 0
