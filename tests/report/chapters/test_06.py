"""What the chapter on views says of recorded networks is so."""

import pytest
from recorded_runs import FOLDER

from lungcls.report.claims import rule, scores, verdicts
from lungcls.report.results import networks, score_tables, tables

PADDING = "padding alone, zoomed nodule"
STUDY = networks.study(networks.out_of_fold(FOLDER.parent / "study"))


@pytest.fixture(scope="module")
def known():
    """The recorded networks: on full slices, and on windows."""
    return verdicts.sources([STUDY, networks.recorded(FOLDER)[0]], {}, seed=0)


@pytest.fixture(scope="module")
def scored():
    """Scores of the networks on full slices and of the baselines, two classes."""
    return score_tables.score(STUDY, "binary", seed=0)


def test_every_network_is_better_on_the_zoomed_nodule(known, collected):
    full, found = known[0], []
    names = [name for task, view, name in full.results if (task, view) == ("binary", "wide")]
    for task, score in (
        ("binary", scores.f1),
        ("binary", scores.auc),
        ("multiclass", scores.f1),
        ("multiclass", scores.kappa),
    ):
        found.append([full.compare(score, (task, "nodule", name), (task, "wide", name)) for name in names])
        assert all(one.low > 0 and one.n == 1146 for one in found[-1])
        assert rule.statement(found[-1])[0] == rule.HOLDS
    values = [one.value for one in found[1]]
    assert len(names) >= 4
    assert collected["views_gain_least"].startswith(f"+{min(values):.2f} [")
    assert collected["views_gain_most"].startswith(f"+{max(values):.2f} [")


def test_on_full_slices_all_lie_far_below_the_diameter(scored):
    auc = scored.table[scored.table["score"] == "AUC"].set_index("name")
    whole = auc.filter(like="full slice", axis=0)
    assert len(whole) >= 4 and whole["high"].max() < auc.loc["diameter alone", "low"] - 0.1


def test_no_network_on_the_zoomed_nodule_is_shown_to_pass_the_padding_alone(scored):
    zoomed = {name: one for name, one in scored.results.items() if name.endswith("zoomed nodule")}
    less = tables.differences(zoomed, PADDING, task="binary", score="AUC", seed=0)
    small = less.index.str.startswith("CNN")
    assert len(less) >= 5 and small.sum() == 1 and (less["high"][~small] < 0).all()
    assert less["low"][small].item() < 0 < less["high"][small].item()


def test_what_the_padding_is_worth_to_the_small_network(known):
    windows = known[-1]
    kept = {
        (task, form): windows.compare(score, (task, "nodule", form), (task, "nodule", "CNN"))
        for task, score in (("binary", scores.auc), ("multiclass", scores.kappa))
        for form in ("padding filled", "padding alone")
    }
    assert kept["binary", "padding filled"].high < 0
    assert kept["binary", "padding alone"].low < 0 < kept["binary", "padding alone"].high
    assert all(kept["multiclass", form].high < 0 for form in ("padding filled", "padding alone"))


def test_without_the_padding_the_zoomed_nodule_is_not_shown_to_be_better(known):
    windows, wide = known[-1], ("multiclass", "wide", "CNN")
    forms = ("CNN", "padding alone", "padding filled", "fixed-size crop")
    given = (windows.compare(scores.kappa, ("multiclass", "nodule", form), wide) for form in forms)
    assert [rule.statement([one])[0] for one in given] == [rule.HOLDS] * 2 + [rule.OPEN] * 2
    two = windows.compare(scores.f1, ("binary", "nodule", "CNN"), ("binary", "wide", "CNN"))
    assert two.idle == ("binary, context window, CNN",)


def test_the_mean_of_both_views_is_no_shown_gain(known):
    pair = ("binary", "both", "FT"), ("binary", "nodule", "FT")
    for score in (scores.f1, scores.auc):
        one = known[0].compare(score, *pair)
        assert one.low < 0 < one.high
