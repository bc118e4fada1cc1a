"""Scores of ranked lists, with scikit-learn as oracle, and the likeness of retrieved cases."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from lungcls.explain import retrieval
from lungcls.metrics import retrieval as scoring

RNG = np.random.default_rng(0)
QUERIES, GALLERY = RNG.integers(1, 6, 9), RNG.integers(1, 6, 30)
DISTANCES = RNG.random((9, 30))


def lists(distances=DISTANCES, allowed=None):
    rows, _ = retrieval.ranked(distances, allowed=allowed)
    same = QUERIES[:, None] == GALLERY
    return scoring.in_order(same, rows), scoring.in_order(scoring.gains(QUERIES, GALLERY), rows)


def test_scores_are_those_of_scikit_learn():
    same, gain = lists()
    found = scoring.scores(same, gain, k=5)
    relevant, worth = QUERIES[:, None] == GALLERY, 1 - np.abs(QUERIES[:, None] - GALLERY) / 4
    for row in range(9):
        assert found.loc[row, "average precision"] == pytest.approx(
            average_precision_score(relevant[row], -DISTANCES[row])
        )
        assert found.loc[row, "nDCG at 5"] == pytest.approx(ndcg_score(worth[[row]], -DISTANCES[[row]], k=5))
        assert found.loc[row, "precision at 5"] == relevant[row][np.argsort(DISTANCES[row])[:5]].mean()
    whole = scoring.scores(same, gain, k=30)
    assert whole["nDCG at 30"].mean() == pytest.approx(ndcg_score(worth, -DISTANCES))


def test_a_known_list():
    same, gain = np.array([[1, 0, 1, 0.0]]), np.array([[1, 0.5, 1, 0.0]])
    found = scoring.scores(same, gain, k=2).iloc[0]
    assert found["precision at 2"] == 0.5 and found["average precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["nDCG at 2"] == pytest.approx((1 + 0.5 / np.log2(3)) / (1 + 1 / np.log2(3)))
    best = scoring.scores(np.array([[1, 1, 0, 0.0]]), np.array([[1, 1, 0.5, 0]]), k=2).iloc[0]
    assert best.tolist() == [1, 1, 1]
    assert scoring.scores(np.zeros((1, 3)), np.full((1, 3), 0.5), k=2).isna().all(axis=None)


def test_what_is_left_out_does_not_count():
    allowed = RNG.random((9, 30)) < 0.7
    found = scoring.scores(*lists(allowed=allowed), k=5)
    for row in range(9):
        few = scoring.scores(*(part[[row], : allowed[row].sum()] for part in lists(allowed=allowed)), k=5)
        assert few.iloc[0].tolist() == pytest.approx(found.loc[row].tolist())


def test_chance_is_the_mean_over_all_orders():
    same, gain = lists()
    same[:, 25:] = gain[:, 25:] = np.nan
    draws = []
    for _ in range(3000):
        order = RNG.permutation(25)
        draws.append(scoring.scores(same[:, order], gain[:, order], k=5))
    mean, spread = np.mean(draws, axis=0), np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(scoring.chance(same, gain, k=5).to_numpy() - mean) < 5 * spread).all()
    shuffled = scoring.chance(same[:, RNG.permutation(25)], gain[:, RNG.permutation(25)], k=5)
    assert np.allclose(shuffled, scoring.chance(same, gain, k=5))
    alone = scoring.chance(np.ones((1, 1)), np.ones((1, 1)), k=5)
    assert alone.iloc[0].tolist() == [1, 1, 1]


def test_lists_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected one shape"):
        scoring.scores(np.ones((2, 3)), np.ones((2, 4)), k=5)
    with pytest.raises(ValueError, match="and 0, expected"):
        scoring.chance(np.ones((2, 3)), np.ones((2, 3)), k=0)


def test_likeness_is_the_share_that_differs_more():
    rows = np.array([[0], [1], [3]])
    assert scoring.likeness([0, 0, 0], [0, 1, 2, 9], rows).tolist() == [0.875, 0.625, 0.125]
    assert scoring.likeness([0.0], [5, 5, -5, 5], [[2]]).tolist() == [0.5]  # all alike
    with pytest.raises(ValueError, match="rows, allowed"):
        scoring.likeness([0, 0], [0, 1], [[0]])


def test_likeness_of_a_whole_gallery_is_one_half():
    mine, theirs = RNG.integers(1, 6, 9).astype(float), RNG.integers(1, 6, 30).astype(float)
    theirs[::7], allowed = np.nan, RNG.random((9, 30)) < 0.6
    rows, _ = retrieval.ranked(DISTANCES, allowed=allowed)
    assert scoring.likeness(mine, theirs, rows, allowed=allowed) == pytest.approx(0.5)
    closest, _ = retrieval.ranked(np.abs(mine[:, None] - theirs), allowed=allowed, k=2)
    best = scoring.likeness(mine, theirs, closest, allowed=allowed)
    assert (
        not (best < scoring.likeness(mine, theirs, rows[:, :2], allowed=allowed)).any() and best.min() > 0.5
    )
    tables = pd.DataFrame({"a": mine, "b": 0}), pd.DataFrame({"a": theirs, "b": 1})
    both = scoring.likenesses(*tables, closest, allowed=allowed)
    assert both["a"].tolist() == best.tolist() and (both["b"] == 0.5).all()
    mine[0] = np.nan
    assert np.isnan(scoring.likeness(mine, theirs, rows, allowed=allowed)).tolist() == [True] + [False] * 8
