"""Conformal sets: the promise, the library against the formula, and rare classes."""

from conftest import sharpened
import numpy as np
import pytest

from lungcls.metrics import calibration, conformal


def plain(own, level):
    """The k-th smallest score, k = (n + 1) level rounded up."""
    rank = int(np.ceil(round((len(own) + 1) * level, 9)))
    return np.sort(own)[rank - 1] if rank <= len(own) else np.inf


@pytest.mark.parametrize("level", conformal.LEVELS)
@pytest.mark.parametrize("n", [3, 4, 8, 9, 18, 19, 20, 51, 351])
def test_thresholds_are_those_of_the_plain_formula(level, n):
    y_true, y_prob = sharpened(n, seed=n)
    scores = conformal.class_scores(y_prob)
    own = scores[np.arange(n), y_true - 1]
    found = conformal.thresholds(y_true, scores, level=level)
    np.testing.assert_array_equal(found, np.full(5, plain(own, level)))
    by_class = conformal.thresholds(y_true, scores, level=level, by_class=True)
    np.testing.assert_array_equal(by_class, [plain(own[y_true == score], level) for score in range(1, 6)])


def test_least_cases_is_where_the_formula_begins():
    assert [conformal.least_cases(level) for level in (0.8, 0.9, 0.95, 0.99)] == [4, 9, 19, 99]
    for level in conformal.LEVELS:
        n = conformal.least_cases(level)
        assert np.isfinite(plain(np.arange(n), level)) and np.isinf(plain(np.arange(n - 1), level))


def test_thresholds_are_those_of_mapie():
    from mapie.conformity_scores import LACConformityScore

    rng = np.random.default_rng(0)
    for level in (*conformal.LEVELS, 0.5, 0.99):
        for n in rng.integers(conformal.least_cases(level), 400, 20):
            y_true, y_prob = rng.integers(0, 2, n), rng.dirichlet([1, 1], n).round(rng.choice([1, 6]))
            scores = conformal.class_scores(y_prob)
            own, alpha = scores[np.arange(n), y_true], np.array([round(1 - level, 12)])
            expected = LACConformityScore().get_conformity_score_quantiles(own[:, None], alpha, cv="prefit")
            found = conformal.thresholds(y_true, scores, level=level)
            np.testing.assert_array_equal(found, np.repeat(expected, 2))


def test_sets_are_those_of_mapie():
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Network(ClassifierMixin, BaseEstimator):
        classes_ = np.arange(1, 6)

        def __sklearn_is_fitted__(self):
            return True

        def fit(self, X, y):
            return self

        def predict(self, X):
            return 1 + X.argmax(axis=1)

        def predict_proba(self, X):
            return X

    y_true, y_prob = sharpened(300)
    first, second = y_prob[:200], y_prob[200:]
    oracle = SplitConformalClassifier(Network(), confidence_level=0.9).conformalize(first, y_true[:200])
    expected = oracle.predict_set(second)[1][:, :, 0]
    limits = conformal.thresholds(y_true[:200], conformal.class_scores(first), level=0.9)
    found = conformal.sets(second, conformal.class_scores(second), limits)
    most_likely = np.arange(5) == second.argmax(axis=1)[:, None]
    np.testing.assert_array_equal(found, expected | most_likely)


@pytest.mark.parametrize("kind", conformal.KINDS)
def test_the_promise_is_kept_even_by_a_network_that_is_too_sure(kind):
    y_true, y_prob = sharpened(6000, factor=0.2)
    number = np.arange(6000) % 5
    chosen, full = conformal.conformal_sets(y_true, y_prob, number, level=0.9, kind=kind)
    found = conformal.quality(y_true, chosen, patients=np.arange(6000), seed=0)
    assert not full.any() and 0.885 < found.loc["coverage", "value"] < 0.93
    assert 1 < found.loc["size", "value"] < 5
    if kind == "one a class":
        assert found.filter(like="(", axis=0)["value"].between(0.87, 0.93).all()
    if kind == "neighbours":
        assert found.loc["gap", "value"] == 0


def test_a_rare_class_is_in_every_set():
    y_true, y_prob = sharpened(400)
    keep = np.flatnonzero((y_true != 5) | (np.cumsum(y_true == 5) <= 8))  # eight of them: one too few
    y_true, y_prob = y_true[keep], y_prob[keep]
    chosen, full = conformal.conformal_sets(
        y_true, y_prob, np.arange(len(y_true)) % 5, level=0.9, kind="one a class"
    )
    assert full.tolist() == [False] * 4 + [True] and chosen[:, 4].all() and not chosen.all()


def test_a_network_that_knows_nothing_has_large_sets():
    y_true = np.tile([1, 2, 3, 4, 5], 40)
    chosen, _ = conformal.conformal_sets(y_true, np.full((200, 5), 0.2), np.arange(200) % 5, level=0.9)
    assert chosen.all()


def test_neighbours_by_hand():
    y_prob = np.array([[0.1, 0.2, 0.4, 0.25, 0.05], [0.5, 0.1, 0.1, 0.1, 0.2], [0.05, 0.05, 0.1, 0.2, 0.6]])
    found = conformal.class_scores(y_prob, "neighbours")
    np.testing.assert_allclose(
        found, [[0.85, 0.65, 0, 0.4, 0.95], [0, 0.5, 0.6, 0.7, 0.8], [0.95, 0.9, 0.8, 0.6, 0]]
    )


def test_neighbours_have_no_gap_and_grow_with_the_threshold():
    _, y_prob = sharpened(300)
    scores = conformal.class_scores(y_prob, "neighbours")
    assert (np.take_along_axis(scores, y_prob.argmax(1)[:, None], 1) == 0).all()
    for limit in (0, 0.3, 0.8, 0.99, 1):
        chosen = conformal.sets(y_prob, scores, np.full(5, limit))
        edges = np.abs(np.diff(np.pad(chosen, ((0, 0), (1, 1))).astype(int), axis=1)).sum(axis=1)
        assert (edges == 2).all()
    assert chosen.all()


def test_quality_by_hand():
    chosen = np.array([[1, 0, 1, 0, 0], [0, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 1, 1]], dtype=bool)
    found = conformal.quality([1, 1, 3, 3], chosen, patients=[1, 2, 3, 4], seed=0)["value"]
    assert found[["coverage", "size", "single", "gap"]].tolist() == [0.5, 2.5, 0.25, 0.25]
    assert found["coverage (score 1)"] == 0.5 and np.isnan(found["coverage (score 5)"])


def test_a_fold_is_limited_by_the_others():
    y_true, y_prob = sharpened(200)
    number = calibration.folds(y_true, np.arange(200) // 2, seed=0)
    flipped = np.where(number == 1, 6 - y_true, y_true)
    for kind in conformal.KINDS:
        (one, _), (other, _) = (
            conformal.conformal_sets(labels, y_prob, number, level=0.8, kind=kind)
            for labels in (y_true, flipped)
        )
        np.testing.assert_array_equal(one[number == 1], other[number == 1])


def test_errors():
    scores = np.full((2, 5), 0.5)
    with pytest.raises(ValueError, match="level: found 1.0, expected a share"):
        conformal.thresholds([1, 2], scores, level=1.0)
    with pytest.raises(ValueError, match="y_true: found 6, expected labels out of"):
        conformal.thresholds([1, 6], scores, level=0.9)
    with pytest.raises(ValueError, match="kind: found 'x', expected share or neighbours"):
        conformal.class_scores([[0.5, 0.5]], "x")
    with pytest.raises(ValueError, match="kind: found 'x', expected one of one threshold"):
        conformal.conformal_sets([1], [[0.2] * 5], [0], level=0.9, kind="x")
    with pytest.raises(ValueError, match="y_true: found shape"):
        conformal.quality([1, 2], np.ones((1, 5), bool), patients=[1, 2], seed=0)
