"""The ensemble: softened labels, regressions in dual form, and one network out of parts."""

import keras
import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from lungcls.errors import InputError
from lungcls.models import ensemble
from lungcls.preprocessing import augmentation


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((5, 16, 16, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 7)) * np.arange(1, 8), rng.random((60, 5)), np.arange(60) % 4 - 1


@pytest.fixture(scope="module")
def parts():
    """Two parts that answer with the brightness of an image."""
    rng, found = np.random.default_rng(1), []
    for name in ("one", "other"):
        dense = keras.layers.Dense(5)
        answer = lambda image, dense=dense: dense(keras.layers.GlobalAveragePooling2D()(image))  # noqa: E731
        calibration = rng.normal(size=(5, 5)), rng.normal(size=5)
        found.append(ensemble.part(16, answer, calibration, name))
    return found


def test_targets_mix_label_and_ratings():
    found = ensemble.targets([5, 2, 1], ["4 5 5 5", "2", ""], share=0.4)
    expected = np.eye(5)[[4, 1, 0]]
    expected[0] = [0, 0, 0, 0.1, 0.9]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(ensemble.targets([5, 2], None, share=0.4), np.eye(5)[[4, 1]])
    np.testing.assert_array_equal(ensemble.targets([5], ["1 2"], share=0), np.eye(5)[[4]])
    with pytest.raises(InputError, match="six"):
        ensemble.targets([5, 2], ["4", "six"], share=0.4)
    with pytest.raises(ValueError, match="share: found 2"):
        ensemble.targets([5], ["4"], share=2)


def test_the_regression_on_measures_is_scikit_learns_kernel_ridge(data):
    x, y, groups = data
    known = groups >= 0
    answers, network = ensemble.kernel_ridge(x, y, groups, penalty=0.3)
    z = StandardScaler().fit(x[known]).transform(x).clip(-ensemble.MOST, ensemble.MOST)

    def expected(fitted, asked):
        middle = y[fitted].mean(axis=0)
        learner = KernelRidge(kernel="rbf", gamma=ensemble.WIDTH, alpha=0.3)
        return learner.fit(z[fitted], y[fitted] - middle).predict(z[asked]) + middle

    np.testing.assert_allclose(np.asarray(network(x)), expected(known, known | True), atol=1e-3)
    for number in range(3):
        out = groups == number
        np.testing.assert_allclose(answers[out[known]], expected(known & ~out, out), atol=1e-6)


def test_no_case_is_answered_by_a_fit_that_has_seen_its_group(data):
    x, y, groups = data
    answers, network = ensemble.kernel_ridge(x, y, groups, penalty=0.3)
    changed = y.copy()
    changed[groups == 1], changed[groups == -1] = 99, 77
    again, _ = ensemble.kernel_ridge(x, changed, groups, penalty=0.3)
    mine = groups[groups >= 0] == 1
    np.testing.assert_allclose(again[mine], answers[mine])
    assert not np.allclose(again[~mine], answers[~mine])
    changed = y.copy()
    changed[groups == -1] = 77
    _, same = ensemble.kernel_ridge(x, changed, groups, penalty=0.3)
    np.testing.assert_array_equal(np.asarray(same(x)), np.asarray(network(x)))
    with pytest.raises(ValueError, match="penalty: found 0"):
        ensemble.kernel_ridge(x, y, groups, penalty=0)


def test_calibration_is_a_logistic_regression_of_the_answers(data):
    answers, scores = data[1], np.arange(60) % 5 + 1
    found = np.exp(ensemble.log_probabilities(answers, ensemble.calibrate(answers, scores)))
    learner = LogisticRegression(max_iter=1000).fit(ensemble.GAIN * answers, scores)
    np.testing.assert_allclose(found, learner.predict_proba(ensemble.GAIN * answers), atol=1e-6)


def test_the_whole_is_the_mean_of_the_parts_logarithms(parts, images, tmp_path):
    z = np.mean([np.asarray(part(images)) for part in parts], axis=0)
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    whole = ensemble.join(parts, "multiclass")
    np.testing.assert_allclose(np.asarray(whole(images)), expected, atol=1e-5)
    binary = np.asarray(ensemble.join(parts, "binary")(images))[:, 0]
    np.testing.assert_allclose(binary, expected[:, 3:].sum(axis=1), atol=1e-5)
    whole.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(images)), np.asarray(whole(images)))
    assert [layer.name for layer in again.layers if layer.name in ("one", "other")] == ["one", "other"]


def test_turned_images_keep_their_grey_levels_where_nothing_else_changes(images):
    found = augmentation.turn(images, seed=3, shift=0, grey=0)
    for one, changed in zip(images[..., 0], found[..., 0], strict=True):
        ways = [np.rot90(flip, k) for flip in (one, one[:, ::-1]) for k in range(4)]
        assert any(np.array_equal(changed, way) for way in ways)
    assert not np.array_equal(found, images)


def test_turning_repeats_and_stays_in_range(images):
    found = augmentation.turn(images, seed=[1, 2])
    np.testing.assert_array_equal(found, augmentation.turn(images, seed=[1, 2]))
    assert not np.array_equal(found, augmentation.turn(images, seed=[1, 3]))
    assert found.min() >= 0 and found.max() <= 1 and found.dtype == np.float32


def test_other_tasks_and_no_parts_are_refused(parts):
    with pytest.raises(ValueError, match="expected binary or multiclass"):
        ensemble.join(parts, "other")
    with pytest.raises(ValueError, match="0 parts"):
        ensemble.join([], "binary")
