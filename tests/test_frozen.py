"""What a pretrained network adds, solved and not trained."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from lungcls import committee, frozen


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.random((40, 60)) * np.linspace(0.1, 9, 60)
    return x, rng.random((40, 5)), np.arange(40) % 5 + 1


@pytest.fixture(scope="module")
def parts():
    """Images, a committee of one and the frozen part."""
    images = np.random.default_rng(1).random((6, 16, 16, 1), dtype=np.float32)
    network = committee.join([committee.member(image_size=16, filters=(2, 3), dense=4)], "multiclass")
    keras.utils.set_random_seed(0)
    return images, network, frozen.extractor(16, side=32)


def test_the_ridge_is_scikit_learns(data):
    x, y, _ = data
    kernel, bias = frozen.ridge(x, y, penalty=7)
    z = StandardScaler().fit_transform(x)
    np.testing.assert_allclose(x @ kernel + bias, Ridge(7).fit(z, y).predict(z), atol=1e-4)
    with pytest.raises(ValueError, match="penalty: found 0"):
        frozen.ridge(x, y, penalty=0)


def test_no_case_is_answered_by_a_fit_that_has_seen_its_group(data):
    x, y, _ = data
    groups = np.array([-1, 0, 1, 2] * 10)
    found = frozen.out_of_group(x, y, groups, penalty=7)
    changed = y.copy()
    changed[groups == 1] = 99
    again = frozen.out_of_group(x, changed, groups, penalty=7)
    np.testing.assert_allclose(again[groups == 1], found[groups == 1])
    assert not np.allclose(again[groups == 0], found[groups == 0])
    kernel, bias = frozen.ridge(x[groups >= 0], y[groups >= 0], penalty=7)
    np.testing.assert_allclose(found[groups == -1], x[groups == -1] @ kernel + bias)
    changed[groups == -1] = 77
    np.testing.assert_allclose(frozen.out_of_group(x, changed, groups, penalty=7), again)


def test_the_better_opinion_gets_the_weight(data):
    scores = data[2]
    right, noise = np.eye(5)[scores - 1], np.random.default_rng(2).random((40, 5))
    for logits, answers, rows in ((right, noise, slice(0, 5)), (noise, right, slice(5, 10))):
        kernel, bias = frozen.weigh(logits, answers, scores)
        assert kernel.shape == (10, 5) and bias.shape == (5,)
        assert (np.diag(kernel[rows]) > 0).all()
        said = np.concatenate([logits, frozen.GAIN * answers], axis=1) @ kernel + bias
        assert (1 + said.argmax(axis=1) == scores).all()


def test_features_do_not_depend_on_the_exchange_of_rows_and_columns(parts):
    images, _, trunk = parts
    found = np.asarray(trunk(images))
    assert found.shape[0] == 6 and found.min() >= 0 and np.ptp(found) > 0
    np.testing.assert_allclose(np.asarray(trunk(images.transpose(0, 2, 1, 3))), found, atol=2e-4)


def test_one_network_says_what_its_parts_say(parts, tmp_path):
    images, network, trunk = parts
    rng, x = np.random.default_rng(3), np.asarray(trunk(images))
    linear = rng.normal(size=(x.shape[1], 5)), rng.random(5)
    weights = rng.normal(size=(10, 5)), rng.random(5)
    said = np.log(np.asarray(network(images)))
    z = np.concatenate([said, frozen.GAIN * (x @ linear[0] + linear[1])], axis=1) @ weights[0] + weights[1]
    expected = np.exp(z - z.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    whole = frozen.join(network, trunk, linear, weights, "multiclass")
    np.testing.assert_allclose(np.asarray(whole(images)), expected, atol=1e-4)
    binary = frozen.join(network, trunk, linear, weights, "binary")
    np.testing.assert_allclose(np.asarray(binary(images))[:, 0], expected[:, 3:].sum(axis=1), atol=1e-4)
    whole.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(again(images)), np.asarray(whole(images)), atol=1e-6)


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="image_size: found 20, expected a multiple of 8"):
        frozen.extractor(20)
