"""What chapter 9 says of the recorded network's confidence, asserted on its predictions."""

from pathlib import Path

import numpy as np
import pytest

from lungcls.metrics import calibration, confidence, uncertainty
from lungcls.report.results import confidence_tables, networks, tables

STUDY = Path(__file__).parents[3] / "book" / "results" / "study"


@pytest.fixture(scope="module")
def study():
    return networks.study(networks.out_of_fold(STUDY))


@pytest.fixture(scope="module")
def facts(study):
    return confidence_tables.study_facts(study)


@pytest.fixture(scope="module")
def test(study):
    run = study.run(task="multiclass", view="nodule", model="efficientnetb4", stage="fine_tuning")
    result = tables.result_of(run.predictions, study.cohort)
    return confidence_tables.tested(result, task="multiclass", seed=0)


def share(text):
    return float(text.split()[0].removesuffix("%").strip())


def test_the_numbers_are_those_of_the_network_that_the_chapter_opens(facts, test, study):
    assert facts["sure_network"] == "EfficientNetB4 FT" and facts["sure_n"] == f"{len(test.y_true):,}"
    assert share(facts["sure_mean"]) == pytest.approx(test.confidence.mean(), abs=0.005)
    assert share(facts["sure_right"]) == pytest.approx(test.right.mean(), abs=0.005)
    assert share(facts["sure_wrong"]) == pytest.approx(100 * (1 - test.right.mean()), abs=0.5)
    surest = np.argsort(-test.confidence, kind="stable")[: len(test.right) // 2]
    assert share(facts["sure_wrong_half"]) == pytest.approx(100 * (~test.right)[surest].mean(), abs=0.5)


def test_confidence_is_off_beyond_chance_and_a_temperature_mends_it(facts):
    assert float(facts["sure_error"]) > float(facts["sure_chance"]) > float(facts["sure_error_after"])
    assert float(facts["sure_temperature"]) > 1
    assert share(facts["sure_mean"]) > share(facts["sure_right"])


def test_the_surest_half_gains_and_is_still_wrong_more_often_than_the_ruler(facts):
    assert share(facts["sure_wrong"]) > share(facts["sure_wrong_half"]) > share(facts["ruler_wrong"])
    low = float(facts["sure_gain"].partition("[")[2].partition(",")[0])
    assert low > 0
    assert share(facts["ruler_size"]) < share(facts["sure_size"])


def test_a_network_that_is_right_has_gaps_too_and_which_scores_are_overconfident(test):
    drawn = confidence.calibrated_gaps(test.y_prob, seed=0, draws=200)
    assert (np.quantile(drawn, 0.025, axis=0) > 0).all()
    options = {"patients": test.patients, "seed": 0}
    table = confidence.class_table(test.y_true, test.y_pred, test.y_prob, **options)
    excess = table.xs("excess", level="measure")
    assert list(excess.index[excess["low"] > 0]) == ["score 1", "score 2", "score 5"]
    assert list(excess.index[excess["high"] < 0]) == ["score 3"]


def test_wrong_answers_are_a_little_less_sure_and_readers_hardly_followed(test, study):
    assert 0 < test.confidence[test.right].mean() - test.confidence[~test.right].mean() < 0.1
    ratings = study.cohort.cases.set_index("case_id")["ratings"].loc[test.case_ids]
    spread, unsure = uncertainty.reader_spread(ratings), uncertainty.entropy(test.y_prob)
    assert (
        abs(uncertainty.correlation_interval(unsure, spread, patients=test.patients, seed=0)["value"]) < 0.1
    )


def test_class_shares_mend_what_balanced_training_did(test):
    shares = np.bincount(test.y_true, minlength=6)[1:] / len(test.y_true)
    corrected = test.y_prob * shares
    corrected /= corrected.sum(axis=1, keepdims=True)
    before, after = (
        calibration.losses(test.y_true, p)["log-loss"].mean() for p in (test.tempered, corrected)
    )
    assert after < before
    assert (corrected.argmax(axis=1) + 1 == test.y_true).mean() > test.right.mean()
