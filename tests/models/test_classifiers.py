"""Networks: parameter counts of keras.applications, the pixel contract inside, reference predictions."""

import keras
import numpy as np
import pytest

from lungcls.models import backbones, blocks, networks

MANY = np.random.default_rng(0).random((64, 32, 32, 1), dtype=np.float32)
IMAGES = MANY[:2]
SCALINGS = {  # what keras.applications itself does to an image in 0..255
    "mobilenet": keras.applications.mobilenet.preprocess_input,
    "resnet50": keras.applications.resnet.preprocess_input,
    "efficientnetb2": keras.applications.efficientnet.preprocess_input,
}


def transfer(backbone, **options):
    return backbones.transfer(backbone, **{"image_size": 32, "task": "binary"} | options)


@pytest.mark.parametrize("backbone", SCALINGS)
def test_a_transfer_network_is_that_of_keras_with_a_head(backbone, tmp_path):
    model = transfer(backbone, task="multiclass", seed=1)
    blocks.calibrate_batch_norm(model, MANY)
    name, _ = backbones.BACKBONES[backbone]
    options = {"include_top": False, "weights": None, "input_shape": (32, 32, 3), "pooling": "avg"}
    base = getattr(keras.applications, name)(**options)
    width = base.output.shape[-1]
    assert model.count_params() == base.count_params() + 5 * (width + 1)
    scaled = keras.Model(model.input, model.get_layer("backbone_range").output).predict(IMAGES, verbose=0)
    colour = SCALINGS[backbone](np.repeat(IMAGES, 3, axis=3) * 255)
    np.testing.assert_allclose(scaled, colour, atol=1e-4)
    base.set_weights(model.get_weights()[:-2])
    pooled = keras.Model(model.input, model.get_layer("pool").output).predict(IMAGES, verbose=0)
    assert pooled.std(axis=0).mean() > 0.01  # features that differ, or the comparison says nothing
    np.testing.assert_allclose(pooled, base.predict(colour, verbose=0), atol=1e-3 * pooled.std())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0), atol=1e-6)


def test_weights_of_a_file_are_in_the_network(tmp_path):
    base = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
    base.save_weights(tmp_path / "notop.weights.h5")
    model = transfer("mobilenet", weights=tmp_path / "notop.weights.h5", seed=4)
    for mine, theirs in zip(model.get_weights(), base.get_weights(), strict=False):
        np.testing.assert_array_equal(mine, theirs)


def test_standard_deviations_stored_as_variances_are_squared():
    std = backbones._IMAGENET_STD
    backbone = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    layer = next(layer for layer in backbone.layers if isinstance(layer, keras.layers.Normalization))
    for stored in (std, std**2):
        layer.set_weights([np.full(3, 0.5), stored, *layer.get_weights()[2:]])
        layer.finalize_state()
        backbones._mend_normalization(backbone)
        np.testing.assert_allclose(layer(np.full((1, 1, 1, 3), 0.5) + std), np.ones((1, 1, 1, 3)), rtol=1e-4)


def test_the_small_network_has_the_parameters_one_counts_by_hand(tmp_path):
    model = networks.cnn(image_size=32, task="multiclass", filters=(4, 8), dense=16)
    convolutions = (9 * 4 + 4 * 4) + (9 * 4 * 8 + 4 * 8)
    assert model.count_params() == convolutions + (8 * 8 * 8 * 16 + 16) + (16 * 5 + 5)
    default = networks.cnn(image_size=16, task="binary")
    assert [default.get_layer(f"block{i}_conv").filters for i in range(1, 5)] == [16, 32, 64, 128]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    "task, expected", [("binary", [0.61818]), ("multiclass", [0.86863, 0.00033, 0.00000, 0.00006, 0.13098])]
)
def test_reference_prediction(task, expected):
    """Weights and image are given by formulas, so any backend and version must predict this."""
    model = networks.cnn(image_size=16, task=task, filters=(2, 3, 4, 5), dense=4)
    weights = [np.cos(np.arange(w.size) + i).reshape(w.shape) for i, w in enumerate(model.get_weights())]
    model.set_weights([np.abs(w) + 0.1 for w in weights[:-2]] + [w / 2000 for w in weights[-2:]])
    image = np.linspace(0, 1, 256).reshape(1, 16, 16, 1)
    np.testing.assert_allclose(model.predict(image, verbose=0)[0], expected, atol=1e-4)


def test_outputs_are_probabilities_behind_their_logits():
    for task, width in networks.CLASSES.items():
        model = networks.cnn(image_size=16, task=task)
        before = keras.Model(model.input, model.get_layer("logits").output)
        logits, y_prob = (network.predict(IMAGES[:, :16, :16], verbose=0) for network in (before, model))
        assert y_prob.shape == (2, width)
        expected = 1 / (1 + np.exp(-logits)) if width == 1 else keras.ops.softmax(logits)
        np.testing.assert_allclose(y_prob, expected, atol=1e-6)


def test_the_seed_gives_the_initial_weights():
    first, same, other = (transfer("mobilenet", seed=seed).get_weights() for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(first, same, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    "build, message",
    [
        (
            lambda: transfer("vgg16"),
            "backbone: found 'vgg16', expected one of mobilenet, resnet50, efficient",
        ),
        (lambda: transfer("mobilenet", image_size=16), "image_size: found 16, expected at least 32"),
        (
            lambda: transfer("mobilenet", task="rank"),
            "task: found 'rank', expected one of binary, multiclass",
        ),
        (
            lambda: networks.cnn(image_size=8, task="binary"),
            "image_size: found 8, expected at least 16 for 4",
        ),
    ],
)
def test_errors(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_flattened_cnn_sees_where_and_an_averaged_one_does_not():
    here, there = np.zeros((2, 1, 32, 32, 1), np.float32)
    here[0, 4:8, 4:8], there[0, 20:24, 20:24] = 1, 1
    small = {"image_size": 32, "task": "binary", "filters": (4, 8), "dense": 8}
    for pooling, cells in (("flatten", 8 * 8 * 8), ("average", 8)):
        model = networks.cnn(pooling=pooling, **small)
        assert model.get_layer("pool").output.shape == (None, cells)
        assert blocks.summary(model)[2] == ("block2", 8, 8)
        logits = keras.Model(model.input, model.get_layer("logits").output)
        moved = np.abs(np.asarray(logits(here)) - np.asarray(logits(there))).item()
        assert (moved > 1e-4) == (pooling == "flatten")
    with pytest.raises(ValueError, match="pooling: found 'max', expected one of flatten, average"):
        networks.cnn(pooling="max", **small)
