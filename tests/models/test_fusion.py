"""Several views as one answer: late fusion, stacking and one head on features."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lungcls.cohorts.predictions import prediction_table
from lungcls.errors import InputError
from lungcls.models import fusion


def answers(n=90, *, task="binary", seed=0, noise=1.0):
    """Predictions of a view that knows something, three folds, two cases a patient."""
    y_true = np.arange(n) % 5 + 1 if task == "multiclass" else np.arange(n) % 2
    rng = np.random.default_rng(seed)
    z = np.eye(5)[y_true - 1] if task == "multiclass" else np.eye(2)[y_true]
    y_prob = softmax(z + rng.normal(0, noise, z.shape), axis=1)
    table = prediction_table([f"c{i:02d}" for i in range(n)], y_prob, task)
    patients = [f"p{i // 2}" for i in range(n)]
    return table.assign(y_true=y_true, fold=np.arange(n) // 2 % 3, patient_id=patients)


def test_the_mean_of_logits_is_that_of_scipy_in_any_order():
    one, other = answers(seed=0), answers(seed=1)
    found = fusion.mean_of_logits([one, other.sample(frac=1, random_state=0)], "binary")
    expected = expit((logit(one["p_malignant"]) + logit(other["p_malignant"])) / 2)
    np.testing.assert_allclose(found["p_malignant"], expected, atol=1e-6)
    assert found["y_pred"].tolist() == (expected > 0.5).astype(int).tolist()
    assert found["case_id"].tolist() == one["case_id"].tolist()


def test_five_scores_are_fused_by_their_log_probabilities():
    one, other = (answers(task="multiclass", seed=seed) for seed in (0, 1))
    columns = [f"p_{score}" for score in range(1, 6)]
    expected = np.sqrt(one[columns].to_numpy() * other[columns].to_numpy())
    found = fusion.mean_of_logits([one, other], "multiclass")
    np.testing.assert_allclose(found[columns], expected / expected.sum(axis=1, keepdims=True), atol=1e-6)
    assert set(fusion.stacked([one, other], "multiclass")["y_pred"]) <= {1, 2, 3, 4, 5}


def test_stacking_is_scikit_learns_regression_on_the_other_folds():
    one, other = answers(seed=0), answers(seed=1)
    found = fusion.stacked([one, other], "binary")
    x = np.stack([logit(table["p_malignant"]) for table in (one, other)], axis=1)
    for fold in range(3):
        test = one["fold"].to_numpy() == fold
        inner = PredefinedSplit(np.unique(one["fold"][~test], return_inverse=True)[1])
        learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, tol=1e-3))
        grid = {"logisticregression__C": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]}
        search = GridSearchCV(learner, grid, cv=inner, scoring="neg_log_loss").fit(
            x[~test], one["y_true"][~test]
        )
        np.testing.assert_allclose(found["p_malignant"][test], search.predict_proba(x[test])[:, 1], atol=1e-5)


def test_stacking_never_sees_its_test_fold():
    tables = [answers(seed=0), answers(seed=1)]
    test = tables[0]["fold"] == 1
    before = fusion.stacked(tables, "binary")
    turned = [table.assign(y_true=table["y_true"].where(~test, 1 - table["y_true"])) for table in tables]
    after = fusion.stacked(turned, "binary")
    pd.testing.assert_series_equal(before["p_malignant"][test], after["p_malignant"][test])
    assert not np.allclose(before["p_malignant"][~test], after["p_malignant"][~test])


def test_one_head_on_both_views_uses_what_only_one_of_them_knows():
    cases, rng = answers(400), np.random.default_rng(0)
    halves = [rng.normal(size=(400, 6)) for _ in range(2)]
    y_true = (halves[0][:, 0] + halves[1][:, 0] > 0).astype(int)
    cases = cases.assign(y_true=y_true)
    areas = {
        name: fusion.fused(parts, cases, "binary")["p_malignant"]
        for name, parts in {"one": halves[:1], "both": halves}.items()
    }
    one, both = (roc_auc_score(y_true, areas[name]) for name in ("one", "both"))
    assert both > 0.95 > one


def test_how_errors_overlap():
    one = answers(40).assign(y_pred=lambda table: table["y_true"])
    wrong = np.arange(40) < 10
    other = one.assign(y_pred=one["y_true"].where(~wrong, 1 - one["y_true"]))
    shares = fusion.error_overlap(one, other).set_index("right")["value"]
    assert shares["both right"] == 0.75 and shares["only the first"] == 0.25
    assert shares["only the second"] == shares["none"] == 0
    assert shares["together, beyond chance"] == pytest.approx(0)  # a view that is always right tells nothing
    assert fusion.error_overlap(other, other).set_index("right")["value"].iloc[-1] == pytest.approx(3 / 16)


def test_a_case_that_lacks_a_view_is_refused_in_one_line():
    one = answers()
    with pytest.raises(InputError, match="found 'c07' in one of the views 1 and 2 only") as refused:
        fusion.mean_of_logits([one, one[one["case_id"] != "c07"]], "binary")
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="another y_true in view 2"):
        fusion.stacked([one, one.assign(y_true=1 - one["y_true"])], "binary")
    with pytest.raises(InputError, match="another fold in view 2"):
        fusion.stacked([one, one.assign(fold=0)], "binary")


def test_covariates_and_features_stand_beside_each_other():
    cases, rng = answers()[["case_id", "patient_id", "fold", "y_true"]], np.random.default_rng(0)
    half = rng.random(len(cases)) < 0.5  # each part knows half of the cases
    image = np.where(half, cases["y_true"], 0.5)[:, None] + rng.normal(0, 0.1, (len(cases), 120))
    smoking = np.where(half, "", np.where(cases["y_true"] == 1, "current", "never"))
    age = np.where(rng.random(len(cases)) < 0.2, np.nan, rng.normal(60, 9, len(cases)))
    table = pd.DataFrame({"smoking": smoking, "age": age})
    areas = {}
    for name, parts in {"table": [table], "image": [image], "both": [table, image]}.items():
        said = fusion.fused(parts, cases, "binary")
        areas[name] = roc_auc_score(said["y_true"], said["p_malignant"])
    assert areas["both"] > max(areas["table"], areas["image"]) + 0.05


def test_what_a_fold_holds_does_not_move_what_is_fitted_for_it():
    cases, rng = answers()[["case_id", "fold", "y_true"]], np.random.default_rng(0)
    table = pd.DataFrame(
        {"age": rng.normal(60, 9, len(cases)), "smoking": rng.choice(list("abc"), len(cases))}
    )
    wide = pd.DataFrame(rng.normal(size=(len(cases), 120)))
    test = (cases["fold"] == 0).to_numpy()
    changed = cases.assign(y_true=np.where(test, 1 - cases["y_true"], cases["y_true"]))
    first, second = (fusion.fused([table, wide], given, "binary") for given in (cases, changed))
    np.testing.assert_array_equal(first["p_malignant"][test], second["p_malignant"][test])
    assert (first["p_malignant"][~test] != second["p_malignant"][~test]).all()


def test_answers_of_one_split_are_weighed_on_its_validation_part():
    parts = np.resize(["train", "validation", "test"], 90)
    one, other = (answers(seed=seed).assign(split=parts) for seed in (0, 1))
    found = fusion.weighed([one, other], "binary")
    x = np.stack([logit(table["p_malignant"]) for table in (one, other)], axis=1)
    seen = parts == "validation"
    learner = LogisticRegression(max_iter=2000).fit(x[seen], one["y_true"][seen])
    np.testing.assert_allclose(found["p_malignant"], learner.predict_proba(x)[:, 1], atol=1e-5)
    with pytest.raises(InputError, match="found no validation case"):
        fusion.weighed([one.assign(split="test"), other.assign(split="test")], "binary")
