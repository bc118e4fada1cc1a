"""What chapter 12 says in words follows from the records."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lungcls.report.claims import estimates, printed, rule, statements, verdicts
from lungcls.report.results import explanations, networks

RESULTS = Path(__file__).parents[3] / "book" / "results"
ON_F1 = [11, 13, 14, 15, 17, 19, 20, 21, 22, 23, 35]


@pytest.fixture(scope="module")
def found():
    known = verdicts.recorded(RESULTS)
    return statements.estimates(*known, more=explanations.evidence(explanations.read(RESULTS)))


@pytest.fixture(scope="module")
def decided(found):
    return rule.decide(statements.CLAIMS, found)


def test_statement_17_is_undecided_and_would_hold_with_a_wide_margin(found):
    given = found[17]
    assert len(given) == 2 and all(one.ends[0] < 0 < one.ends[1] for one in given)
    said = {margin: rule.statement(given, margin=margin)[0] for margin in (0.01, rule.MARGIN, 0.05)}
    assert list(said.values()) == [rule.OPEN, rule.OPEN, rule.HOLDS] and rule.MARGIN == 0.02


def test_statement_14_fails_by_itself_alone_and_those_on_the_views_hold_among_all(decided):
    assert decided.loc[14, ["before Holm", "verdict"]].tolist() == [rule.FAILS, rule.OPEN]
    assert set(decided.loc[[21, 22, 33, 34], "verdict"]) == {rule.HOLDS}


def test_the_small_network_hardly_learns_on_full_slices_and_the_views_differ_without_it(found):
    for task, classes in (("binary", 2), ("multiclass", 5)):
        folders = list((RESULTS / "study").glob(f"{task}-full_slice-cnn-scratch-s0-f*"))
        least = [pd.read_csv(folder / "history.csv")["val_loss"].min() for folder in folders]
        assert len(folders) == 5 and np.mean(least) > 0.97 * np.log(classes)
    for number in (21, 22, 33):
        others = [one for one in found[number] if not any(name[2] == "CNN" for name in one.networks)]
        assert len(others) == (4 if number == 33 else 2) and rule.statement(others)[0] == rule.HOLDS


def test_the_counts_are_the_facts(decided, collected):
    counts = {name: int(collected[f"claims_{name.replace(' ', '_')}"]) for name in rule.VERDICTS}
    found = decided["verdict"].value_counts()
    assert counts == {name: found.get(name, 0) for name in rule.VERDICTS}
    assert counts[rule.IDLE] == 0 and counts[rule.DIFFERENT] == 1  # the page has words for no other number
    assert int(collected["claims_on_networks_decided"]) >= 5 and int(collected["claims_taken_back"]) > 1


def test_the_earlier_rule_failed_more_often_and_the_margin_is_what_trainings_move(collected):
    before, now = (int(collected[f"rule_errors_{name}"].split("\xa0")[0]) for name in ("before", "now"))
    assert before > 3 * now and now <= 5
    assert all(0.01 < float(collected[f"margin_{of}"]) < 0.03 for of in ("trainings", "readers"))


def test_of_the_printed_statements_one_is_not_true_and_three_hold_whatever_the_pairing(decided):
    claims = list(filter(printed.printed, statements.CLAIMS))
    false = [one for one in claims if not all(each.value > 0 for each in printed.printed(one))]
    assert [one.number for one in false] == [15]
    said = {
        one.number: {rule.statement(printed.printed(one, how))[0] for how in printed.PAIRINGS}
        for one in claims
    }
    assert sum(verdicts == {rule.HOLDS} for verdicts in said.values()) == 3
    held = decided.loc[list(said), "verdict"]
    assert held.index[held.isin(rule.DECIDED)].tolist() == [21, 22, 33, 34]


def test_most_intervals_are_much_wider_than_the_margin(found):
    pairs = estimates.comparisons(found).loc[ON_F1].drop_duplicates("comparison")
    half = (pairs["high"] - pairs["low"]) / 2
    assert 1.6 * rule.MARGIN < half.median() < 2 * rule.MARGIN
    crossing = (pairs["low"] < -rule.MARGIN) & (pairs["high"] > rule.MARGIN)
    assert 0.4 < crossing.mean() < 0.6


def test_efficientnetb4_stands_in():
    groups = networks.recorded(RESULTS / "lidc") + networks.out_of_fold(RESULTS / "study")
    assert {networks.stand_in(group.runs) for group in groups} <= {"efficientnetb4", None}
