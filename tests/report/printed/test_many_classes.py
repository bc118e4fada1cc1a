"""Bounds hold and are reached; a matrix that is found fits."""

from itertools import product

import numpy as np
import pytest

from lungcls.report.printed.confusion_matrices import fits, scores
from lungcls.report.printed.many_classes import f1_bounds, find_matrix

FIVE = (24, 46, 110, 42, 15)


def divisions(cases, k):
    """Every way to divide cases among k classes."""
    return [row for row in product(range(cases + 1), repeat=k) if sum(row) == cases]


@pytest.mark.parametrize("average", ["weighted", "macro"])
@pytest.mark.parametrize("supports", [(3, 5), (2, 4, 3), (6, 1, 2)])
def test_bounds_are_those_of_all_matrices(supports, average):
    every = np.array(list(product(*(divisions(cases, len(supports)) for cases in supports))))
    right = np.trace(every, axis1=1, axis2=2)
    for hits in range(sum(supports) + 1):
        f1 = scores(every[right == hits], average=average)["f1"]
        assert f1_bounds(supports, hits, average=average) == pytest.approx((f1.min(), f1.max()))


def test_bounds_at_the_ends():
    assert f1_bounds(FIVE, 0, average="weighted") == (0, 0)
    assert f1_bounds(FIVE, 237, average="macro") == pytest.approx((1, 1))
    with pytest.raises(ValueError, match="average: found 'binary', expected weighted or macro"):
        f1_bounds(FIVE, 1, average="binary")
    with pytest.raises(ValueError, match="right: found 238, expected 0 to 237"):
        f1_bounds(FIVE, 238, average="macro")


@pytest.mark.parametrize("average", ["weighted", "macro"])
def test_a_matrix_is_found_for_the_scores_of_a_planted_one(average):
    rng = np.random.default_rng(1)
    planted = np.array(
        [
            rng.multinomial(cases, share)
            for cases, share in zip(FIVE, 0.3 * np.eye(5) + 0.7 * rng.dirichlet(np.ones(5), size=5))
        ]
    )
    values = scores(planted, average=average)
    printed = {name: f"{100 * values[name]:.2f}" for name in ("precision", "accuracy", "f1")}
    found = find_matrix(printed, FIVE, np.diag(planted), average=average, seed=0)
    assert fits(found, printed, average=average)
    assert (np.diag(found) == np.diag(planted)).all() and (found.sum(axis=1) == FIVE).all()
    again = find_matrix(printed, FIVE, np.diag(planted), average=average, seed=0)
    assert (again == found).all()


def test_what_cannot_be_is_not_found(monkeypatch):
    monkeypatch.setattr("lungcls.report.printed.many_classes.STARTS", 1)
    low, high = f1_bounds((4, 5), 5, average="weighted")
    assert high < 0.99
    assert find_matrix({"f1": "99.00"}, (4, 5), (2, 3), average="weighted", seed=0) is None


def test_a_diagonal_that_contradicts_is_refused():
    with pytest.raises(ValueError, match=r"found: found \[5, 1\], expected 0 to \[4, 5\]"):
        find_matrix({"f1": "50"}, (4, 5), (5, 1), average="macro", seed=0)
    with pytest.raises(ValueError, match="found: found 5 right cases, expected accuracy 90"):
        find_matrix({"accuracy": "90"}, (4, 5), (2, 3), average="macro", seed=0)
