"""The one rule of verdicts: single intervals, statements of several, Holm, and simulated truths."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from scipy.stats import norm

from lungcls.report.claims import rule
from lungcls.report.claims.rule import ABOVE, BELOW, NO_GAIN, Estimate
from lungcls.report.claims.statements import Claim

CLAIM = Claim(1, "1", "model", "", "", None)


def one(value, half, expects=ABOVE, **more):
    return Estimate(value, value - half, value + half, n=100, expects=expects, **more)


@pytest.mark.parametrize(
    "expects, value, half, verdict",
    [
        (ABOVE, 0.10, 0.05, rule.HOLDS),
        (ABOVE, 0.05, 0.05, rule.OPEN),  # it touches 0
        (ABOVE, -0.10, 0.05, rule.FAILS),
        (ABOVE, 0.00, 0.01, rule.EQUAL),
        (ABOVE, 0.01, 0.005, rule.EQUAL),  # a gain and no gain at once: no gain that matters
        (ABOVE, -0.01, 0.005, rule.EQUAL),
        (BELOW, -0.10, 0.05, rule.HOLDS),
        (BELOW, 0.10, 0.05, rule.FAILS),
        (NO_GAIN, 0.00, 0.019, rule.HOLDS),
        (NO_GAIN, 0.01, 0.005, rule.HOLDS),
        (NO_GAIN, 0.00, 0.03, rule.OPEN),  # "no significant difference" is not "no difference"
        (NO_GAIN, -0.10, 0.05, rule.HOLDS),
        (NO_GAIN, 0.10, 0.05, rule.FAILS),
        ((0.95, 1), 0.97, 0.01, rule.HOLDS),
        ((0.95, 1), 0.80, 0.05, rule.FAILS),
        ((0.95, 1), 0.94, 0.03, rule.OPEN),
        ((-inf, 0.5), 0.38, 0.02, rule.HOLDS),
    ],
)
def test_one_interval_against_what_is_expected(expects, value, half, verdict):
    assert rule.statement([one(value, half, expects)])[0] == verdict


def test_no_interval_is_both_a_gain_and_no_gain_and_p_goes_with_the_interval():
    rng = np.random.default_rng(0)
    for low, value, high in np.sort(rng.normal(0, 0.03, (500, 3)), axis=1):
        gain, none = (
            rule.statement([Estimate(value, low, high, n=9, expects=how)]) for how in (ABOVE, NO_GAIN)
        )
        assert not (gain[0] == none[0] == rule.HOLDS) and (gain[1] < 0.05) == (gain[0] != rule.OPEN)
        near = -rule.MARGIN < low and high < rule.MARGIN
        expected = rule.EQUAL if near else rule.HOLDS if low > 0 else rule.FAILS if high < 0 else rule.OPEN
        assert gain[0] == expected
    oracle = 2 * norm.sf(0.1 / (0.08 / norm.ppf(0.975)))
    assert rule.statement([one(0.1, 0.08)])[1] == pytest.approx(oracle)


def test_a_statement_of_several_needs_the_same_standard_both_ways():
    good, bad, wide, weak = one(0.1, 0.05), one(-0.1, 0.05), one(0.1, 0.2), one(-0.1, 0.09)
    near = one(0.0, 0.004)
    cases = {
        rule.HOLDS: [good, good],
        rule.FAILS: [good, bad],
        rule.OPEN: [good, wide],
        rule.EQUAL: [good, near],
    }
    assert {verdict: rule.statement(given)[0] for verdict, given in cases.items()} == {v: v for v in cases}
    assert rule.statement([weak])[0] == rule.FAILS and rule.statement([weak, wide])[0] == rule.OPEN
    alone = rule.statement([bad])[1]
    assert rule.statement([good, bad])[1] == pytest.approx(2 * alone)
    edge = one(0.1, 0.099)
    assert rule.statement([edge])[0] == rule.statement([edge, good])[0] == rule.HOLDS  # Holm's last step is 1
    assert rule.statement([edge, edge])[0] == rule.OPEN  # both at the edge: not by luck twice


def test_a_nearly_constant_network_decides_nothing():
    idle = one(0.3, 0.05, idle=("binary wide CNN",))
    assert rule.statement([idle]) == (rule.IDLE, pytest.approx(np.nan, nan_ok=True))
    assert rule.statement([idle, one(0.1, 0.05)])[0] == rule.OPEN  # it cannot hold
    assert rule.statement([idle, one(-0.1, 0.03)])[0] == rule.FAILS
    missing = Estimate(lacks="no run")
    assert rule.statement([missing])[0] == rule.UNTESTED and rule.statement([missing, idle])[0] == rule.IDLE
    assert rule.statement([missing, one(0.1, 0.05)])[0] == rule.OPEN
    assert rule.statement([Estimate(np.nan, np.nan, np.nan, n=9)])[0] == rule.OPEN


def test_what_their_networks_put_out_is_never_refuted():
    theirs = replace(CLAIM, theirs=True)
    for given, verdict in ((one(0.1, 0.05), rule.REPRODUCED), (one(-0.1, 0.05), rule.DIFFERENT)):
        assert rule.decide([theirs], {1: [given]}).loc[1, "verdict"] == verdict
    assert rule.decide([theirs], {1: [one(0, 0.2)]}).loc[1, "verdict"] == rule.OPEN


def test_holm_over_statements_takes_a_verdict_back_and_leaves_counts_alone():
    claims = [replace(CLAIM, number=number) for number in (1, 2, 3, 4, 5)]
    counted = Estimate(0, n=5, expects=(0, 0))
    found = {1: [one(0.1, 0.04)], 2: [one(0.1, 0.09)], 3: [one(0, 0.2)], 4: [counted]}
    table = rule.decide(claims, found)
    assert table["before Holm"].tolist() == [rule.HOLDS, rule.HOLDS, rule.OPEN, rule.HOLDS, rule.UNTESTED]
    assert table["verdict"].tolist() == [rule.HOLDS, rule.OPEN, rule.OPEN, rule.HOLDS, rule.UNTESTED]
    assert table.loc[2, "p (Holm)"] == pytest.approx(2 * table.loc[2, "p"]) and np.isnan(table.loc[4, "p"])
    wrong = rule.decide(claims, found | {4: [replace(counted, value=3)]})
    assert wrong.loc[4, "verdict"] == rule.FAILS


@pytest.mark.parametrize("k", [1, 8])
def test_simulated_truths_are_decided_wrongly_in_one_case_of_twenty_at_most(k):
    """Comparisons are drawn around a truth; the earlier rule took one interval below 0 for enough."""
    rng, error, draws = np.random.default_rng(0), 0.024, 400

    def said(truth):
        values = truth + error * rng.normal(size=(draws, k))
        return values, [
            rule.statement([one(value, rule.REACH * error) for value in row])[0] for row in values
        ]

    values, found = said(0.0)
    assert sum(verdict in (rule.HOLDS, rule.FAILS) for verdict in found) <= 0.08 * draws  # both ways together
    assert found.count(rule.FAILS) <= 0.05 * draws
    before = (values + rule.REACH * error < 0).any(axis=1).mean()
    assert before == pytest.approx(1 - 0.975**k, abs=0.05)  # 18 % for eight
    values, found = said(0.15)
    assert found.count(rule.HOLDS) > 0.95 * draws and rule.FAILS not in found
    values, found = said(-0.15)
    assert found.count(rule.FAILS) > 0.95 * draws and rule.HOLDS not in found


def test_an_estimate_lies_in_its_interval():
    with pytest.raises(ValueError, match=r"value: found 3 outside \[1, 2\]"):
        Estimate(3, 1, 2, n=10)


def test_a_wider_margin_takes_what_a_narrow_one_leaves_open_for_no_gain():
    given = [one(0.006, 0.036, NO_GAIN), one(-0.001, 0.040, NO_GAIN)]
    assert [rule.statement(given, margin=margin)[0] for margin in (0.02, 0.06)] == [rule.OPEN, rule.HOLDS]
    assert rule.statement([one(0.05, 0.01)], margin=0.1)[0] == rule.EQUAL
