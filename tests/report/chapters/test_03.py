"""What chapter 3 says of balancing and of copies."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, recall_score

from lungcls.preprocessing import balancing
from lungcls.report.paths import find_checkout
from lungcls.report.results import networks
from lungcls.runs import evaluation
from lungcls.sources import annotations

CHANGES = ("weighted loss", "plain upsampling", "")


@pytest.fixture(scope="module")
def cnn():
    """The group, and its CNNs on zoomed nodules by what they change."""
    group = networks.recorded(find_checkout(__file__) / "book" / "results" / "lidc")[0]
    rows = networks.by_network(group.of_task("binary")).items()
    return group, {
        change: found for (view, name, change), found in rows if view == "nodule" and "CNN" in name
    }


def test_no_way_of_balancing_gains_and_trainings_differ(cnn, few):
    group, found = cnn
    none = found["no balancing"][0]
    for change in CHANGES:
        gains = evaluation.compare(found[change][0], none, data=group.cohort)["difference"]
        assert (gains[["AUC", "F1 (weighted)", "recall (malignant)"]] < 0).all()
    recalls = {recall_score(y, p[:, 1] >= 0.5) for y, p in (run.part() for run in found[""])}
    assert len(recalls) == 3


def test_another_threshold_moves_the_recall_further(cnn):
    none = cnn[1]["no balancing"][0]
    y_true, y_prob = none.part("validation")
    cut = max(np.unique(y_prob[:, 1]), key=lambda at: balanced_accuracy_score(y_true, y_prob[:, 1] >= at))
    y_true, y_prob = none.part()
    moved, plain = (recall_score(y_true, y_prob[:, 1] >= at) for at in (cut, 0.5))
    runs = [cnn[1][change][0] for change in CHANGES]
    assert moved > plain
    assert all(
        moved - plain > abs(recall_score(y, p[:, 1] >= 0.5) - plain) for y, p in (r.part() for r in runs)
    )


def test_copies_give_the_class_away_and_200_more_hardly_help():
    labels = annotations.report_cases()["malignancy"].to_numpy()
    for strategy in ("upsample", "upsample_plus"):
        plan = balancing.balance(labels, strategy, seed=0)
        shares = pd.crosstab(labels[plan.rows], plan.is_copy, normalize=True)
        assert shares.max().sum() - shares.sum(axis=1).max() > 0.1


@pytest.mark.parametrize("number", [4, 11])
def test_the_ledger_leaves_balancing_undecided(collected, number):
    low, high = collected[f"statement_{number}"].split("[")[1].rstrip("]").replace("−", "-").split(",")
    assert float(low) < 0 < float(high)
