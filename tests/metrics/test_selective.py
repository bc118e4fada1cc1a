"""Risk against coverage."""

import numpy as np
import pytest

from lungcls.metrics import selective


def once(cases):
    """Weights that count each case once."""
    return np.ones((1, len(cases)))


RIGHT = np.array([True, True, False, True, False])
CONFIDENCE = np.array([0.9, 0.8, 0.7, 0.6, 0.5])


def test_the_curve_by_hand():
    coverage, risk = selective.risk_coverage_curve(RIGHT, CONFIDENCE)
    np.testing.assert_allclose(coverage, [0.2, 0.4, 0.6, 0.8, 1])
    np.testing.assert_allclose(risk, [0, 0, 1 / 3, 1 / 4, 2 / 5])


def test_equal_confidence_is_in_random_order():
    coverage, risk = selective.risk_coverage_curve(RIGHT, np.full(5, 0.7))
    np.testing.assert_allclose(risk, 0.4)
    assert selective.area(RIGHT, np.full(5, 0.7), once(RIGHT)) == pytest.approx(0.4)
    _, risk = selective.risk_coverage_curve(RIGHT, np.array([0.9, 0.7, 0.7, 0.7, 0.5]))
    np.testing.assert_allclose(risk, [0, 1 / 6, 2 / 9, 1 / 4, 2 / 5])


def test_the_area_is_the_integral():
    rng = np.random.default_rng(0)
    right, confidence = rng.random(40) < 0.7, rng.random(40).round(1)
    order = np.argsort(-confidence, kind="stable")
    ends = np.append(0, np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True)) + 1)
    errors = np.append(0, np.cumsum(~right[order]))[ends]
    at = (np.arange(400_000) + 0.5) / 400_000 * 40
    assert selective.area(right, confidence, once(right))[0] == pytest.approx(
        (np.interp(at, ends, errors) / at).mean(), abs=1e-6
    )


def test_with_many_cases_it_is_the_mean_of_the_curve():
    rng = np.random.default_rng(1)
    confidence = rng.random(20_000)
    right = rng.random(20_000) < confidence
    assert selective.area(right, confidence, once(right))[0] == pytest.approx(
        selective.risk_coverage_curve(right, confidence)[1].mean(), abs=1e-3
    )


def test_weights_are_repeats():
    weights = np.array([[2, 0, 1, 3, 1.0]])
    rows = np.repeat(np.arange(5), weights[0].astype(int))
    assert selective.area(RIGHT, CONFIDENCE, weights) == pytest.approx(
        selective.area(RIGHT[rows], CONFIDENCE[rows], once(rows))
    )
    assert np.isfinite(selective.area(RIGHT, CONFIDENCE, np.array([[0, 0, 1, 1, 0.0]]))).all()


def test_random_and_oracle_are_the_ends():
    right = np.arange(1000) % 4 > 0
    oracle = selective.area(right, right.astype(float), once(right))[0]
    assert oracle == pytest.approx(selective.best_area(0.25)) and oracle < 0.25
    assert selective.area(right, -right.astype(float), once(right))[0] > 0.25  # the wrong ones answered first
    assert selective.best_area(np.array([0, 1])).tolist() == [0, 1]
    table = selective.area_intervals(right, right.astype(float), patients=np.arange(1000), seed=0)["value"]
    assert table["area"] == pytest.approx(table["oracle"]) and table["random"] == 0.25
    assert table["gain"] == pytest.approx(table["random"] - table["area"])


def test_a_network_that_is_always_right():
    table = selective.area_intervals(np.ones(4, bool), [0.1, 0.2, 0.3, 0.4], patients=[1, 2, 3, 4], seed=0)
    assert (table["value"] == 0).all()


def test_errors():
    with pytest.raises(ValueError, match="right: found int64"):
        selective.risk_coverage_curve(np.array([1, 0]), [0.1, 0.2])
    with pytest.raises(ValueError, match=r"confidence: found shape \(1,\), expected \(2,\)"):
        selective.area(np.array([True, False]), [0.1], np.ones((1, 2)))
    with pytest.raises(ValueError, match="all finite"):
        selective.area(np.array([True, False]), [0.1, np.nan], np.ones((1, 2)))
