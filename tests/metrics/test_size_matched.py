"""AUC among nodules of like diameter."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lungcls.metrics import bootstrap, size_matched
from lungcls.sources import annotations


def nodules(n=600, *, beyond=0.0, seed=0):
    """Labels that go with diameter, and a score that knows `beyond` more than diameter."""
    rng = np.random.default_rng(seed)
    diameter = np.exp(rng.normal(2.2, 0.5, n))
    hidden = rng.normal(size=n)
    y_true = (2 * np.log(diameter / 12) + hidden + 0.5 * rng.normal(size=n) > 0).astype(int)
    return y_true, np.log(diameter) + beyond * hidden, diameter, np.arange(n) // 2


def test_bands_are_those_of_scikit_learn():
    y_true, y_score, diameter, patients = nodules(beyond=0.3)
    table = size_matched.stratified_auc(y_true, y_score, diameter, patients=patients, seed=0, resamples=200)
    bands = {
        "all": diameter > 0,
        "below 8 mm": diameter < 8,
        "8 to 15 mm": (diameter >= 8) & (diameter < 15),
        "15 mm and above": diameter >= 15,
    }
    assert list(table["size"]) == list(bands)
    for row, inside in zip(table.itertuples(), bands.values(), strict=True):
        assert row.value == pytest.approx(roc_auc_score(y_true[inside], y_score[inside]))
        assert row.low < row.value < row.high
        assert (row.n, row.malignant) == (inside.sum(), y_true[inside].sum())
        assert row.patients == len(np.unique(patients[inside]))


def test_an_edge_belongs_to_the_upper_band_and_an_empty_band_has_no_row():
    table = size_matched.stratified_auc(
        [0, 1, 1, 0], [1, 2, 3, 4], [8, 8, 9, 14.9], patients=range(4), seed=0, resamples=20
    )
    assert list(table["size"]) == ["all", "8 to 15 mm"] and table["n"].tolist() == [4, 4]


def test_a_band_without_a_class_is_nan():
    table = size_matched.stratified_auc(
        [0, 0, 0, 1], [1, 2, 3, 4], [5, 5, 9, 9], patients=range(4), seed=0, resamples=20
    ).set_index("size")
    assert np.isnan(table.loc["below 8 mm", "value"]) and table.loc["below 8 mm", "resamples"] == 0
    assert table.loc["8 to 15 mm", "value"] == 1


def test_matching_takes_size_away_and_leaves_the_rest():
    y_true, y_score, diameter, patients = nodules()
    assert roc_auc_score(y_true, y_score) > 0.8
    options = {"patients": patients, "seed": 0, "resamples": 200}
    row = size_matched.matched_auc(y_true, y_score, diameter, **options).iloc[0]
    assert row["value"] == row["low"] == row["high"] == 0.5  # knows diameter, and nothing else
    y_true, y_score, diameter, patients = nodules(beyond=1.0)
    row = size_matched.matched_auc(y_true, y_score, diameter, **options).iloc[0]
    assert 0.75 < row["low"] < row["value"] < row["high"] < 0.97


def test_matched_pairs_by_hand_and_by_resample():
    y_true, y_score, diameter, patients = nodules(80, beyond=0.4)
    y_score = np.round(y_score, 1)  # ties

    def by_hand(rows):
        shares = []
        for i in rows[y_true[rows] == 1]:
            smaller = [j for j in rows[y_true[rows] == 0] if 1 < diameter[i] / diameter[j] <= 1.2]
            larger = [j for j in rows[y_true[rows] == 0] if 1 < diameter[j] / diameter[i] <= 1.2]
            if smaller and larger:
                wins = [
                    ((y_score[i] > y_score[side]) + 0.5 * (y_score[i] == y_score[side])).mean()
                    for side in (smaller, larger)
                ]
                shares.append(np.mean(wins))
        return np.mean(shares)

    options = {"patients": patients, "seed": 3, "caliper": 1.2, "resamples": 40}
    row = size_matched.matched_auc(y_true, y_score, diameter, **options).iloc[0]
    assert row["value"] == pytest.approx(by_hand(np.arange(80)))
    weights = bootstrap.patient_weights(patients, resamples=40, seed=3).astype(int)
    draws = [by_hand(np.repeat(np.arange(80), weight)) for weight in weights]
    np.testing.assert_allclose(row[["low", "high"]].astype(float), np.quantile(draws, (0.025, 0.975)))


def test_at_one_size_it_is_the_plain_auc():
    y_true, y_score, _, patients = nodules()
    row = size_matched.matched_auc(
        y_true, y_score, np.full(len(y_true), 9.0), patients=patients, seed=0, caliper=1, resamples=20
    ).iloc[0]
    assert row["value"] == pytest.approx(roc_auc_score(y_true, y_score)) and row["n"] == len(y_true)


def test_malignant_nodules_without_a_match_on_both_sides_are_left_out():
    y_true, diameter = [1, 0, 0, 1, 0, 1], [10, 9.5, 10.5, 30, 29, 50]
    row = size_matched.matched_auc(
        y_true, [5, 1, 2, 3, 4, 6], diameter, patients=range(6), seed=0, resamples=20
    )
    assert tuple(row.loc[0, ["value", "n", "malignant", "patients"]]) == (1, 3, 1, 3)


def test_the_scale_of_the_score_does_not_matter():
    y_true, y_score, diameter, patients = nodules(beyond=0.3)
    options = {"patients": patients, "seed": 0, "resamples": 20}
    for function in (size_matched.matched_auc, size_matched.stratified_auc):
        table = function(y_true, y_score, diameter, **options)
        assert table.equals(function(y_true, np.exp(y_score), diameter, **options))


def test_folds_are_not_compared_with_each_other():
    y_true, y_score, diameter, patients = nodules(beyond=0.3)
    folds = patients % 3
    shifted = y_score + 10 * folds  # models that place everything differently
    options = {"patients": patients, "seed": 0, "resamples": 20, "folds": folds}
    for function in (size_matched.matched_auc, size_matched.stratified_auc):
        table = function(y_true, y_score, diameter, **options)
        np.testing.assert_allclose(function(y_true, shifted, diameter, **options)["value"], table["value"])
    expected = [roc_auc_score(y_true[folds == fold], y_score[folds == fold]) for fold in range(3)]
    pairs = [y_true[folds == fold].sum() * (1 - y_true[folds == fold]).sum() for fold in range(3)]
    assert table["value"][0] == pytest.approx(np.average(expected, weights=pairs))


def test_diameter_within_bands_on_the_reports_list():
    """Known figures, of the label median > 3: .67, .75 and .58."""
    cases = annotations.report_cases()
    malignant = [np.median([int(score) for score in text.split()]) > 3 for text in cases["ratings"]]
    table = size_matched.stratified_auc(
        np.array(malignant, int),
        cases["diameter_mm"],
        cases["diameter_mm"],
        patients=cases["patient_id"],
        seed=0,
        resamples=20,
    )
    np.testing.assert_allclose(table["value"][1:], [0.67, 0.75, 0.58], atol=0.01)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"y_true": [0, 2]}, "y_true: found shape"),
        ({"y_score": [1]}, r"y_score: found shape \(1,\), expected \(2,\)"),
        ({"y_score": [1, np.nan]}, "y_score: found a number that is not finite"),
        ({"diameter": [3, 0]}, "diameter: found a number that is not above 0"),
        ({"folds": [0]}, r"folds: found shape \(1,\)"),
    ],
)
def test_errors(change, message):
    given = {"y_true": [0, 1], "y_score": [1, 2], "diameter": [3, 4], "patients": [0, 1], "folds": None}
    given |= change
    options = {"patients": given.pop("patients"), "folds": given.pop("folds"), "seed": 0}
    for function in (size_matched.stratified_auc, size_matched.matched_auc):
        with pytest.raises(ValueError, match=message):
            function(*given.values(), **options)


def test_groups_of_any_kind_are_scored_like_bands():
    y_true, y_score, diameter, patients = nodules(beyond=0.3)
    options = {"patients": patients, "folds": patients % 3, "seed": 0, "resamples": 20}
    bands = size_matched.stratified_auc(y_true, y_score, diameter, **options)
    groups = {"small": diameter < 8, "odd": np.arange(len(y_true)) % 2 == 1}
    found = size_matched.grouped_auc(y_true, y_score, groups, **options)
    assert list(found["size"]) == ["small", "odd"] and found["n"].tolist() == [(diameter < 8).sum(), 300]
    assert found.loc[0, "value":].tolist() == bands.loc[1, "value":].tolist()


def test_errors_of_edges_and_caliper():
    given = ([0, 1], [1, 2], [3, 4])
    with pytest.raises(ValueError, match="edges: found"):
        size_matched.stratified_auc(*given, patients=[0, 1], seed=0, edges=(15, 8))
    with pytest.raises(ValueError, match="caliper: found 0.9"):
        size_matched.matched_auc(*given, patients=[0, 1], seed=0, caliper=0.9)
