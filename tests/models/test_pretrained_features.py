"""What a pretrained network adds, solved and not trained."""

import keras
import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from lungcls.models import ensemble, pretrained_features
from lungcls.runs.settings import Settings


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.random((40, 60)) * np.linspace(0.1, 9, 60)
    return x, rng.random((40, 5)), np.arange(40) % 5 + 1


@pytest.fixture(scope="module")
def parts():
    """Images and the frozen part."""
    images = np.random.default_rng(1).random((6, 16, 16, 1), dtype=np.float32)
    return images, pretrained_features.extractor("mobilenet", 16, side=32)


def standardised(x, shares):
    return StandardScaler().fit_transform(np.concatenate(x)) * np.sqrt(shares)


def test_the_ridge_is_scikit_learns(data):
    x, y, _ = data
    views, shares = [x, x[:, ::-1], np.sqrt(x)], np.linspace(1, 2, 60) / 90
    predicted, kernel, bias = pretrained_features.ridge(views, y, np.arange(40) % 4, shares, penalty=0.2)
    z = standardised(views, shares)
    whole = Ridge(0.6, solver="cholesky").fit(z, np.tile(y, (3, 1)))
    np.testing.assert_allclose(np.concatenate(views) @ kernel + bias, whole.predict(z), atol=1e-4)
    out = np.tile(np.arange(40) % 4 == 2, 3)
    middle = y[np.arange(40) % 4 != 2].mean(axis=0)
    part = Ridge(0.6, solver="cholesky", fit_intercept=False).fit(
        z[~out], (np.tile(y, (3, 1)) - middle)[~out]
    )
    part = part.predict(z[out]) + middle
    np.testing.assert_allclose(
        predicted[np.arange(40) % 4 == 2], part.reshape(3, -1, 5).mean(axis=0), atol=1e-4
    )
    with pytest.raises(ValueError, match="penalty: found 0"):
        pretrained_features.ridge(views, y, np.arange(40) % 4, shares, penalty=0)


def test_no_case_is_predicted_by_a_fit_that_has_seen_its_group(data):
    x, y, _ = data
    groups, shares = np.array([-1, 0, 1, 2] * 10), np.full(60, 1 / 60)
    known = groups[groups >= 0]
    found, kernel, bias = pretrained_features.ridge([x], y, groups, shares, penalty=0.2)
    changed = y.copy()
    changed[groups == 1] = 99
    again, *_ = pretrained_features.ridge([x], changed, groups, shares, penalty=0.2)
    np.testing.assert_allclose(again[known == 1], found[known == 1], atol=1e-4)
    assert not np.allclose(again[known == 0], found[known == 0])
    changed, blind = y.copy(), x.copy()
    changed[groups == -1], blind[groups == -1] = 77, 55
    again, *same = pretrained_features.ridge([blind], changed, groups, shares, penalty=0.2)
    np.testing.assert_allclose(same[0], kernel)
    np.testing.assert_allclose(again, found)


@pytest.mark.parametrize("backbone", pretrained_features.LAYERS)
def test_features_are_windows_of_the_maps_of_each_layer(backbone):
    images = np.random.default_rng(4).random((3, 16, 16, 1), dtype=np.float32)
    found = pretrained_features.extractor(backbone, 16, side=32)
    x, shares = np.asarray(found(images)), pretrained_features.shares(found, backbone)
    assert x.shape == (3, len(shares)) and shares.sum() == pytest.approx(1)
    layer = pretrained_features.LAYERS[backbone][1]
    whole = found.get_layer("backbone")
    maps = keras.Model(whole.input, whole.get_layer(layer).output)(keras.ops.image.resize(images, (32, 32)))
    maps = np.asarray(maps).astype(float)
    side, channels = maps.shape[1], maps.shape[3]
    place = (np.arange(side) + 0.5) / side - 0.5
    first = (len(pretrained_features.WIDTHS) + 1) * whole.get_layer(
        pretrained_features.LAYERS[backbone][0]
    ).output.shape[-1]
    for number, width in enumerate(pretrained_features.WIDTHS):
        window = norm.pdf(place[:, None], scale=width) * norm.pdf(place, scale=width)
        expected = np.einsum("nijc,ij->nc", maps, window / window.sum())
        mine = x[:, first + number * channels : first + (number + 1) * channels]
        np.testing.assert_allclose(np.sign(mine) * np.expm1(np.abs(mine)), expected, atol=1e-4)
    inner = maps[:, side // 4 : side - side // 4, side // 4 : side - side // 4].max(axis=(1, 2))
    mine = x[:, first + 3 * channels : first + 4 * channels]
    np.testing.assert_allclose(np.sign(mine) * np.expm1(np.abs(mine)), inner, atol=1e-4)


def test_views_are_moved_and_turned():
    image = np.zeros((1, 50, 50, 1), np.float32)
    image[0, 20, 30] = 1
    places = [
        tuple(int(i) for i in np.argwhere(np.asarray(one)[0, :, :, 0])[0])
        for one in pretrained_features.test_time_views(image)
    ]
    moved = [(20 + 2 * down, 30 + 2 * right) for down, right in pretrained_features.MOVES]
    turned = [
        (r, c) if k % 4 == 0 else (49 - c, r) if k == 1 else (49 - r, 49 - c) if k == 2 else (c, 49 - r)
        for k, (r, c) in enumerate(moved)
    ]
    assert places == turned


def test_a_part_answers_with_the_mean_of_its_views(parts, tmp_path):
    images, frozen = parts
    rng = np.random.default_rng(3)
    x = [np.asarray(frozen(one)) for one in pretrained_features.test_time_views(images)]
    linear = rng.normal(size=(x[0].shape[1], 5)) / 100, rng.random(5)
    calibration = rng.normal(size=(5, 5)), rng.random(5)
    answers = np.mean([one @ linear[0] + linear[1] for one in x], axis=0)
    part = ensemble.part(16, pretrained_features.answering(frozen, linear), calibration, "features")
    expected = ensemble.log_probabilities(answers, calibration)
    np.testing.assert_allclose(part.predict_on_batch(images), expected, atol=1e-3)
    part.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict_on_batch(images), part.predict_on_batch(images), atol=1e-6)


def test_recipes_know_the_same_backbones():
    expected = Settings.__dataclass_fields__["backbone"].metadata["rule"].expected
    assert expected == f"one of {', '.join(pretrained_features.LAYERS)}"


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="backbone: found 'vgg', expected one of mobilenet, efficientnetb4"):
        pretrained_features.extractor("vgg", 16)
