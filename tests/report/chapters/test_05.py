"""What the chapter on other attempts says of recorded networks is so."""

import numpy as np
import pytest
from recorded_runs import FOLDER

from lungcls.cohorts.cohort import TASKS
from lungcls.report.claims import rule, scores, verdicts
from lungcls.report.results import networks, tables
from lungcls.runs import grid

BASE = ("binary", "nodule", "CNN")
LIDC = networks.recorded(FOLDER)[0]


@pytest.fixture(scope="module")
def known():
    """The recorded networks, full slices first and the windows last."""
    return verdicts.sources([*networks.out_of_fold(FOLDER.parent / "study"), LIDC], {}, seed=0)


@pytest.fixture(scope="module")
def gains(known):
    """Each attempt less the base, by score."""
    names = {"F1": scores.f1, "AUC": scores.auc}
    pairs = {name: (("binary", "nodule", name), BASE) for name in grid.ABLATIONS}
    return {
        head: {name: known[-1].compare(score, *pair) for name, pair in pairs.items()}
        for head, score in names.items()
    }


def test_no_attempt_gains_or_loses_for_sure_and_none_is_within_the_margin(gains):
    assert len(gains["F1"]) == 6
    for one in (one for found in gains.values() for one in found.values()):
        assert one.low < 0 < one.high and one.high - one.low > 2 * rule.MARGIN and one.trainings == (1, 3)
        assert one.low < -rule.MARGIN and one.high > rule.MARGIN == 0.02
        assert rule.statement([one])[0] == rule.OPEN


def test_the_numbers_of_the_box_are_those_of_the_figure(gains, collected):
    values = [100 * one.value for one in gains["F1"].values()]
    assert collected["attempts_moves"] == f"{min(values):.1f} to +{max(values):.1f}".replace("-", "−")
    halves = [50 * (one.high - one.low) for one in gains["F1"].values()]
    assert collected["attempts_reach"] == f"{np.mean(halves):.0f}"
    assert collected["recorded_test"] == str(gains["F1"]["AugMix"].n)


def test_the_base_does_about_as_well_as_the_diameter(known):
    ruler = tables.required_results(LIDC.cohort, LIDC.parts, task="binary", seed=0)["diameter alone"]
    pair = {"CNN": known[-1].results[BASE][0], "diameter": ruler}
    for score in ("F1 (weighted)", "AUC"):
        less = tables.differences(pair, "diameter", task="binary", score=score, seed=0).loc["CNN"]
        assert abs(less["difference"]) < 0.03 and less["low"] < 0 < less["high"]


def test_enhanced_images_do_not_show_more_errors_and_make_the_network_less_sure(known):
    pair = ("binary", "nodule", "CLAHE and morphology"), BASE
    assert known[-1].compare(scores.mean_of("confidence"), *pair).high < 0
    assert known[-1].compare(scores.accuracy, *pair).high > 0


def test_nothing_favours_the_larger_backbone(known, collected):
    (full,) = (one for one in known if one.full)
    assert not [name for name in full.results if "ResNet50" in name[2]]
    cells = [(task, view, stage) for task in TASKS for view in ("wide", "nodule") for stage in ("TL", "FT")]
    found = {one: full.compare(scores.f1, one, (*one[:2], f"MobileNet {one[2]}")) for one in cells}
    assert all(one.low < 0 for one in found.values()) and found["binary", "nodule", "TL"].high < 0
    assert collected["findings_network"] == "EfficientNetB4"
