"""The calibrator in a run's folder, and predictions through it."""

import json
import shutil

from conftest import sharpened
import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts import cohort
from lungcls.errors import InputError
from lungcls.metrics import calibration, conformal
from lungcls.runs import calibration as calibrator, prediction, store


@pytest.fixture
def own(trained, tmp_path):
    """A copy of the trained run that may be written to."""
    return store.load(shutil.copytree(trained[-1].folder, tmp_path / "store" / trained[-1].id))


@pytest.fixture
def elsewhere(trained, tmp_path):
    """The cohort of the run under other ids: no case of it is known."""
    loaded = cohort.load(trained[0])
    cases = loaded.cases.drop(columns="malignancy").assign(case_id=[f"new{i}" for i in range(len(loaded))])
    images = {view: np.array(array[:]) for view, array in loaded.views.items()}
    return cohort.save(cohort.Cohort(cases, images, {}, loaded.info), tmp_path / "elsewhere")


def test_fit_holds_what_the_parts_give():
    y_true, y_prob = sharpened(150)
    keep = np.flatnonzero((y_true != 5) | (np.cumsum(y_true == 5) <= 6))
    y_true, y_prob = y_true[keep], y_prob[keep]
    found = calibrator.fit(y_true, y_prob)
    assert found["temperature"] == calibration.temperature(y_true, y_prob)
    assert (
        found["n"] == {str(score): (y_true == score).sum() for score in range(1, 6)} and found["n"]["5"] == 6
    )
    expected = conformal.thresholds(y_true, 1 - y_prob, level=0.9, by_class=True)
    assert found["thresholds"]["0.9"] == [*expected[:4], None]  # six are too few
    assert found["thresholds"]["0.8"][4] is not None
    assert json.loads(json.dumps(found)) == found


def test_sets_name_the_labels():
    y_true, y_prob = sharpened(150)
    found = calibrator.fit(y_true, y_prob)
    texts = calibrator.sets(found, y_prob, level=0.8)
    limits = conformal.thresholds(y_true, 1 - y_prob, level=0.8, by_class=True)
    expected = conformal.sets(y_prob, 1 - y_prob, limits)
    assert texts[0] == " ".join(str(score) for score in range(1, 6) if expected[0, score - 1])
    assert set(
        calibrator.sets(calibrator.fit([0, 1], [[0.9, 0.1], [0.4, 0.6]]), [[0.5, 0.5]], level=0.9)
    ) == {"0 1"}
    with pytest.raises(InputError, match="sets: found 0.7, expected one of 0.8, 0.9, 0.95"):
        calibrator.sets(found, y_prob, level=0.7)


def test_it_is_made_once_and_kept(own):
    path = own.folder / calibrator.NAME
    assert not path.exists()
    found = calibrator.of_run(own)
    assert json.loads(path.read_text()) == found and found["run"] == own.id
    assert found["temperature"] == calibration.temperature(*own.part("test"))
    path.write_text(json.dumps(found | {"temperature": 7.0}))
    assert calibrator.of_run(own)["temperature"] == 7.0  # it was read, not made
    assert sorted(file.name for file in own.folder.glob(".*")) == []


@pytest.mark.parametrize("damage", ["{", "[]", '{"made_of": {}}'])
def test_what_is_damaged_or_of_others_is_made_anew(own, damage):
    found = calibrator.of_run(own)
    (own.folder / calibrator.NAME).write_text(damage)
    assert calibrator.of_run(own) == found
    table = own.predictions.assign(y_true=1 - own.predictions["y_true"])
    table.to_csv(own.folder / "predictions.csv", index=False)
    with pytest.raises(InputError, match="predictions.csv: not what training wrote"):
        calibrator.of_run(store.load(own.folder))
    kept = (own.folder / calibrator.NAME).read_text()
    (own.folder / calibrator.NAME).unlink()  # a calibration that a run comes with is taken as it is
    store.seal(own.folder)  # as if it had been trained so
    (own.folder / calibrator.NAME).write_text(kept)
    assert calibrator.of_run(store.load(own.folder))["temperature"] != found["temperature"]


def test_a_fit_says_how_little_it_stands_on():
    found = {"n": {"0": 12, "1": 4}}
    assert calibrator.too_few(found) == (
        "a temperature should stand on 10 test cases of each class, and there are 4 of class 1"
    )
    assert "sets of level 0.95 should stand on 19" in calibrator.too_few(found, level=0.95)
    assert calibrator.too_few({"n": {"0": 19, "1": 19}}, level=0.95) == ""


def test_a_folder_that_cannot_be_written_keeps_none(own, monkeypatch):
    def refuse(*_):
        raise InputError("read-only")

    monkeypatch.setattr(calibrator, "whole_text", refuse)
    assert calibrator.of_run(own)["n"] and not (own.folder / calibrator.NAME).exists()


def test_a_run_without_predictions_is_an_error(own):
    (own.folder / "predictions.csv").unlink()
    with pytest.raises(InputError, match="predictions.csv: cannot be read"):
        calibrator.of_run(own)


def test_predictions_through_it_keep_the_contract(own, elsewhere, tmp_path, recwarn):
    plain = prediction.write_predictions(own, elsewhere, tmp_path / "plain.csv")
    table = prediction.write_predictions(own, elsewhere, tmp_path / "out.csv", calibrated=True, level=0.9)
    read = pd.read_csv(tmp_path / "out.csv")
    assert list(read) == ["case_id", "p_benign", "p_malignant", "y_pred", "confidence", "set"]
    columns = ["p_benign", "p_malignant"]
    expected = calibration.tempered(plain[columns], calibrator.of_run(own)["temperature"])
    np.testing.assert_allclose(table[columns], expected)
    np.testing.assert_allclose(table["confidence"], expected.max(axis=1))
    assert (table["y_pred"] == plain["y_pred"]).all()
    assert set(table["set"]) <= {"0", "1", "0 1"}
    assert all(str(said) in held.split() for said, held in zip(table["y_pred"], table["set"]))
    assert not [one for one in recwarn if "which its calibration was" in str(one.message)]


def test_sets_alone_leave_the_probabilities(own, elsewhere, tmp_path):
    plain = prediction.write_predictions(own, elsewhere, tmp_path / "plain.csv")
    table = prediction.write_predictions(own, elsewhere, tmp_path / "out.csv", level=0.8)
    pd.testing.assert_frame_equal(table.drop(columns="set"), plain)
    assert list(plain) == ["case_id", "p_benign", "p_malignant", "y_pred", "confidence"]


def test_it_says_when_it_has_seen_the_cases(own, trained, tmp_path):
    n = (own.predictions["split"] == "test").sum()
    with pytest.warns(UserWarning, match=f"^{n} of 40 cases are test cases of {own.id}"):
        prediction.write_predictions(own, trained[0], tmp_path / "out.csv", calibrated=True)


def test_a_level_that_is_not_kept_is_refused_before_any_work(own, tmp_path):
    with pytest.raises(InputError, match="sets: found 0.7, expected one of 0.8, 0.9, 0.95"):
        prediction.write_predictions(own, tmp_path / "none", tmp_path / "out.csv", level=0.7)
