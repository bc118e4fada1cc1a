"""Intervals by bootstrap over patients."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from lungcls.metrics import bootstrap, classification

ALL = classification.AVERAGES


def clustered(n_patients=60, *, task="binary", seed=0):
    """Labels, decisions, probabilities and patients; cases of a patient resemble each other."""
    rng = np.random.default_rng(seed)
    labels = np.array(classification.LABELS[task])
    patients = np.repeat(np.arange(n_patients), rng.integers(1, 5, n_patients))
    n = len(patients)
    place = rng.normal(size=n_patients)[patients] + rng.normal(size=n)
    y_true = labels[np.searchsorted(np.quantile(place, np.arange(1, len(labels)) / len(labels)), place)]
    seen = place + rng.normal(size=n_patients)[patients] + 0.3 * rng.normal(size=n)
    steps = np.quantile(seen, (np.arange(len(labels)) + 0.5) / len(labels))
    y_prob = np.exp(-((seen[:, None] - steps) ** 2))
    y_prob /= y_prob.sum(axis=1, keepdims=True)
    return y_true, labels[y_prob.argmax(axis=1)], y_prob, np.array([f"P{i}" for i in patients])


def test_intervals_are_those_of_a_plain_loop():
    y_true, y_pred, y_prob, patients = clustered()
    table = bootstrap.score_intervals(
        y_true, y_pred, y_prob, patients=patients, task="binary", average="weighted", seed=4, resamples=60
    )
    weights = bootstrap.patient_weights(patients, resamples=60, seed=4)
    rows = [np.repeat(np.arange(len(y_true)), drawn.astype(int)) for drawn in weights]
    looped = [f1_score(y_true[drawn], y_pred[drawn], average="weighted") for drawn in rows]
    found = table.set_index("score").loc["F1 (weighted)"]
    np.testing.assert_allclose([found["low"], found["high"]], np.quantile(looped, (0.025, 0.975)))
    assert found["value"] == pytest.approx(f1_score(y_true, y_pred, average="weighted"))


def test_the_table():
    y_true, y_pred, y_prob, patients = clustered(task="multiclass")
    options = {"patients": patients, "task": "multiclass", "average": ALL, "seed": 0, "resamples": 300}
    table = bootstrap.score_intervals(y_true, y_pred, y_prob, **options)
    assert list(table) == ["score", "value", "low", "high", "n", "patients", "resamples"]
    assert dict(zip(table["score"], table["value"], strict=True)) == classification.scores(
        y_true, y_pred, y_prob, task="multiclass", average=ALL
    )
    assert (table["low"] <= table["high"]).all()
    assert (table["n"] == len(y_true)).all() and (table["patients"] == 60).all()
    assert table.equals(bootstrap.score_intervals(y_true, y_pred, y_prob, **options))  # the seed decides
    narrower = bootstrap.score_intervals(y_true, y_pred, y_prob, level=0.5, **options)
    assert (narrower["low"] >= table["low"]).all() and (narrower["high"] <= table["high"]).all()


def test_patients_are_drawn_whole():
    patients = np.array(list("aabcbbd"))
    weights = bootstrap.patient_weights(patients, resamples=4000, seed=0)
    for name in "abcd":
        own = weights[:, patients == name]
        np.testing.assert_array_equal(own, own[:, :1].repeat(own.shape[1], axis=1))
    first = [np.flatnonzero(patients == name)[0] for name in "abcd"]
    assert (weights[:, first].sum(axis=1) == 4).all()
    np.testing.assert_allclose(weights[:, first].mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(weights[:, first].var(axis=0), 3 / 4, atol=0.08)  # multinomial


def test_the_standard_error_is_that_of_a_ratio_of_patient_sums():
    y_true, y_pred, _, patients = clustered(400)
    right = y_true == y_pred
    _, owner = np.unique(patients, return_inverse=True)
    off = np.bincount(owner, right - right.mean())
    expected = np.sqrt((off**2).sum()) / len(right)
    _, draws = bootstrap.resample(
        lambda weights: classification.weighted_scores(
            y_true, y_pred, weights=weights, task="binary", average="macro"
        ),
        patients=patients,
        seed=0,
        resamples=4000,
    )
    assert draws["accuracy"].std() == pytest.approx(expected, rel=0.04)


def test_a_resample_without_a_class_is_not_counted():
    y_true = np.array([0] * 8 + [1])
    y_prob = np.where(y_true[:, None] == [0, 1], 0.8, 0.2)
    patients = np.arange(9)
    table = bootstrap.score_intervals(
        y_true, y_true, y_prob, patients=patients, task="binary", average=ALL, seed=0, resamples=500
    )
    table = table.set_index("score")
    weights = bootstrap.patient_weights(patients, resamples=500, seed=0)
    with_class = int((weights[:, 8] > 0).sum())
    assert 200 < with_class < 450
    for score in ("AUC", "recall (malignant)", "F1 (macro)", "balanced accuracy"):
        assert table.loc[score, "resamples"] == with_class
    assert table.loc["accuracy", "resamples"] == 500 == table.loc["F1 (weighted)", "resamples"]


def test_a_class_without_a_case_has_no_interval():
    y_true, y_pred = np.array([1, 2, 3, 4]), np.array([1, 2, 3, 3])
    table = bootstrap.score_intervals(
        y_true, y_pred, patients=range(4), task="multiclass", average="per_class", seed=0, resamples=50
    )
    row = table.set_index("score").loc["recall (score 5)"]
    assert row["resamples"] == 0 and row[["value", "low", "high"]].isna().all()


def test_differences_use_the_same_resamples():
    y_true, y_pred, y_prob, patients = clustered()
    other = np.where(np.random.default_rng(1).random(len(y_true)) < 0.1, 1 - y_pred, y_pred)
    options = {"patients": patients, "task": "binary", "average": ALL, "seed": 0, "resamples": 400}
    table = bootstrap.score_differences(y_true, (y_pred, y_prob), (other, y_prob), **options)
    assert list(table) == [
        "score",
        "first",
        "second",
        "difference",
        "low",
        "high",
        "p",
        "n",
        "patients",
        "resamples",
    ]
    np.testing.assert_allclose(table["difference"], table["first"] - table["second"])
    ours = bootstrap.score_intervals(y_true, y_pred, y_prob, **options)
    np.testing.assert_allclose(table["first"], ours["value"])
    found = table.set_index("score")
    assert tuple(found.loc["AUC", ["difference", "low", "high", "p"]]) == (0, 0, 0, 1)  # same probabilities
    width = found.loc["accuracy", "high"] - found.loc["accuracy", "low"]
    alone = ours.set_index("score").loc["accuracy"]
    assert width < alone["high"] - alone["low"]  # paired
    turned = bootstrap.score_differences(y_true, (other, y_prob), (y_pred, y_prob), **options)
    np.testing.assert_allclose(turned["difference"], -table["difference"])
    np.testing.assert_allclose(turned["low"], -table["high"], atol=1e-12)
    np.testing.assert_allclose(turned["p"], table["p"])


def test_p_value():
    assert bootstrap.two_sided(np.arange(1, 100)) == pytest.approx(2 / 100)  # none on the other side
    assert bootstrap.two_sided(np.array([-1.0, 1, -1, 1, np.nan])) == 1
    assert bootstrap.two_sided(np.array([-1.0] + [1] * 8)) == pytest.approx(0.4)
    assert np.isnan(bootstrap.two_sided(np.array([np.nan])))


def test_many_cases_are_done_in_batches(monkeypatch):
    y_true, y_pred, y_prob, patients = clustered()
    options = {"patients": patients, "task": "binary", "average": ALL, "seed": 0, "resamples": 100}
    whole = bootstrap.score_intervals(y_true, y_pred, y_prob, **options)
    monkeypatch.setattr(bootstrap, "_BATCH", 7 * len(y_true))
    assert bootstrap.score_intervals(y_true, y_pred, y_prob, **options).equals(whole)


def test_every_resample_is_scored_once_and_few_weights_are_held_at_a_time(monkeypatch):
    y_true, y_pred, y_prob, patients = (array[:355] for array in clustered(250, task="multiclass"))
    assert len(y_true) == 355
    seen, whole = [], classification.weighted_scores

    def watched(*arrays, weights, **options):
        seen.append(weights.shape)
        return whole(*arrays, weights=weights, **options)

    monkeypatch.setattr(classification, "weighted_scores", watched)
    bootstrap.score_intervals(
        y_true, y_pred, y_prob, patients=patients, task="multiclass", average=ALL, seed=0
    )
    assert seen[0] == (1, 355) and sum(shape[0] for shape in seen[1:]) == bootstrap.RESAMPLES
    assert all(np.prod(shape) <= bootstrap._BATCH for shape in seen)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"patients": np.zeros(4)}, "patients: found 1, expected at least two"),
        ({"patients": np.arange(3)}, r"patients: found shape \(3,\), expected \(4,\)"),
        ({"patients": np.array(["a", None, "b", "c"], object)}, "without a missing one"),
        ({"resamples": 0}, "resamples: found 0"),
        ({"level": 95}, "level: found 95"),
        ({"average": "micro"}, "average: found 'micro'"),
    ],
)
def test_errors(options, message):
    y = np.array([0, 1, 0, 1])
    options = {"patients": np.arange(4), "average": "macro", "resamples": 10} | options
    with pytest.raises(ValueError, match=message):
        bootstrap.score_intervals(y, y, task="binary", seed=0, **options)


def test_differences_want_probabilities_of_both_or_of_none():
    y = np.array([0, 1])
    with pytest.raises(ValueError, match="y_prob: found None for one of two models"):
        bootstrap.score_differences(
            y, (y, np.eye(2)), (y, None), patients=y, task="binary", average="macro", seed=0
        )


# --- Means over cases -------------------------------------------------------------------


def test_means_leave_out_what_is_not_there():
    values = pd.DataFrame({"a": [1.0, 2.0, np.nan, 4.0], "b": [True, False, True, True], "c": [np.nan] * 4})
    found = bootstrap.mean_intervals(values, patients=["p", "p", "q", "r"], seed=0)
    assert found.loc["a", ["value", "n", "patients"]].tolist() == [pytest.approx(7 / 3), 3, 2]
    assert found.loc["b", ["value", "n", "patients"]].tolist() == [0.75, 4, 3]
    assert np.isnan(found.loc["c", "value"]) and found.loc["c", "n"] == 0
    weighted = bootstrap.weighted_means(values.to_numpy(float), np.array([[0, 1, 5, 1.0]]))
    assert weighted[0, :2] == pytest.approx([3, 6 / 7]) and np.isnan(weighted[0, 2])


def test_intervals_of_means_are_those_of_scores():
    y_true, y_pred, _, patients = clustered()
    right = pd.DataFrame({"accuracy": y_true == y_pred})
    row = bootstrap.mean_intervals(right, patients=patients, seed=5).loc["accuracy"]
    scored = bootstrap.score_intervals(
        y_true, y_pred, patients=patients, task="binary", average="macro", seed=5
    )
    expected = scored.set_index("score").loc["accuracy"]
    np.testing.assert_allclose(
        row[["value", "low", "high"]].astype(float), expected[["value", "low", "high"]].astype(float)
    )
    with pytest.raises(ValueError, match="patients: found shape"):
        bootstrap.mean_intervals(right, patients=["p"], seed=0)


def test_means_are_over_cases_and_intervals_over_their_patients():
    rng = np.random.default_rng(0)
    patients = np.array([f"p{i // 2}" for i in range(20)])
    values = pd.DataFrame({"all": rng.random(20), "some": rng.random(20)})
    values.loc[3:5, "some"] = np.nan
    found = bootstrap.mean_intervals(values, patients=patients, seed=1)
    assert found.loc["some", "value"] == pytest.approx(values["some"].mean()) and found["n"].tolist() == [
        20,
        17,
    ]
    weights = bootstrap.patient_weights(patients, resamples=bootstrap.RESAMPLES, seed=1)  # oracle
    draws = [np.average(values["all"], weights=w) for w in weights]
    assert found.loc["all", ["low", "high"]].tolist() == pytest.approx(
        np.quantile(draws, [0.025, 0.975]).tolist()
    )
    assert found.equals(bootstrap.mean_intervals(values, patients=patients, seed=1))
    with pytest.raises(ValueError, match="patients: found shape"):
        bootstrap.mean_intervals(values, patients=patients[:3], seed=1)
