"""Uncertainty of a network against disagreement of readers."""

import numpy as np
import pytest
from scipy.stats import entropy, spearmanr

from lungcls.errors import InputError
from lungcls.metrics import uncertainty


def once(cases):
    """Weights that count each case once."""
    return np.ones((1, len(cases)))


def test_spread_of_readers():
    found = uncertainty.reader_spread(["3 3 3", "1 5", "4", ""])
    assert found[:2].tolist() == [0, 2] and np.isnan(found[2:]).all()
    with pytest.raises(InputError, match="ratings: row 1"):
        uncertainty.reader_spread(["6 1"])


def test_entropy_is_that_of_scipy():
    y_prob = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    np.testing.assert_allclose(uncertainty.entropy(y_prob), entropy(y_prob, axis=1, base=5))
    np.testing.assert_allclose(uncertainty.entropy([[1, 0], [0.5, 0.5]]), [0, 1])


@pytest.mark.parametrize("digits", [1, 8])
def test_rank_correlation_is_that_of_scipy(digits):
    rng = np.random.default_rng(0)
    first = rng.normal(size=60)
    second = (first + rng.normal(size=60)).round(digits)
    first = first.round(digits)
    assert uncertainty.rank_correlation(first, second, once(first))[0] == pytest.approx(
        spearmanr(first, second).statistic
    )
    weights = rng.integers(0, 4, (5, 60)).astype(float)
    for drawn, found in zip(weights, uncertainty.rank_correlation(first, second, weights), strict=True):
        rows = np.repeat(np.arange(60), drawn.astype(int))
        assert found == pytest.approx(spearmanr(first[rows], second[rows]).statistic)


def test_it_knows_ranks_only_and_one_value_has_none():
    first = np.arange(20.0)
    assert uncertainty.rank_correlation(first, np.exp(first), once(first)) == pytest.approx(1)
    assert uncertainty.rank_correlation(first, -first, once(first)) == pytest.approx(-1)
    assert np.isnan(uncertainty.rank_correlation(first, np.ones(20), once(first))[0])


def test_cases_without_a_value_are_left_out():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 50))
    second[:10] = np.nan
    found = uncertainty.correlation_interval(first, second, patients=np.arange(50), seed=0)
    assert found["n"] == 40 and found["patients"] == 40 and found["low"] < found["value"] < found["high"]
    assert found["value"] == pytest.approx(spearmanr(first[10:], second[10:]).statistic)
    one = uncertainty.correlation_interval(first, second, patients=np.zeros(50), seed=0)
    assert np.isnan(one["value"]) and one["n"] == 40


def test_errors():
    with pytest.raises(ValueError, match=r"second: found shape \(1,\), expected \(2,\)"):
        uncertainty.rank_correlation([1, 2], [1], np.ones((1, 2)))
    with pytest.raises(ValueError, match="all finite"):
        uncertainty.rank_correlation([1, 2], [1, np.inf], np.ones((1, 2)))
