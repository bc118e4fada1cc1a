"""One reader against the others."""

import numpy as np
import pandas as pd
import pytest

from lungcls.errors import InputError
from lungcls.models import second_reader


def test_the_label_leaves_the_drawn_reader_out():
    found = [second_reader.draw(["1 5 5"], seed=seed) for seed in range(60)]
    pairs = {(int(predicted[0]), int(label[0])) for predicted, label in found}
    assert pairs == {(1, 5), (5, 3)}  # of (1, 5): the mean of 1 and 5
    assert np.mean([predicted[0] == 1 for predicted, _ in found]) == pytest.approx(1 / 3, abs=0.15)


def test_the_mean_of_the_others_is_rounded_up():
    predicted, label = second_reader.draw(["2 2 2 3"], seed=1)
    assert (predicted[0], label[0]) in {(2, 3), (3, 2)}


def test_a_single_reader_has_no_panel():
    predicted, label = second_reader.draw(["3", "", "4 2", "5 5"], seed=0)
    np.testing.assert_array_equal(predicted > 0, [False, False, True, True])
    assert (
        (predicted[3], label[3]) == (5, 5) and label[:2].tolist() == [0, 0] and predicted[2] + label[2] == 6
    )


def test_the_seed_decides():
    ratings = ["1 2 3 4", "5 4 3 2"] * 20
    same = [second_reader.draw(ratings, seed=seed)[0].tolist() for seed in (0, 0, 1)]
    assert same[0] == same[1] != same[2]


def test_probabilities_are_counted_on_training_cases():
    predicted, label = np.array([4, 4, 4, 2, 4]), np.array([5, 5, 3, 1, 1])
    train = np.array([True, True, True, True, False])
    y_true, y_pred, y_prob = second_reader.to_predictions(predicted, label, train, task="multiclass")
    np.testing.assert_allclose(y_prob[0], np.array([1, 1, 2, 1, 3]) / 8)  # each label once more
    np.testing.assert_allclose(y_prob[3], np.array([2, 1, 1, 1, 1]) / 6)
    np.testing.assert_array_equal(y_prob[4], y_prob[0])  # the test case's own label does not count
    assert y_true is label and y_pred is predicted
    y_true, y_pred, y_prob = second_reader.to_predictions(predicted, label, train, task="binary")
    assert y_true.tolist() == [1, 1, 0, 0, 0] and y_pred.tolist() == [1, 1, 1, 0, 1]
    np.testing.assert_allclose(y_prob[[0, 3]], [[2 / 5, 3 / 5], [2 / 3, 1 / 3]])
    np.testing.assert_allclose(y_prob.sum(axis=1), 1)


def test_halves_are_of_different_readers():
    cases = pd.DataFrame({"ratings": ["1 2 3 4 5", "3", "5 1"], "margin": ["1 2 3 4 5", "3", "5 1"]})
    sizes, means = set(), []
    for seed in range(30):
        halves = second_reader.halves(cases, ["margin"], seed=seed)
        assert all(half.index.tolist() == [0, 2] for half in halves)
        for half in halves:  # the margin is the rating here, so the label is its mean, rounded up
            assert half["malignancy"].tolist() == np.ceil(half["margin"]).tolist()
        first, second = (half["margin"].to_numpy() for half in halves)
        assert {first[1], second[1]} == {1, 5}
        sizes |= {n for n in (2, 3) if abs(n * first[0] + (5 - n) * second[0] - 15) < 1e-9}
        means.append(first[0])
    assert sizes == {2, 3} and len(set(means)) > 5
    again = second_reader.halves(cases, ["margin"], seed=0)[0]
    assert again.equals(second_reader.halves(cases, ["margin"], seed=0)[0])


def test_a_column_without_a_number_a_reader_is_refused():
    cases = pd.DataFrame({"ratings": ["1 2", "3 4"], "margin": ["1 2", "3"]})
    with pytest.raises(InputError, match="row 2: margin is '3', expected a number for each of its ratings"):
        second_reader.halves(cases, ["margin"], seed=0)


def test_errors():
    with pytest.raises(InputError, match="ratings: row 2: found '6 1'"):
        second_reader.draw(["1 2", "6 1"], seed=0)
    one = np.array([3])
    with pytest.raises(InputError, match="found no training case with two readers or more"):
        second_reader.to_predictions(one, one, np.array([False]), task="binary")
    with pytest.raises(ValueError, match="task: found 'three'"):
        second_reader.to_predictions(one, one, np.array([True]), task="three")
