"""Scores of a run, with intervals, beside a baseline and beside another run."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from lungcls import runs
from lungcls.cohorts.cohort import load
from lungcls.errors import InputError
from lungcls.models import baselines

REQUEST = {"task": "binary", "view": "nodule", "model": "cnn", "profile": "smoke", "crop": 32}


@pytest.fixture(scope="module")
def run(trained):
    return runs.train(trained[0], store=trained[1], progress=False, **REQUEST)


def test_the_door_opens_what_is_trained_already(trained, run):
    assert run == trained[3] and run.data.folder == trained[0]


def test_scores_are_those_of_scikit_learn(run):
    table, (y_true, y_prob) = runs.score(run, against=None), run.part("test")
    assert list(table) == ["value", "low", "high", "n", "patients"] and (table["n"] == len(y_true)).all()
    y_pred = y_prob.argmax(axis=1)
    assert table.loc["accuracy", "value"] == pytest.approx(accuracy_score(y_true, y_pred))
    weighted = f1_score(y_true, y_pred, average="weighted", zero_division=0)
    assert table.loc["F1 (weighted)", "value"] == pytest.approx(weighted)
    assert table.loc["AUC", "value"] == pytest.approx(roc_auc_score(y_true, y_prob[:, 1]))
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()


def test_a_baseline_stands_beside_it(run):
    table = runs.score(run, against="diameter")
    split = run.predictions[["case_id", "split"]]
    found = baselines.predict_baseline("diameter", run.data, split, task="binary", seed=0).query(
        "split == 'test'"
    )
    value = accuracy_score(found["y_true"], found["y_pred"])
    assert table.loc["accuracy", "diameter"] == pytest.approx(value)
    np.testing.assert_allclose(table["difference"], table["value"] - table["diameter"])
    inside = table[["difference_low", "difference", "difference_high"]].dropna()
    assert (inside.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_two_runs_are_compared_on_the_same_cases(trained, run, tmp_path):
    other = runs.train(trained[0], store=tmp_path, progress=False, **REQUEST, dropout=0.5)
    table = runs.compare(other, run)
    np.testing.assert_allclose(table["difference"], table["first"] - table["second"])
    beside = runs.score(other, against=run)
    np.testing.assert_allclose(beside["difference"], table["difference"])
    np.testing.assert_allclose(beside[run.id], table["second"])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"against": "ruler"}, "against: name: found 'ruler', expected one of"),
        ({"against": "radiomics"}, "found no input for the baseline 'radiomics'"),
        ({"part": "valid"}, "part: found no 'valid' case"),
    ],
)
def test_bad_requests_are_one_line(run, options, message):
    with pytest.raises(InputError, match=message):
        runs.score(run, **options)


def test_a_cohort_is_needed_and_must_be_the_runs(run, trained):
    stored = replace(run, data=None)
    with pytest.raises(InputError, match="found no cohort, expected it as data="):
        runs.score(stored)
    assert runs.score(stored, data=load(trained[0])).equals(runs.score(run))
    test = run.predictions.query("split == 'test'")["case_id"].to_numpy()
    with pytest.raises(InputError, match="data: found a cohort without"):
        runs.score(stored, data=load(trained[0]).select(test[1:]), against=None)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"dropouts": 0.5}, "setting: found 'dropouts', expected one of"),
        ({"members": 3}, "setting: found 'members', expected one of"),
        ({"model": None}, "train: found no model, expected it, or a recipe"),
        ({"recipe": "best-binary"}, "train: found task with a recipe"),
        ({"stage": "fine_tuning"}, "stage: found 'fine_tuning', expected scratch for cnn"),
    ],
)
def test_bad_requests_at_the_door_are_one_line(trained, change, message):
    with pytest.raises(InputError, match=message):
        runs.train(trained[0], store=trained[1], **REQUEST | change)


def test_a_cohort_is_trained_on_whole(trained):
    cohort = load(trained[0])
    with pytest.raises(InputError, match="found 2 of its 40 cases, expected all; save them apart first"):
        runs.train(cohort.select([0, 1]), store=trained[1], **REQUEST)
    with pytest.raises(InputError, match="found a cohort in memory, expected one on disk"):
        runs.train(replace(cohort, folder=None), store=trained[1], **REQUEST)
