"""Baselines: fitted on training cases only, laid out like a run, and known figures of LIDC-IDRI."""

import os

from conftest import tiny_cohort
import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts import cohort as cohorts, splits
from lungcls.cohorts.cohort import Cohort
from lungcls.errors import InputError
from lungcls.metrics import classification
from lungcls.models import baselines
from lungcls.sources import annotations
from lungcls.sources.views import nodule_shapes

MEASURED = [name for name in baselines.NAMES if name != "second_reader"]
# From the project's facts: the majority class, and the ranges over both learners of diameter.
DIAMETER = {
    "accuracy": (0.861, 0.866),
    "F1 (weighted)": (0.857, 0.861),
    "AUC": (0.86, 0.88),
    "accuracy 5": (0.52, 0.53),
    "F1 (weighted) 5": (0.43, 0.44),
    "kappa 5": (0.39, 0.45),
}
PADDING = {"F1 (weighted)": (0.853,) * 2, "AUC": (0.890,) * 2, "F1 (weighted) 5": (0.427,) * 2}


def with_split(cohort, seed=0):
    """A cohort and a split of it, half training and half test, every class in both."""
    part = np.where(np.arange(len(cohort)) // 5 % 2, "test", "train")
    return cohort, pd.DataFrame({"case_id": cohort.cases["case_id"], "split": part})


@pytest.fixture
def noise():
    return with_split(tiny_cohort(60, size=16))


# --- The contract ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task, columns",
    [("binary", ["p_benign", "p_malignant"]), ("multiclass", [f"p_{i}" for i in range(1, 6)])],
)
@pytest.mark.parametrize("name", baselines.NAMES)
def test_the_layout_is_that_of_a_run(noise, name, task, columns):
    cohort, split = noise
    table = baselines.predict_baseline(name, cohort, split, task=task, seed=0)
    assert list(table) == ["case_id", "split", "y_true", *columns, "y_pred", "confidence"]
    kept = cohort.cases["ratings"].str.contains(" ").to_numpy() | (name != "second_reader")
    assert table["case_id"].tolist() == split["case_id"][kept].tolist()
    assert table["split"].tolist() == split["split"][kept].tolist()
    y_prob = table[columns].to_numpy()
    np.testing.assert_allclose(y_prob.sum(axis=1), 1)
    np.testing.assert_array_equal(table["confidence"], y_prob.max(axis=1))
    if name != "second_reader":
        np.testing.assert_array_equal(table["y_true"], cohort.labels(task))
        np.testing.assert_array_equal(table["y_pred"], y_prob.argmax(axis=1) + (task == "multiclass"))
    classification.scores(
        table["y_true"], table["y_pred"], y_prob, task=task, average="macro"
    )  # can be scored
    assert table.equals(baselines.predict_baseline(name, cohort, split, task=task, seed=0))


@pytest.mark.parametrize("name", MEASURED)
def test_test_labels_do_not_matter(noise, name):
    cohort, split = noise
    test = (split["split"] == "test").to_numpy()
    changed = cohort.cases.assign(malignancy=np.where(test, 1, cohort.cases["malignancy"]))
    other = Cohort(changed, cohort.views, cohort.masks, cohort.info)
    tables = [
        baselines.predict_baseline(name, given, split, task="multiclass", seed=0) for given in (cohort, other)
    ]
    assert tables[0].drop(columns="y_true").equals(tables[1].drop(columns="y_true"))


@pytest.mark.parametrize("name", ["diameter", "second_reader"])
def test_a_split_may_leave_out_cases_and_order_them_otherwise(noise, name):
    cohort, split = noise
    whole = baselines.predict_baseline(name, cohort, split, task="binary", seed=0).set_index("case_id")
    train = split[split["split"] == "train"]
    some = pd.concat([train, split[split["split"] == "test"].iloc[::-3]])
    table = baselines.predict_baseline(name, cohort, some, task="binary", seed=0).set_index("case_id")
    expected = [case for case in some["case_id"] if case in whole.index]
    pd.testing.assert_frame_equal(table, whole.loc[expected])


@pytest.mark.parametrize("name", baselines.NAMES)
def test_folds_are_predicted_by_the_others(noise, name):
    cohort, _ = noise
    folds = pd.DataFrame({"case_id": cohort.cases["case_id"], "fold": np.arange(60) // 20})
    table = baselines.cross_predict(name, cohort, folds, task="binary", seed=0)
    kept = cohort.cases["ratings"].str.contains(" ").to_numpy() | (name != "second_reader")
    assert table["case_id"].tolist() == folds["case_id"][kept].tolist()
    assert table["fold"].tolist() == folds["fold"][kept].tolist() and set(table["split"]) == {"test"}
    split = folds.assign(split=np.where(folds["fold"] == 1, "test", "train"))
    alone = baselines.predict_baseline(name, cohort, split, task="binary", seed=0)
    alone, table = (given.loc[given["case_id"].isin(folds["case_id"][20:40])] for given in (alone, table))
    np.testing.assert_array_equal(alone["confidence"], table["confidence"])


# --- What each measures --------------------------------------------------------------------


def test_majority_is_the_training_shares(noise):
    cohort, split = noise
    table = baselines.predict_baseline("majority", cohort, split, task="binary", seed=0)
    np.testing.assert_allclose(table[["p_benign", "p_malignant"]], np.tile([0.6, 0.4], (60, 1)))
    assert (table["y_pred"] == 0).all()
    found = classification.scores(
        table["y_true"],
        table["y_pred"],
        table[["p_benign", "p_malignant"]].to_numpy(),
        task="binary",
        average="weighted",
    )
    assert found["AUC"] == 0.5 and found["accuracy"] == 0.6


def test_diameter_is_learned():
    cohort, split = with_split(tiny_cohort(60))
    cases = cohort.cases.assign(diameter_mm=3.0 * cohort.cases["malignancy"])
    for name in ("diameter", "diameter_boosted"):
        table = baselines.predict_baseline(name, Cohort(cases, cohort.views), split, task="binary", seed=0)
        np.testing.assert_array_equal(table["y_pred"], table["y_true"])


def test_padding_is_height_and_width_of_the_canvas():
    images = np.full((1, 20, 30), 128, np.uint8)
    images[0, 4:15, 7:28] = np.random.default_rng(0).integers(0, 120, (11, 21))
    cases = pd.DataFrame({"case_id": ["a"], "patient_id": ["b"], "malignancy": [1]})
    cohort = Cohort(cases, {"nodule": images})
    np.testing.assert_array_equal(baselines.measure("padding", cohort), [[9, 9]])


def test_radiomics_takes_the_view_with_a_mask_and_its_spacing(noise):
    from lungcls.models import radiomics

    cohort, _ = noise
    expected = radiomics.measure_radiomics(cohort.views["nodule"][:], cohort.masks["nodule"][:])
    np.testing.assert_allclose(baselines.measure("radiomics", cohort), expected)
    cases = cohort.cases.assign(pixel_spacing_mm=0.5)
    spaced = baselines.measure("radiomics", Cohort(cases, cohort.views, cohort.masks))
    np.testing.assert_allclose(spaced[:, 0], expected["area"] / 4)


def test_covariates_are_named_columns(noise):
    cohort, split = noise
    smoking = np.where(cohort.cases["malignancy"] > 3, "current", "never")
    given = Cohort(cohort.cases.assign(smoking=smoking, age=np.nan), cohort.views, {}, {"name": "mine"})
    options = {"task": "binary", "seed": 0}
    table = baselines.predict_baseline("covariates", given, split, covariates=["smoking"], **options)
    np.testing.assert_array_equal(table["y_pred"], table["y_true"])
    with pytest.raises(InputError, match="mine: cases.csv: covariates: found none, expected one name"):
        baselines.predict_baseline("covariates", given, split, **options)


def test_measured_once_is_the_same(noise):
    cohort, split = noise
    measured = baselines.measure("radiomics", cohort)
    tables = [
        baselines.predict_baseline("radiomics", cohort, split, task="binary", seed=0, measured=given)
        for given in (None, measured)
    ]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(
    "name, drop, views, message",
    [
        ("diameter", ["diameter_mm"], ("nodule",), "'diameter', expected the column diameter_mm"),
        ("radiomics", [], (), "expected the mask of a view"),
        ("padding", [], (), "expected nodule.npy"),
        ("second_reader", ["ratings"], ("nodule",), "expected the column ratings"),
    ],
)
def test_what_a_cohort_lacks(noise, name, drop, views, message):
    cohort, split = noise
    kept = {view: cohort.views[view] for view in views or ("context",)}
    masks = {view: cohort.masks[view] for view in views}
    less = Cohort(cohort.cases.drop(columns=drop), kept, masks, {"name": "mine"})
    with pytest.raises(InputError, match=f"^mine: found no input for the baseline .*{message}"):
        baselines.predict_baseline(name, less, split, task="binary", seed=0)


def test_errors(noise):
    cohort, split = noise
    options = {"task": "binary", "seed": 0}
    with pytest.raises(ValueError, match="name: found 'oracle', expected one of"):
        baselines.predict_baseline("oracle", cohort, split, **options)
    with pytest.raises(ValueError, match="name: found 'second_reader', expected one of"):
        baselines.measure("second_reader", cohort)
    with pytest.raises(ValueError, match="task: found 'three'"):
        baselines.predict_baseline("majority", cohort, split, task="three", seed=0)
    with pytest.raises(InputError, match="split: row 1: case_id is 'nobody', expected a case of tiny"):
        baselines.predict_baseline("majority", cohort, split.replace("pat1", "nobody"), **options)
    with pytest.raises(InputError, match="split: found no training case of class 0"):
        baselines.predict_baseline("majority", cohort, split.assign(split="test"), **options)
    with pytest.raises(InputError, match="training cases? with two readers"):
        baselines.predict_baseline("second_reader", cohort, split.assign(split="test"), **options)
    gap = Cohort(cohort.cases.assign(diameter_mm=[np.nan] + [5.0] * 59), cohort.views, {}, cohort.info)
    with pytest.raises(InputError, match="cases.csv: row 1: diameter_mm is '', expected 0.5 to 200 mm"):
        baselines.predict_baseline("diameter", gap, split, **options)
    masks = np.array(cohort.masks["nodule"][:])
    masks[3] = 0
    with pytest.raises(InputError, match="nodule_mask.npy, from row 1: masks: row 4: found an empty mask"):
        baselines.measure("radiomics", Cohort(cohort.cases, cohort.views, {"nodule": masks}))


# --- Known figures -------------------------------------------------------------------------


def report_cohort():
    """The report's case list with zoomed views of noise: only their padding is real."""
    cases, rng = annotations.report_cases(), np.random.default_rng(0)
    images = np.full((len(cases), 128, 128), 128, np.uint8)
    for image, (height, width) in zip(images, nodule_shapes(cases, side=512), strict=True):
        height, width = min(height, 128), min(width, 128)
        top, left = (128 - height) // 2, (128 - width) // 2
        noise = rng.integers(0, 120, (height, width))
        image[top : top + height, left : left + width] = noise
    return Cohort(cases, {"nodule": images}, {}, {"name": "report"})


def ten_folds(name, cohort):
    """Scores of a baseline in ten patient-grouped folds, both tasks."""
    folds, found = splits.folds(cohort.cases, k=10, seed=0), {}
    for task, mark in (("binary", ""), ("multiclass", " 5")):
        table = baselines.cross_predict(name, cohort, folds, task=task, seed=0)
        y_prob = table[[column for column in table if column.startswith("p_")]].to_numpy()
        scores = classification.scores(
            table["y_true"], table["y_pred"], y_prob, task=task, average="weighted"
        )
        found |= {score + mark: value for score, value in scores.items()}
    found["kappa 5"] = found.pop("quadratic weighted kappa 5")
    return found


def check(found, bounds, off=0.01):
    for score, (low, high) in bounds.items():
        assert low - off <= found[score] <= high + off, f"{score}: {found[score]:.4f}"


def check_known_figures(cohort):
    found = ten_folds("majority", cohort)
    check(
        found,
        {
            "accuracy": (0.76,) * 2,
            "F1 (weighted)": (0.66,) * 2,
            "accuracy 5": (0.46,) * 2,
            "F1 (weighted) 5": (0.29,) * 2,
            "kappa 5": (0, 0),
            "AUC": (0.5, 0.5),
        },
    )
    check(ten_folds("diameter", cohort), DIAMETER)
    check(ten_folds("diameter_boosted", cohort), DIAMETER)
    check(ten_folds("padding", cohort), PADDING)


def test_known_figures_of_the_reports_case_list():
    check_known_figures(report_cohort())


@pytest.mark.skipif("LUNGCLS_LIDC" not in os.environ, reason="LUNGCLS_LIDC names no real cohort")
def test_known_figures_of_real_images():
    cohort = cohorts.load(os.environ["LUNGCLS_LIDC"])
    check_known_figures(cohort)
    # No known figure: that measures of the image see more than diameter does.
    assert ten_folds("radiomics", cohort)["kappa 5"] > ten_folds("diameter_boosted", cohort)["kappa 5"] + 0.1
