"""Confidence as the report shows it, and what its figure 10 can tell."""

from conftest import made_up
import numpy as np
import pytest

from lungcls.metrics import confidence

Y_TRUE, Y_PRED = np.array([1, 1, 2, 2]), np.array([1, 2, 2, 1])
Y_PROB = np.array([[0.8, 0.2, 0, 0, 0], [0.4, 0.6, 0, 0, 0], [0.1, 0.9, 0, 0, 0], [0.5, 0.3, 0.2, 0, 0]])


def test_spread_counts_and_averages():
    found = confidence.spread(
        np.array([0.3, 0.5, 0.7, 0.9]), patients=[1, 2, 3, 4], low=0.5, high=0.7, seed=0
    )
    assert found["value"].to_dict() == {
        "mean": pytest.approx(0.6),
        "inside": 0.5,
        "below": 0.25,
        "above": 0.25,
    }
    assert (found["low"] <= found["value"]).all() and (found["value"] <= found["high"]).all()
    with pytest.raises(ValueError, match="low, high: found 0.7, 0.5"):
        confidence.spread([0.3, 0.4], patients=[1, 2], low=0.7, high=0.5, seed=0)


def test_figure_10_by_hand():
    found = confidence.by_class(Y_TRUE, Y_PRED, Y_PROB, np.ones((1, 4)))
    np.testing.assert_allclose(found["predicted"][0, :2], [(0.8 + 0.5) / 2, (0.6 + 0.9) / 2])
    np.testing.assert_allclose(found["true"][0, :2], [(0.8 + 0.4) / 2, (0.9 + 0.3) / 2])
    np.testing.assert_allclose(found["right"][0, :2], [0.5, 0.5])
    np.testing.assert_allclose(found["gap"], found["predicted"] - found["true"])
    np.testing.assert_allclose(found["excess"], found["predicted"] - found["right"])
    assert np.isnan(found["gap"][0, 2:]).all()
    twice = confidence.by_class(Y_TRUE, Y_PRED, Y_PROB, np.array([[1, 1, 1, 1], [2, 2, 2, 2]]))
    np.testing.assert_allclose(*twice["gap"])


def test_the_table_holds_each_class_with_its_cases():
    table = confidence.class_table(Y_TRUE, Y_PRED, Y_PROB, patients=[1, 2, 3, 4], seed=0)
    assert table.loc[("score 1", "gap"), "value"] == pytest.approx(0.65 - 0.6)
    assert table.loc[("score 2", "predicted"), "n"] == 2 and table.loc[("score 5", "true"), "n"] == 0
    assert np.isnan(table.loc[("score 5", "gap"), "value"])
    binary = confidence.class_table([0, 1], [0, 0], [[0.9, 0.1], [0.6, 0.4]], patients=[1, 2], seed=0)
    assert binary.loc[("benign", "right"), "value"] == 0.5 and binary.loc[("malignant", "right"), "n"] == 0


def test_the_gap_of_a_calibrated_network_is_that_of_the_formula():
    _, y_prob = made_up(600)
    gaps = confidence.calibrated_gaps(y_prob, seed=3, draws=3000)
    said = y_prob.argmax(axis=1)
    for place, p in enumerate(y_prob.T):
        expected = p[said == place].mean() - (p**2).mean() / p.mean()
        assert gaps[:, place].mean() == pytest.approx(expected, abs=0.005)
        assert expected > 0.1  # calibrated, and yet "overconfident" by the report's reading
    np.testing.assert_array_equal(gaps, confidence.calibrated_gaps(y_prob, seed=3, draws=3000))


def test_the_gap_is_not_positive_by_necessity():
    certain = np.eye(5)[[0, 1, 2, 3, 4]]
    np.testing.assert_allclose(confidence.calibrated_gaps(certain, seed=0, draws=5), 0)
    one_answer = np.array(
        [[0.9, 0.1], [0.6, 0.4]] * 50
    )  # always benign: its own label is likelier where p is large
    gaps = confidence.calibrated_gaps(one_answer, seed=0)
    assert np.isnan(gaps[:, 1]).all() and gaps[:, 0].mean() < 0


def test_drawn_labels_follow_the_probabilities():
    y_prob = np.array([[0.1, 0.2, 0.3, 0.4, 0], [0, 0, 0, 0, 1]])
    drawn = confidence.draw_labels(y_prob, seed=0, draws=20000)
    np.testing.assert_allclose(np.bincount(drawn[:, 0], minlength=5) / 20000, y_prob[0], atol=0.015)
    assert (drawn[:, 1] == 4).all()


def test_errors():
    with pytest.raises(ValueError, match="y_true: found 6, expected labels out of"):
        confidence.columns_of([6], [[0.2] * 5])
    with pytest.raises(ValueError, match=r"y_true: found shape \(2,\), expected \(1,\)"):
        confidence.columns_of([1, 2], [[0.2] * 5])
    with pytest.raises(ValueError, match="y_prob: row 2: found"):
        confidence.check_probabilities([[0.5, 0.5], [0.5, 0.6]])
    with pytest.raises(ValueError, match=r"n_classes in \[2, 5\]"):
        confidence.check_probabilities([[0.5, 0.2, 0.3]])
