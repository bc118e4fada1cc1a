"""Calibration, measured and mended."""

from conftest import made_up, sharpened
import numpy as np
import pytest
from scipy.optimize import root_scalar
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from lungcls.metrics import calibration


def once(cases):
    """Weights that count each case once."""
    return np.ones((1, len(cases)))


@pytest.mark.parametrize("size", [2, 5])
def test_losses_are_those_of_scikit_learn(size):
    y_true, y_prob = sharpened(size=size)
    labels = np.arange(size) + (size == 5)
    found = calibration.losses(y_true, y_prob).mean()
    assert found["log-loss"] == pytest.approx(log_loss(y_true, y_prob, labels=labels))
    expected = brier_score_loss(y_true, y_prob[:, 1]) if size == 2 else None
    hit = labels == np.asarray(y_true)[:, None]
    assert found["Brier score"] == pytest.approx(
        2 * expected if size == 2 else ((y_prob - hit) ** 2).sum(1).mean()
    )


def test_calibration_error_by_hand():
    y_prob = np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [0.4, 0.6]])
    y_true = [0, 1, 1, 1]  # half right at .95; all right at .65; right at .6, in the bin below
    expected = (2 * 0.45 + 0.35 + 0.4) / 4
    assert calibration.calibration_error(y_true, y_prob, once(y_true)) == pytest.approx(expected)
    assert calibration.calibration_error(y_true, y_prob, np.full((2, 4), 3.0)) == pytest.approx(
        [expected] * 2
    )
    assert calibration.bin_of([0, 0.1, 0.1000001, 0.3, 1]).tolist() == [0, 0, 1, 2, 9]
    assert calibration.calibration_error(y_true, y_prob, once(y_true), bins=1) == pytest.approx(
        abs(0.75 - y_prob.max(1).mean())
    )


def test_the_error_of_a_calibrated_network_is_bias():
    few, many = (calibration.error_if_calibrated(made_up(n)[1], seed=0, draws=300).mean() for n in (50, 5000))
    assert few > 0.08 and many < 0.02
    y_true, y_prob = made_up(2000)
    drawn = calibration.error_if_calibrated(y_prob, seed=1)
    assert drawn.min() < calibration.calibration_error(y_true, y_prob, once(y_true))[0] < drawn.max()
    wrong = calibration.calibration_error(*sharpened(2000), np.ones((1, 2000)))[0]
    assert wrong > calibration.error_if_calibrated(sharpened(2000)[1], seed=1).max()


def test_scores_and_reliability_agree():
    y_true, y_prob = sharpened(200)
    patients = np.arange(200) // 2
    table = calibration.calibration_scores(y_true, y_prob, patients=patients, seed=0)
    bins = calibration.reliability(y_true, y_prob, patients=patients, seed=0)
    assert (
        bins["n"].sum() == 200
        and ((bins["from"] < bins["confidence"]) & (bins["confidence"] <= bins["to"])).all()
    )
    error = (np.abs(bins["value"] - bins["confidence"]) * bins["n"]).sum() / 200
    assert table.loc["calibration error", "value"] == pytest.approx(error)
    assert table.loc["accuracy", "value"] == pytest.approx((bins["value"] * bins["n"]).sum() / 200)
    assert table.loc["confidence", "low"] < table.loc["confidence", "value"] < table.loc["confidence", "high"]


@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_temperature_is_that_of_scikit_learn(size, factor):
    frozen = pytest.importorskip("sklearn.frozen")
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Network(ClassifierMixin, BaseEstimator):
        classes_ = np.arange(size)

        def __sklearn_is_fitted__(self):
            return True

        def fit(self, X, y):
            return self

        def predict(self, X):
            return self.classes_[X.argmax(axis=1)]

        def predict_proba(self, X):
            return X

    y_true, y_prob = sharpened(300, size=size, factor=factor)
    oracle = CalibratedClassifierCV(frozen.FrozenEstimator(Network()), method="temperature")
    oracle.fit(y_prob, y_true - (size == 5))  # it takes the labels for columns
    found = calibration.tempered(y_prob, calibration.temperature(y_true, y_prob))
    np.testing.assert_allclose(found, oracle.predict_proba(y_prob), atol=2e-4)


def test_temperature_undoes_what_was_done():
    y_true, y_prob = made_up(4000)
    base = calibration.temperature(y_true, y_prob)
    assert base == pytest.approx(1, abs=0.05)
    too_sure = calibration.tempered(y_prob, 0.5)
    assert calibration.temperature(y_true, too_sure) == pytest.approx(2 * base, rel=1e-3)
    np.testing.assert_allclose(calibration.tempered(too_sure, 2.0), y_prob, atol=1e-5)
    assert (too_sure.argmax(1) == y_prob.argmax(1)).all()


def test_probabilities_of_zero_and_one_are_survived():
    y_true, y_prob = np.array([1, 2, 2]), np.eye(5)[[0, 1, 0]]
    found = calibration.tempered(y_prob, calibration.temperature(y_true, y_prob))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.isfinite(calibration.losses(y_true, y_prob).to_numpy()).all()


def test_folds_keep_patients_together_and_classes_alike():
    y_true = np.tile([1, 2, 3, 3, 3], 40)
    patients = np.repeat(np.arange(100), 2)
    number = calibration.folds(y_true, patients, seed=0)
    assert sorted(set(number)) == [0, 1, 2, 3, 4]
    assert all(len(set(number[patients == patient])) == 1 for patient in range(100))
    shares = [(y_true[number == fold] == 3).mean() for fold in range(5)]
    assert max(shares) - min(shares) < 0.1
    np.testing.assert_array_equal(number, calibration.folds(y_true, patients, seed=0))
    assert calibration.folds([1, 2, 2], ["a", "b", "b"], seed=0).max() == 1  # two patients: two folds
    with pytest.raises(ValueError, match="patients: found 1, and no more than 2 cases"):
        calibration.folds([1, 1], ["a", "a"], seed=0)


def test_a_fold_is_tempered_by_the_others():
    y_true, y_prob = sharpened(200)
    number = np.arange(200) % 4
    found, temperatures = calibration.cross_tempered(y_true, y_prob, number)
    assert temperatures[2] == calibration.temperature(y_true[number != 2], y_prob[number != 2])
    np.testing.assert_array_equal(
        found[number == 2], calibration.tempered(y_prob[number == 2], temperatures[2])
    )
    flipped = np.where(number == 2, 6 - y_true, y_true)  # its own labels do not count
    np.testing.assert_array_equal(
        calibration.cross_tempered(flipped, y_prob, number)[0][number == 2], found[number == 2]
    )
    after, before = (calibration.losses(y_true, p)["log-loss"].mean() for p in (found, y_prob))
    assert after < before


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_slope_and_intercept_are_those_of_scikit_learn(factor):
    y_true, y_prob = sharpened(300, size=2, factor=factor)
    p, drawn = y_prob[:, 1], np.random.default_rng(0).integers(0, 3, (2, 300)).astype(float)
    found = calibration.calibration_line(y_true, p, np.concatenate([once(p), drawn]))
    for row, weights in enumerate((None, *drawn)):
        plain = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, None], y_true, weights)
        assert found["slope"][row] == pytest.approx(plain.coef_[0, 0], rel=1e-4)
        moved = root_scalar(
            lambda a, weights=weights: np.average(expit(logit(p) + a) - y_true, weights=weights),
            bracket=(-20, 20),
        )
        assert found["intercept"][row] == pytest.approx(moved.root, abs=1e-6)


def test_the_slope_says_by_how_much_logits_are_too_large():
    y_true, y_prob = made_up(4000, size=2)
    found = calibration.calibration_line(y_true, y_prob[:, 1], once(y_true))
    assert found["slope"] == pytest.approx(1, abs=0.1) and found["intercept"] == pytest.approx(0, abs=0.1)
    too_sure = calibration.calibration_line(y_true, calibration.tempered(y_prob, 0.5)[:, 1], once(y_true))
    assert too_sure["slope"] == pytest.approx(found["slope"] / 2, rel=1e-4)
    wild = calibration.calibration_line([0, 1] * 50 + [1, 0] * 10, [1e-9, 1 - 1e-9] * 60, once(range(120)))
    assert wild["slope"] == pytest.approx(np.log(5) / logit(1 - 1e-9), rel=1e-3)


def test_no_line_fits_one_class_or_two_that_are_parted():
    weights = np.array([[1.0, 1, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1]])
    found = calibration.calibration_line([0, 0, 1, 1], [0.2, 0.6, 0.4, 0.9], weights)
    assert np.isfinite(found["slope"]).tolist() == [True, False, True]
    parted = calibration.calibration_line([0, 1], [0.2, 0.9], once([0, 1]))
    assert np.isnan(parted["slope"]).all() and np.isfinite(parted["intercept"]).all()


def test_net_benefit_by_hand():
    y_true, p = [1, 1, 0, 0, 0], np.array([0.9, 0.3, 0.6, 0.2, 0.1])
    found = calibration.net_benefit(y_true, p, once(p), thresholds=[0, 0.2, 0.5, 0.95])
    # all are positive; two of two and two of three; one and one; none
    np.testing.assert_allclose(found, [[2 / 5, 2 / 5 - 2 / 5 * 1 / 4, 0, 0]], atol=1e-12)
    doubled = calibration.net_benefit(y_true, p, [[2, 1, 0, 1, 1]], thresholds=[0.25])
    np.testing.assert_allclose(doubled, [[3 / 5]])
    on_all = calibration.net_benefit(y_true, np.ones(5), once(p), thresholds=[0.2])
    np.testing.assert_allclose(on_all, [[2 / 5 - 3 / 5 / 4]])


def test_errors():
    with pytest.raises(ValueError, match="thresholds: found"):
        calibration.net_benefit([0, 1], [0.2, 0.4], np.ones((1, 2)), thresholds=[1.0])
    with pytest.raises(ValueError, match="y_prob: row 1"):
        calibration.calibration_line([0, 1], [1.2, 0.4], np.ones((1, 2)))
    with pytest.raises(ValueError, match="bins: found 0"):
        calibration.bin_of([0.5], 0)
    with pytest.raises(ValueError, match="temperature: found 0"):
        calibration.tempered([[0.5, 0.5]], 0)
    with pytest.raises(ValueError, match="y_true: found 2"):
        calibration.losses([2], [[0.5, 0.5]])
    with pytest.raises(ValueError, match="y_prob: row 1"):
        calibration.error_if_calibrated([[0.5, 0.6]], seed=0)
