"""The answer on one page: rows, order and numbers follow from planted scores."""

import pandas as pd
import pytest
from recorded_runs import FOLDER

from lungcls.errors import InputError
from lungcls.report.results import findings, measurements, networks, page, score_tables

BEST = measurements.read(FOLDER.parent, "best_model.json")


@pytest.fixture(scope="module")
def windows():
    """Binary scores of the networks that learnt from the whole case list."""
    return score_tables.score(networks.recorded(FOLDER)[0], "binary", seed=0)


@pytest.fixture(scope="module")
def scores():
    """Scores of the study on full slices, of both tasks."""
    groups = networks.out_of_fold(FOLDER.parent / "study")
    (full,) = (one for one in groups if {run.config["view"] for run in one.runs} >= {"full_slice"})
    return {task: score_tables.score(full, task, seed=0) for task in score_tables.TASKS}


def test_rows_are_those_of_the_report_its_networks_baselines_and_our_model(scores, windows):
    found = findings.findings(scores, BEST, windows)
    rows = [line.split(" | ") for line in found["findings_table"].splitlines() if line.startswith("| ")][2:]
    names = [row[0].removeprefix("| ") for row in rows]
    heads = [name for name in names if name.startswith("**")]
    assert len(heads) == 3 and "1,146 nodules" in heads[1] and "2,340 nodules" in heads[2]
    assert names[1:3] == ["EfficientNetB2 FT, full slice", "EfficientNetB2 FT, zoomed nodule"] and rows[1][
        2:4
    ] == ["66.1", "–"]
    assert not any("MobileNet" in name or " TL" in name or "thresholds fitted" in name for name in names)
    assert {"diameter alone", "majority class", "our model"} <= set(names) and 12 <= len(names) <= 22
    auc = scores["binary"].table.set_index(["name", "score"]).loc[("diameter alone", "AUC")]
    own = next(row for row in rows if "diameter alone" in row[0])
    assert own[3].startswith(f"{100 * auc['value']:.1f} [") and own[1] == "1,146"


def test_numbers_of_the_sentences_are_those_of_their_rows(scores, windows):
    found = findings.findings(scores, BEST, windows)
    table = scores["binary"].table.set_index(["name", "score"])
    whole = next(name for name, score in table.index if score == "AUC" and "B4 FT" in name and "full" in name)
    assert found["findings_whole"].startswith(f"{table.loc[(whole, 'AUC'), 'value']:.2f} [")
    assert found["findings_network"] == "EfficientNetB4" and found["findings_printed"] == "0.81"
    ours = BEST["scores"]["binary"]["recipe"]["AUC"]
    assert found["findings_ours"] == f"{ours['value']:.2f} [{ours['low']:.2f}, {ours['high']:.2f}]"
    gain = BEST["differences"]["binary"]["recipe less diameter, fitted rule"]["AUC"]["value"]
    assert found["findings_gain"].startswith(f"{gain:+.3f} [")
    assert (found["findings_n"], found["findings_of"]) == ("1,146", "2,340")
    row = windows.above.rename(index=score_tables.in_short).loc["EfficientNetB4 FT*, zoomed nodule"]
    assert row["low"] < 0 < row["high"] and found["findings_windows_less"].startswith(
        f"{row['difference']:+.2f}"
    )
    assert (found["findings_train"], found["findings_windows"]) == ("1,638", "351")


def test_what_no_source_has_is_a_dash():
    row = pd.Series({"value": 0.661, "low": float("nan"), "high": float("nan")})
    assert findings._cell(row) == "66.1" and findings._cell(None) == "–"


def test_a_study_without_full_slices_is_one_clear_error():
    with pytest.raises(InputError, match="study: found no fine-tuned network with all its folds"):
        page._findings([], networks.recorded(FOLDER), BEST, None)
