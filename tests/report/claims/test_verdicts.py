"""The report's statements, decided from recorded runs: against scikit-learn, and on planted records."""

from functools import cache, partial
import json

import numpy as np
import pytest
from recorded_runs import CNN, FOLDER, FOUND, record
from sklearn.metrics import f1_score

from lungcls.errors import InputError
from lungcls.report.claims import estimates, measures, rule, scores, statements, verdicts
from lungcls.report.results import networks

MEASURED = {"readers with the same score": rule.Estimate(0.38, 0.37, 0.39, n=99)}


@cache
def source():
    """The recorded runs as evidence."""
    (one,) = verdicts.sources(networks.recorded(FOLDER), MEASURED, seed=0)
    return one


_intervals = verdicts.evidence.bootstrap.intervals


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few resamples; no test here looks closely at the ends of an interval."""
    monkeypatch.setattr(verdicts.evidence.bootstrap, "intervals", partial(_intervals, resamples=200))


def facts_of(groups):
    return verdicts.verdict_facts(verdicts.sources(groups, MEASURED, seed=0))


def decided(groups):
    """Estimates and verdicts of the statements on networks."""
    found = statements.estimates(*verdicts.sources(groups, MEASURED, seed=0))
    on = [number for number, given in found.items() if any(one.networks for one in given)]
    return found, rule.decide(statements.CLAIMS, found).loc[on]


def test_recorded_networks_have_their_names_and_all_their_seeds():
    found = source().results
    for name in ("nodule CNN", "wide TL", "both FT", "nodule MobileNet TL"):
        assert len(found["binary", *name.split(" ", 1)]) == 3, name
    assert len(found["binary", "nodule", "no balancing"]) == 1 and not source().full
    assert not [name for name in found if "ResNet50" in name[2]]  # not pretrained: no evidence on pretraining
    tuned = [run for run in FOUND if run.id.startswith("binary-context-efficientnetb4-fine_tuning-s1")]
    test = tuned[0].predictions.query("split == 'test'").set_index("case_id")["y_pred"]
    seeds = [one.set_index("case_id")["y_pred"] for one in found["binary", "wide", "FT"]]
    assert (seeds[1] == test.loc[seeds[1].index]).all()


def test_estimates_are_means_over_all_recorded_trainings():
    found = source().results
    f1 = {
        name: np.mean([f1_score(one["y_true"], one["y_pred"], average="weighted") for one in found[name]])
        for name in (("binary", "nodule", "FT"), ("binary", "nodule", "CNN"))
    }
    one = source().compare(scores.f1, *f1)
    assert one.value == pytest.approx(np.subtract(*f1.values())) and one.trainings == (3, 3)
    assert source().spread(scores.f1, "binary") == pytest.approx(0.0146, abs=0.0005)
    assert source().compare(scores.f1, ("binary", "wide", "TL"), ("binary", "wide", "CNN")).idle


def test_the_margin_is_what_a_training_and_other_readers_move():
    """The pooled spread of the networks rounds to the margin; readers move a difference by no more."""
    both = [source().spread(scores.f1, task) for task in ("binary", "multiclass")]
    assert round(float(np.sqrt(np.mean(np.square(both)))), 2) == rule.MARGIN
    known = json.loads((FOLDER.parent / "verdict_rule.json").read_text(encoding="utf-8"))["margin"]
    assert known["margin"] == round(known["trainings"]["AUC"], 2) == rule.MARGIN
    assert rule.MARGIN / 2 < known["readers"]["pooled"] < rule.MARGIN


def test_statements_on_recorded_networks_get_verdicts_and_are_counted():
    groups = networks.recorded(FOLDER)
    facts, (found, table) = facts_of(groups), decided(groups)
    tested = table[table["tests"] > 0]
    assert {15, 19, 23, 33, 34} <= set(tested.index) and not {1, 2, 5, 8, 24, 25, 29, 36} & set(tested.index)
    assert table.loc[20, "verdict"] == rule.IDLE and found[20][0].idle[0] == "binary, context window, CNN"
    assert found[19][0].trainings == (3, 3) and found[4][0].trainings == (3, 1) and found[19][0].n == 351
    assert "no run of binary, zoomed nodule, ResNet50 TL" in table.loc[14, "why"]
    assert "no heat maps" in table.loc[25, "why"] and table.loc[25, "verdict"] == rule.UNTESTED
    assert facts["claims_on_networks"] == str(len(tested)) and facts["claims"] == "36"
    by_verdict = [int(facts[f"claims_{name.replace(' ', '_')}"]) for name in rule.VERDICTS]
    assert sum(by_verdict) == 36 and int(facts["claims_on_networks_decided"]) <= sum(by_verdict[:5])
    rows = estimates.comparisons(found)
    assert rows.index.isin(table.index).sum() == table["tests"].sum()
    assert rows.loc[30, "expected"].tolist() == ["0.59 to 0.69", "0.5 or more", "above 0"]
    assert (
        rows.loc[24, "expected"] == "at most 0.5"
        and rows.loc[19, "by itself"] == rule.statement(found[19])[0]
    )
    lines = estimates.ledger(statements.CLAIMS, found, rule.decide(statements.CLAIMS, found), here=table)
    assert lines.loc[19, "verdict"] == table.loc[19, "verdict"] and lines.loc[19, "chapter"] == "4"
    assert lines.loc[19, "estimate"].endswith("n = 351 (LIDC, nodule windows)")
    for words in ("By proxy: one task", "Not tested in part: no run"):
        assert words in lines.loc[14, "tested by"]


def planted(run, right):
    """The predictions of a run if it is always right, or never."""
    label = run.predictions["y_true"].to_numpy()
    said = label if right else 1 - label
    return run.predictions.assign(
        y_pred=said, p_malignant=0.8 * said + 0.1, p_benign=0.9 - 0.8 * said, confidence=0.9
    )


FINE = next(
    run
    for run in FOUND
    if run.config["model"] == "efficientnetb4"
    and run.config["task"] == "binary"
    and run.config["view"] == "nodule"
    and run.config["stage"] == "fine_tuning"
    and run.config["settings"]["protocol"] == "patient"
    and run.config["seed"] == 0
)


def test_planted_answers_give_their_verdicts_and_what_is_missing_is_said(tmp_path):
    """The fine-tuned network is always right, the CNN never; under the report's split the reverse."""
    for seed in range(2):
        record(tmp_path, FINE, name=f"fine-{seed}", seed=seed, predictions=planted(FINE, True))
        record(tmp_path, CNN, name=f"cnn-{seed}", seed=seed, predictions=planted(CNN, False))
    swap = {"validation": "test", "test": "validation"}
    for run, right in ((FINE, False), (CNN, True)):
        moved = planted(run, right)
        moved = moved.assign(split=moved["split"].replace(swap))
        config = {"split": "report-s0", "settings": {"protocol": "report"}}
        record(tmp_path, run, name=f"other-{right}", predictions=moved, **config)
    found, table = decided(networks.recorded(tmp_path))
    assert table.index[table["tests"] > 0].tolist() == [19] and found[19][0].trainings == (2, 2)
    assert table.loc[19, ["verdict", "before Holm"]].tolist() == ["holds", "holds"]
    assert table.loc[20, "why"] == (
        "no run of binary, context window, frozen; nor of binary, context window, CNN on LIDC, nodule windows"
    )


def test_seeds_that_disagree_do_not_hold(tmp_path):
    """One training says the contrary of the other: their mean is no difference, and the spread is wide."""
    for seed, right in enumerate((True, False)):
        record(tmp_path, FINE, name=f"fine-{seed}", seed=seed, predictions=planted(FINE, right))
        record(tmp_path, CNN, name=f"cnn-{seed}", seed=seed, predictions=planted(CNN, not right))
    _, table = decided(networks.recorded(tmp_path))
    assert table.loc[19, "verdict"] == rule.OPEN


def test_the_views_are_compared_without_the_readers_box(tmp_path):
    """The CNN is always right with filled padding, never on the context window; else as recorded."""
    record(tmp_path, CNN, name="plain")
    record(tmp_path, CNN, name="wide", view="context", predictions=planted(CNN, False))

    def known():
        return verdicts.sources(networks.recorded(tmp_path), {}, seed=0)

    said = verdicts.without_padding(known())
    assert said.startswith("No network on a zoomed view without the readers' box")
    record(tmp_path, CNN, name="filled", settings={"bands": "filled"}, predictions=planted(CNN, True))
    plain, filled = verdicts.without_padding(known()).splitlines()[-3:-1]
    assert plain.startswith("| binary | with its padding | +0.8") and plain.endswith("holds |")
    assert filled.startswith("| binary | padding filled | +1.00 [") and filled.endswith("holds |")


def test_runs_that_decide_nothing_or_have_one_name(tmp_path):
    record(tmp_path, CNN, name="a")
    assert facts_of(networks.recorded(tmp_path))["claims_on_networks"] == "0"
    record(tmp_path, CNN, name="b", settings={"patience": 3})
    twice = "b: found a second run of binary nodule CNN with the seed 0, expected one"
    with pytest.raises(InputError, match=twice):
        facts_of(networks.recorded(tmp_path))


def test_the_recorded_measures_of_images_decide_what_needs_images():
    """The records themselves: no case lacks a score, the crop leaves padding, and unusual nodules differ."""
    found = measures.recorded(FOLDER.parent)
    assert found["cases at hand without a score"].value == 0 and found["images without padding"].high < 0.05
    assert found["malignant among unusual less others, nodule"].low > 0.05


def test_estimates_are_written_with_their_interval_or_as_a_range():
    pair = (("binary", "nodule", "CNN"), ("binary", "wide", "CNN"))
    one = partial(rule.Estimate, n=10, networks=pair)
    assert estimates.written(one(0.1, -0.05, 0.25)) == "+0.10 [−0.05, +0.25]"
    assert estimates.written(rule.Estimate(-12, n=9)) == "−12 (counted)"
    idle = one(0.1, 0.0, 0.2, idle=("binary wide CNN",))
    assert estimates.written(idle).endswith("(nearly constant: binary wide CNN)")
    several = [one(value, value - 0.1, value + 0.1) for value in (0.3, -0.2, 0.1)]
    assert estimates.written_together(several) == "−0.20 to +0.30 (3 comparisons)"
    assert estimates.written_together([rule.Estimate(lacks="no run")]) == "–"
    other = one(0.3, 0.2, 0.4, expects=(0, 1))
    assert estimates.written_together([several[1], other]) == "−0.20 [−0.30, −0.10]; +0.30 [+0.20, +0.40]"
