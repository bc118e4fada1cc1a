"""The report's printed tables as evidence: every pairing, against a simulation."""

import numpy as np
import pytest

from lungcls.report.claims import printed, rule
from lungcls.report.claims.statements import BY_NUMBER


def test_the_size_of_the_reports_test_part():
    assert printed.printed_size() == 237


def test_printed_scores_are_compared_with_every_pairing():
    found = {
        pairing: printed.printed_difference(0.8, 0.7, n=200, pairing=pairing) for pairing in printed.PAIRINGS
    }
    half = {pairing: row.high - row.value for pairing, row in found.items()}
    assert half["narrowest"] < half["unpaired"] < half["widest"]
    assert half["unpaired"] == pytest.approx(1.959964 * np.sqrt((0.8 * 0.2 + 0.7 * 0.3) / 200))
    rng = np.random.default_rng(0)  # oracle: both right on 140 of 200 cases, the first alone on 20
    first, second = np.repeat([1, 0], [160, 40]), np.repeat([1, 0], [140, 60])
    drawn = rng.integers(200, size=(4000, 200))
    spread = (first[drawn].mean(axis=1) - second[drawn].mean(axis=1)).std()
    assert half["narrowest"] / 1.96 == pytest.approx(spread, rel=0.05)
    worst = first - second[::-1]  # agreeing as rarely as the shares allow
    spread = worst[drawn].mean(axis=1).std()
    assert half["widest"] / 1.96 == pytest.approx(spread, rel=0.05)
    with pytest.raises(ValueError, match="scores, pairing: found 1.2"):
        printed.printed_difference(1.2, 0.7, n=200, pairing="unpaired")


def test_only_what_is_printed_is_compared():
    assert [len(printed.printed(BY_NUMBER[number])) for number in (11, 19, 33, 34, 35, 2)] == [
        0,
        1,
        6,
        2,
        0,
        0,
    ]
    (row,) = printed.printed(BY_NUMBER[19])
    assert row.value == pytest.approx(0.8121 - 0.6557) and row.n == 237
    assert rule.statement([row])[0] == rule.HOLDS


def test_of_the_printed_table_it_is_true_that_the_fine_tuned_network_is_best():
    assert all(one.value > 0 for one in printed.printed(BY_NUMBER[23])) and BY_NUMBER[23].theirs
