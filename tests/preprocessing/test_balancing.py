"""Balancing: counts before and after, on training cases only."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from lungcls.preprocessing import balancing

LABELS = np.repeat([1, 2, 3, 4, 5], [24, 46, 109, 42, 15])  # the report's classes, a tenth of them


def counts(plan):
    return np.bincount(LABELS[plan.rows], minlength=6)[1:].tolist()


@pytest.mark.parametrize(
    "strategy, expected",
    [
        ("none", [24, 46, 109, 42, 15]),
        ("weights", [24, 46, 109, 42, 15]),
        ("upsample", [109] * 5),
        ("upsample_plus", [309] * 5),
    ],
)
def test_counts_after_balancing(strategy, expected):
    plan = balancing.balance(LABELS, strategy, seed=0)
    assert counts(plan) == expected
    np.testing.assert_array_equal(plan.rows[: len(LABELS)], np.arange(len(LABELS)))
    assert plan.is_copy.sum() == sum(expected) - len(LABELS) and not plan.is_copy[: len(LABELS)].any()


def test_the_largest_class_has_copies_only_with_plus():
    for strategy, copies in (("upsample", 0), ("upsample_plus", 200)):
        plan = balancing.balance(LABELS, strategy, seed=0)
        assert (plan.is_copy & (LABELS[plan.rows] == 3)).sum() == copies


def test_no_case_is_repeated_two_times_more_than_another_of_its_class():
    plan = balancing.balance(LABELS, "upsample_plus", seed=0)
    times = np.bincount(plan.rows)
    for label in range(1, 6):
        assert np.ptp(times[LABELS == label]) <= 1


def test_weights_are_those_of_scikit_learn():
    weights = balancing.balance(LABELS, "weights", seed=0).weights
    expected = compute_class_weight("balanced", classes=np.arange(1, 6), y=LABELS)
    np.testing.assert_allclose([weights[i] for i in range(1, 6)], expected)
    assert np.mean([weights[label] for label in LABELS]) == pytest.approx(1)
    assert set(balancing.balance(LABELS, "upsample", seed=0).weights.values()) == {1.0}


def test_the_seed_draws_the_copies():
    rows = [balancing.balance(LABELS, "upsample", seed=seed).rows for seed in (0, 0, 1)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


@pytest.mark.parametrize(
    "labels, strategy, options, message",
    [
        (LABELS, "smote", {}, "strategy: found 'smote', expected one of"),
        (LABELS, "upsample_plus", {"plus": -1}, "plus: found -1, expected 0 or more"),
        (np.array([], int), "none", {}, r"labels: found shape \(0,\)"),
    ],
)
def test_errors(labels, strategy, options, message):
    with pytest.raises(ValueError, match=message):
        balancing.balance(labels, strategy, seed=0, **options)


@pytest.mark.parametrize("strategy", balancing.STRATEGIES)
def test_validation_classes_can_weigh_as_in_training(strategy):
    plan = balancing.balance(LABELS, strategy, seed=0)
    held_out = np.repeat([1, 2, 3, 4, 5], [9, 1, 2, 3, 5])
    weights = balancing.as_in_training(held_out, LABELS, plan)
    found = np.bincount(held_out, weights=weights, minlength=6)[1:] / len(held_out)
    trained = np.bincount(LABELS[plan.rows], minlength=6)[1:] * [plan.weights[one] for one in range(1, 6)]
    np.testing.assert_allclose(found, trained / trained.sum())
    assert weights.mean() == pytest.approx(1)
