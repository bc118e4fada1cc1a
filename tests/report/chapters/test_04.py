"""What chapter 4 says of the recorded networks, asserted on their predictions."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from lungcls.report.printed import quoted
from lungcls.report.results import networks, score_tables, tables

STUDY = Path(__file__).parents[3] / "book" / "results" / "study"


@pytest.fixture(scope="module")
def results():
    group = networks.study(networks.out_of_fold(STUDY))
    return {task: score_tables.results_of(group, task, seed=0) for task in ("binary", "multiclass")}


def auc(result):
    return roc_auc_score(result["y_true"], result["p_malignant"])


def nets(found):
    views = ("full slice", "zoomed nodule")
    return {name: one for name, one in found.items() if name.endswith(views) and "padding" not in name}


def test_no_network_ranks_nodules_better_than_their_diameter(results):
    found = nets(results["binary"])
    assert len(found) >= 8
    best = max(found, key=lambda name: auc(found[name]))
    pair = {name: results["binary"][name] for name in (best, "diameter alone")}
    gap = tables.differences(pair, "diameter alone", task="binary", score="AUC", seed=0).loc[best]
    assert (
        gap["difference"] == pytest.approx(auc(pair[best]) - auc(pair["diameter alone"])) and gap["low"] < 0
    )
    assert auc(results["binary"]["padding alone, zoomed nodule"]) >= auc(found[best])


def test_five_classes_on_the_full_slice_are_below_the_constant_and_the_ruler_is_never_below(results):
    f1 = {
        name: f1_score(one["y_true"], one["y_pred"], average="weighted")
        for name, one in results["multiclass"].items()
    }
    assert all(f1[name] < f1["majority class"] for name in f1 if name.endswith("full slice"))
    zoomed = [f1[name] for name in nets(results["multiclass"]) if name.endswith("nodule")]
    assert f1["majority class"] < min(zoomed) and max(zoomed) < f1["diameter alone"]


def test_networks_stand_beside_what_the_report_prints_for_their_kind(results):
    group = networks.study(networks.out_of_fold(STUDY))
    few = {
        task: {name: found[name] for name in found if name != "second reader"}
        for task, found in results.items()
    }
    scored = {task: tables.scored(found, task=task, seed=0) for task, found in few.items()}
    table = score_tables.beside_report(scored, group)
    (row,) = [
        name
        for name in table.index
        if name.startswith("EfficientNet") and name.endswith("FT*, zoomed nodule")
    ]
    stated = quoted.f1_table().loc["EfficientNet FT", ("binary", "nodule")]
    assert float(table.loc[row, ("binary", "report")]) == stated
    one = results["binary"][row]
    f1 = 100 * f1_score(one["y_true"], one["y_pred"], average="weighted")
    assert table.loc[row, ("binary", "F1")].startswith(f"{f1:.1f} [") and table.loc[row, ("n", "")] == str(
        len(one)
    )
    printed = table["binary", "report"].ne("–")
    assert (
        printed.sum() == 6 and np.isin(table.index[printed], table.index[:6]).all()
    )  # in the report's order


def test_the_best_network_is_named_with_its_difference():
    group = networks.study(networks.out_of_fold(STUDY))
    one = score_tables.score(group, "binary", seed=0)
    facts = score_tables.best_facts(one)
    assert facts["study_best"] == score_tables.in_short(
        max(one.networks, key=lambda name: auc(one.results[name]))
    )
    assert facts["study_of"] == str(len(group.of_task("binary")))
