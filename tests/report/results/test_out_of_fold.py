"""Networks recorded fold by fold: joined, scored on every case, beside baselines fitted likewise."""

import numpy as np
import pandas as pd
import pytest
from recorded_runs import CNN, FOLDER, record
from sklearn.metrics import roc_auc_score

from lungcls.cohorts import splits
from lungcls.metrics import thresholds
from lungcls.models import baselines
from lungcls.report.results import networks, page, score_tables, tables
from lungcls.runs import recorded, store

FOLDS = 5
MULTI = next(
    run
    for run in store.list_runs(FOLDER)
    if (run.config["task"], run.config["view"], run.config["model"]) == ("multiclass", "nodule", "cnn")
    and not networks.variant(run)
    and run.config["settings"]["protocol"] == "patient"
)


def folded(folder, run, *, folds=range(FOLDS), name="a", settings=None):
    """Records of a run as if each fold of its cases had been tested by another network."""
    cases = networks.recorded(FOLDER)[0].cohort.cases
    cases = cases[cases["case_id"].isin(run.predictions["case_id"])]
    place = splits.folds(cases, k=FOLDS, seed=0).set_index("case_id")["fold"]
    number = run.predictions["case_id"].map(place).to_numpy()
    for fold in folds:
        mine = run.predictions[number == fold].assign(split="test")
        config = {"fold": fold, "split": f"patient-f{fold}"}
        kept = record(folder, run, name=f"{name}{fold}", settings=settings, **config).folder
        mine.to_csv(kept / "predictions.csv", index=False)
        for path in (folder / "baselines" / config["split"]).iterdir():
            table = pd.read_csv(path, dtype={"case_id": str})
            table = table[table["case_id"].map(place) == fold].assign(split="test")
            table.to_csv(path, index=False)
    return run.predictions.assign(fold=number).sort_values(["fold"], kind="stable")


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    everything = folded(folder, CNN)
    folded(folder, MULTI, name="m")
    (found,) = networks.out_of_fold(folder)
    return found, everything


def test_folds_are_joined_and_every_case_comes_once(group):
    found, everything = group
    (run,) = found.of_task("binary")
    assert len(run.predictions) == len(everything) and run.predictions["case_id"].is_unique
    assert list(run.predictions["case_id"]) == list(everything["case_id"])
    assert set(run.predictions["split"]) == {"test"} and run.config["fold"] is None
    assert run.environment["seconds"] == pytest.approx(FOLDS * CNN.environment["seconds"])
    assert found.protocol.startswith("patient-grouped folds")


def test_a_network_that_lacks_a_fold_is_left_out(tmp_path):
    folded(tmp_path, CNN, folds=range(FOLDS - 1))
    assert recorded.out_of_fold(tmp_path) == [] and networks.out_of_fold(tmp_path) == []
    assert networks.out_of_fold(tmp_path / "nowhere") == []


def test_folds_of_other_settings_are_other_networks(tmp_path):
    folded(tmp_path, CNN)
    folded(tmp_path, CNN, name="b", settings={"dropout": 0.7})
    assert [len(one.runs) for one in recorded.out_of_fold(tmp_path)] == [FOLDS, FOLDS]


def test_the_score_is_of_all_cases(group):
    found, everything = group
    scored = score_tables.score(found, "binary", seed=0)
    (name,) = scored.networks
    row = scored.table.set_index(["name", "score"]).loc[(name, "AUC")]
    assert row["value"] == pytest.approx(roc_auc_score(everything["y_true"], everything["p_malignant"]))
    assert row["n"] == len(everything)


def test_a_baseline_answers_for_a_fold_from_the_others(group):
    found, _ = group
    options = {"task": "binary", "seed": 0}
    table, _ = tables.baseline_predictions(found.cohort, found.parts, names=["diameter"], **options)
    parts = found.parts.assign(split=np.where(found.parts["fold"] == 2, "test", "train"))
    expected = baselines.predict_baseline("diameter", found.cohort, parts, **options)
    mine = table["diameter alone"].set_index("case_id")["p_malignant"]
    expected = expected[expected["split"] == "test"].set_index("case_id")["p_malignant"]
    pd.testing.assert_series_equal(mine.loc[expected.index], expected)


def test_thresholds_of_a_fold_come_from_the_others(group):
    found, _ = group
    (run,) = found.of_task("multiclass")
    cut = score_tables._cut(run.predictions, "multiclass")
    columns = [f"p_{score}" for score in range(1, 6)]
    held_out = (run.predictions["fold"] == 3).to_numpy()
    known, asked = run.predictions[~held_out], run.predictions[held_out]
    cuts = thresholds.fit(known["y_true"].to_numpy(), known[columns].to_numpy(), "multiclass")
    expected = thresholds.decide(asked[columns].to_numpy(), cuts, "multiclass")
    np.testing.assert_array_equal(cut.loc[held_out, "y_pred"], expected)


def test_the_page_has_a_block_for_the_study_before_the_others(group, tmp_path):
    found, _ = group
    record(tmp_path, CNN, name="a")
    facts = page.recorded_facts(networks.recorded(tmp_path), study=[found])
    head = score_tables.heading(found)
    first = [line for line in facts["results_binary"].splitlines() if line.startswith("| **")]
    assert first[1].startswith(f"| **{head}")
    kept = [line for line in facts["results_epochs"].splitlines() if line.startswith("| CNN")][0]
    assert kept.count(",") >= 2 * (FOLDS - 1)
