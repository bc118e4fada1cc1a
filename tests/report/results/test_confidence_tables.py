"""Tables of confidence, for runs and baselines alike."""

from conftest import sharpened
import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.metrics import calibration, confidence, conformal
from lungcls.report.results import confidence_tables as ct


def result(task="multiclass", n=200, seed=0):
    size = len(CLASS_COLUMNS[task])
    y_true, y_prob = sharpened(n, size=size, seed=seed)
    table = pd.DataFrame(y_prob, columns=list(CLASS_COLUMNS[task]))
    return table.assign(
        case_id=[f"c{i}" for i in range(n)],
        patient_id=[f"p{i // 2}" for i in range(n)],
        y_true=y_true,
        y_pred=y_prob.argmax(axis=1) + (size == 5),
        confidence=y_prob.max(axis=1),
    )


def constant(n=200):
    return result().assign(p_1=0.1, p_2=0.1, p_3=0.6, p_4=0.1, p_5=0.1, y_pred=3, confidence=0.6)


@pytest.fixture(scope="module")
def tests():
    return {
        "network": ct.tested(result(), task="multiclass", seed=0),
        "constant": ct.tested(constant(), task="multiclass", seed=0),
    }


def test_a_temperature_comes_from_other_patients(tests):
    test = tests["network"]
    number = calibration.folds(test.y_true, test.patients, seed=0)
    expected, temperatures = calibration.cross_tempered(test.y_true, test.y_prob, number)
    np.testing.assert_array_equal(test.tempered, expected)
    np.testing.assert_array_equal(test.temperatures, temperatures)
    assert (test.right == (test.y_true == test.y_pred)).all() and test.confidence.max() <= 1


def test_distribution_writes_the_reports_range(tests):
    table = ct.distribution(tests, seed=0)
    assert list(table.columns) == ["mean", "0.5 to 0.7", "below 0.5", "range"]
    assert table.loc["constant"].tolist() == [
        "0.60 [0.60, 0.60]",
        "100.0 [100.0, 100.0]",
        "0.0 [0.0, 0.0]",
        "0.60 to 0.60",
    ]


def test_classes_stand_beside_a_calibrated_network(tests):
    found, drawn = ct.classes(tests["network"], seed=0)
    gaps = confidence.calibrated_gaps(tests["network"].y_prob, seed=0)
    np.testing.assert_allclose(drawn["value"], gaps.mean(axis=0))
    short = ct.class_gaps(tests["network"], seed=0)
    assert (
        short["gap 1"].startswith(f"{found.loc[('score 1', 'gap'), 'value']:+.2f}")
        and f"({drawn['value'].iloc[0]:+.2f})" in short["gap 1"]
    )
    assert found.loc[("score 1", "excess"), "value"] > 0  # it is too sure
    assert ct.class_gaps(tests["constant"], seed=0)["gap 1"] == "–"


def test_calibration_is_mended_and_chance_stands_beside_it(tests):
    table, test = ct.calibrated(tests, seed=0).loc["network"], tests["network"]
    scores = [
        calibration.calibration_scores(test.y_true, p, patients=test.patients, seed=0)
        for p in (test.y_prob, test.tempered)
    ]
    for name, column in (("log-loss", "log-loss"), ("calibration error", "ECE")):
        before, after = (one.loc[name, "value"] for one in scores)
        assert after < before and table[column].str.startswith((f"{before:.2f}", f"{after:.2f}")).all()
    by_chance = calibration.error_if_calibrated(test.y_prob, seed=0)
    assert by_chance.mean() < np.quantile(by_chance, 0.95) < scores[0].loc["calibration error", "value"]
    assert float(table.loc["after", "T"]) > 1 and table.loc["before", "T"] == "–"
    assert table.loc["before", "by chance"] == f"{by_chance.mean():.2f}"
    hopeless = result()  # the label is always what it holds to be least likely
    hopeless["y_true"] = 1 + hopeless[list(CLASS_COLUMNS["multiclass"])].to_numpy().argmin(axis=1)
    table = ct.calibrated({"hopeless": ct.tested(hopeless, task="multiclass", seed=0)}, seed=0)
    assert table.loc[("hopeless", "after"), "T"] == "> 1,000"


def test_sets_name_the_classes_that_are_in_all(tests):
    table = ct.prediction_sets(tests, level=0.9, seed=0)
    assert list(table.loc["network"].index) == list(conformal.KINDS)
    assert table.loc[("network", "neighbours"), "gaps"] == "0\N{NO-BREAK SPACE}%"
    few = result()
    few = few[(few["y_true"] != 5) | (few["y_true"].eq(5).cumsum() <= 5)]
    table = ct.prediction_sets({"few": ct.tested(few, task="multiclass", seed=0)}, level=0.9, seed=0)
    assert (
        table.loc[("few", "one a class"), "full"] == "5"
        and table.loc[("few", "one threshold"), "full"] == "–"
    )
    tiny = ct.tested(few.iloc[:9], task="multiclass", seed=0)
    assert set(ct.prediction_sets({"tiny": tiny}, level=0.95, seed=0)["full"]) == {"all"}


def test_binary_sets_have_no_neighbours():
    test = ct.tested(result("binary"), task="binary", seed=0)
    table = ct.prediction_sets({"network": test}, level=0.8, seed=0)
    assert list(table.index.get_level_values("thresholds")) == ["one threshold", "one a class"]
    assert "(benign)" in table["least"].iloc[0] or "(malignant)" in table["least"].iloc[0]
