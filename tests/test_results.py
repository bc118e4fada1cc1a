"""The results page: tables that recompute from the recorded predictions."""

from pathlib import Path

import pytest
from sklearn.metrics import accuracy_score, f1_score

from lungcls import runs
from lungcls.errors import InputError
from lungcls.report import reported, results
from lungcls.sources import lidc

FOLDER = Path(__file__).parent.parent / "book" / "results" / "lidc"
FOUND = runs.list_runs(FOLDER)
TEST = "split == 'test'"


@pytest.fixture(scope="module")
def facts():
    return results.recorded_facts(FOLDER)


def test_records_hold_no_image_and_no_network_and_name_their_key():
    assert FOUND and not list(FOLDER.rglob("*.keras")) and not list(FOLDER.rglob("*.np*"))
    for run in FOUND:
        assert run.id.endswith(run.config["key"][:8]) and run.environment["processor_seconds"] > 0


def test_records_are_of_the_reports_cases_with_their_labels_and_no_patient_is_in_two_parts():
    cases = lidc.report_cases().set_index("case_id")
    for run in FOUND:
        table = run.predictions
        known = cases.loc[table["case_id"]]
        labels = known["malignancy"].to_numpy()
        expected = labels if run.config["task"] == "multiclass" else (labels > 3).astype(int)
        assert (table["y_true"].to_numpy() == expected).all()
        parts = table.assign(patient=known["patient_id"].to_numpy()).groupby("patient")["split"].nunique()
        assert (parts == 1).all()


def test_all_records_share_one_split():
    first = FOUND[0].predictions[["case_id", "split"]]
    assert all(run.predictions[["case_id", "split"]].equals(first) for run in FOUND)


def test_every_row_recomputes_from_the_predictions(facts):
    for run in FOUND:
        test = run.predictions.query("split == 'test'")
        scores = [accuracy_score(test["y_true"], test["y_pred"]),
                  f1_score(test["y_true"], test["y_pred"], average="weighted", zero_division=0)]
        table = facts[f"results_{run.config['task']}"]
        rows = [row for row in table.splitlines() if run.weights in row and results.VIEW_NAMES[run.config["view"]] in row
                and row.startswith(f"| {results.title(run.config['model'], run.config['stage'])} (")]
        assert len(rows) == 1
        for score in scores:
            assert f" {100 * score:.1f} [" in rows[0]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_confidence_recomputes_from_the_predictions(facts, task):
    mine = [run for run in FOUND if run.config["task"] == task]
    for run in mine:
        row = next(row for row in facts[f"confidence_{task}"].splitlines() if row.startswith(f"| {results._named(run)} |"))
        assert f"| {run.predictions.query(TEST)['confidence'].mean():.2f} [" in row
    kinds = 2 if task == "binary" else 3
    for name, rows in (("confidence", 1), ("calibration", 2), ("sets", kinds)):
        table = facts[f"{name}_{task}"]
        body = [line for line in table.splitlines() if line.startswith("| ")][2:]
        assert len(body) == rows * (len(mine) + 2) and "| majority class |" in table and "| diameter alone |" in table


def test_the_report_and_the_baselines_stand_beside_them(facts):
    printed = reported.load()["main_results_percent"]
    for task, names in (("binary", ("Binary_FullSlice", "Binary_Nodule")), ("multiclass", ("MultiClass_FullSlice",))):
        for name in names:
            assert f"| {printed[name]['accuracy']} | {printed[name]['f1']} |" in facts[f"results_{task}"]
        assert "| majority class |" in facts[f"results_{task}"] and "| diameter alone |" in facts[f"results_{task}"]


def test_a_folder_without_records_is_one_clear_error(tmp_path):
    with pytest.raises(InputError, match="no recorded run, expected"):
        results.recorded_facts(tmp_path)
