"""Risk against coverage."""

import numpy as np
import pytest

from lungcls import deferral

RIGHT = np.array([True, True, False, True, False])
CONFIDENCE = np.array([.9, .8, .7, .6, .5])


def test_the_curve_by_hand():
    coverage, risk = deferral.risk_curve(RIGHT, CONFIDENCE)
    np.testing.assert_allclose(coverage, [.2, .4, .6, .8, 1])
    np.testing.assert_allclose(risk, [0, 0, 1 / 3, 1 / 4, 2 / 5])


def test_equal_confidence_is_in_random_order():
    coverage, risk = deferral.risk_curve(RIGHT, np.full(5, 0.7))
    np.testing.assert_allclose(risk, 0.4)
    assert deferral.area(RIGHT, np.full(5, 0.7)) == pytest.approx(0.4)
    _, risk = deferral.risk_curve(RIGHT, np.array([.9, .7, .7, .7, .5]))
    np.testing.assert_allclose(risk, [0, 1 / 6, 2 / 9, 1 / 4, 2 / 5])


def test_the_area_is_the_integral():
    rng = np.random.default_rng(0)
    right, confidence = rng.random(40) < 0.7, rng.random(40).round(1)
    order = np.argsort(-confidence, kind="stable")
    ends = np.append(0, np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True)) + 1)
    errors = np.append(0, np.cumsum(~right[order]))[ends]
    at = (np.arange(400_000) + 0.5) / 400_000 * 40
    assert deferral.area(right, confidence)[0] == pytest.approx((np.interp(at, ends, errors) / at).mean(), abs=1e-6)


def test_with_many_cases_it_is_the_mean_of_the_curve():
    rng = np.random.default_rng(1)
    confidence = rng.random(20_000)
    right = rng.random(20_000) < confidence
    assert deferral.area(right, confidence)[0] == pytest.approx(deferral.risk_curve(right, confidence)[1].mean(),
                                                                abs=1e-3)


def test_weights_are_repeats():
    weights = np.array([[2, 0, 1, 3, 1.0]])
    rows = np.repeat(np.arange(5), weights[0].astype(int))
    assert deferral.area(RIGHT, CONFIDENCE, weights) == pytest.approx(deferral.area(RIGHT[rows], CONFIDENCE[rows]))
    assert np.isfinite(deferral.area(RIGHT, CONFIDENCE, np.array([[0, 0, 1, 1, 0.0]]))).all()


def test_random_and_oracle_are_the_ends():
    right = np.arange(1000) % 4 > 0
    oracle = deferral.area(right, right.astype(float))[0]
    assert oracle == pytest.approx(deferral.best_area(0.25)) and oracle < 0.25
    assert deferral.area(right, -right.astype(float))[0] > 0.25  # the wrong ones answered first
    assert deferral.best_area(np.array([0, 1])).tolist() == [0, 1]
    table = deferral.area_intervals(right, right.astype(float), patients=np.arange(1000), seed=0)["value"]
    assert table["area"] == pytest.approx(table["oracle"]) and table["random"] == 0.25
    assert table["gain"] == pytest.approx(table["random"] - table["area"])


def test_a_network_that_is_always_right():
    table = deferral.area_intervals(np.ones(4, bool), [.1, .2, .3, .4], patients=[1, 2, 3, 4], seed=0)
    assert (table["value"] == 0).all()


def test_errors():
    with pytest.raises(ValueError, match="right: found int64"):
        deferral.risk_curve(np.array([1, 0]), [.1, .2])
    with pytest.raises(ValueError, match=r"confidence: found shape \(1,\), expected \(2,\)"):
        deferral.area(np.array([True, False]), [.1])
    with pytest.raises(ValueError, match="all finite"):
        deferral.area(np.array([True, False]), [.1, np.nan])
