"""Grad-CAM against two oracles: the closed form where there is one, and tf-keras-vis."""

import keras
import numpy as np
import pytest

from lungcls.explain import gradcam as explain
from lungcls.models import backbones, networks

pytestmark = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="Grad-CAM needs TensorFlow")
IMAGES = np.random.default_rng(0).random((5, 32, 32, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def binary():
    return networks.cnn(image_size=32, task="binary", filters=(4, 8), dense=8)


@pytest.fixture(scope="module")
def five():
    return networks.cnn(image_size=32, task="multiclass", filters=(4, 8), dense=8, seed=1)


def pooled(activation):
    """A network whose maps have a closed form: convolution, mean over the map, one dense layer."""
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 1))
    x = keras.layers.Conv2D(6, 3, strides=2, activation="relu", name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(
        image, keras.layers.Dense(3 if activation == "softmax" else 1, activation=activation)(x)
    )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_after_mean_pooling_the_map_is_the_weighted_sum_of_the_maps(activation):
    model = pooled(activation)
    found = explain.grad_cam(model, IMAGES, classes=1)
    stack = np.asarray(keras.Model(model.input, model.get_layer("conv").output)(IMAGES))
    weights = model.layers[-1].kernel.numpy()[:, -1 if activation == "sigmoid" else 1]
    closed = np.maximum(0, stack @ weights) / stack[0, ..., 0].size
    assert found.layer == "conv" and found.values == pytest.approx(closed, abs=1e-6)


@pytest.mark.parametrize(
    "build",
    [
        lambda: networks.cnn(image_size=32, task="multiclass", filters=(4, 8), dense=8),
        lambda: backbones.transfer("mobilenet", image_size=64, task="multiclass"),
    ],
    ids=["cnn", "mobilenet"],
)
def test_maps_are_those_of_tf_keras_vis(build):
    gradcam = pytest.importorskip("tf_keras_vis.gradcam")
    model = build()
    images = np.random.default_rng(1).random((4, *model.input_shape[1:])).astype(np.float32)
    classes = np.array([0, 2, 4, 1])
    found = explain.grad_cam(model, images, classes=classes)
    linear = keras.Model(model.input, model.get_layer("logits").output)
    other = gradcam.Gradcam(linear, clone=False)(
        lambda scores: [scores[i][k] for i, k in enumerate(classes)],
        images,
        penultimate_layer=found.layer,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    other = np.asarray(other)
    assert other.max() > 0 and found.values / other.max() == pytest.approx(other / other.max(), abs=1e-4)


def test_one_sigmoid_has_a_map_for_each_side_and_their_scores_are_opposite(binary):
    benign, malignant = (explain.grad_cam(binary, IMAGES, classes=label) for label in (0, 1))
    assert malignant.scores == pytest.approx(-benign.scores)
    logits = keras.Model(binary.input, binary.get_layer("logits").output).predict(IMAGES, verbose=0)[:, 0]
    assert malignant.scores == pytest.approx(logits, abs=1e-5)
    assert not np.allclose(benign.values, malignant.values)
    chosen = explain.grad_cam(binary, IMAGES)
    assert chosen.classes.tolist() == (logits > 0).astype(int).tolist()


def test_saving_and_batches_change_nothing(five, tmp_path):
    found = explain.grad_cam(five, IMAGES)
    five.save(tmp_path / "model.keras")
    again = explain.grad_cam(keras.models.load_model(tmp_path / "model.keras"), IMAGES)
    single = [explain.grad_cam(five, IMAGES[i : i + 1]).values[0] for i in range(len(IMAGES))]
    small = explain.grad_cam(five, IMAGES, batch_size=2)
    assert np.array_equal(again.values, found.values) and again.layer == found.layer == "block2_relu"
    assert np.array(single) == pytest.approx(found.values, abs=1e-6) == small.values
    assert found.values.shape == (5, 16, 16) and (found.values >= 0).all()


def test_a_frozen_network_is_explained_too(five):
    five.trainable = False
    assert explain.grad_cam(five, IMAGES).values.any()
    five.trainable = True


def test_the_layer_is_the_last_convolution_or_the_deepest_that_is_fine_enough(five):
    assert explain.choose_layer(five) == ("block2_relu", "the last convolution")
    assert explain.choose_layer(five, "block1_conv")[0] == "block1_conv"
    deep = networks.cnn(image_size=32, task="binary", filters=(2, 2, 2, 2, 2))
    name, why = explain.choose_layer(deep)
    assert name == "block3_relu" and "the last has 2 x 2" in why
    assert explain.grad_cam(deep, IMAGES).values.shape == (5, 8, 8)
    resnet = backbones.transfer("resnet50", image_size=128, task="binary")
    assert explain.choose_layer(resnet)[0] == "conv5_block3_out"
    with pytest.raises(ValueError, match="layer: found 'dense', expected one of block1_conv"):
        explain.grad_cam(five, IMAGES, layer="dense")
    flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="has no convolution"):
        explain.choose_layer(flat)


def test_what_a_network_looks_at_is_found_in_its_place():
    image = keras.Input((32, 32, 1))
    x = keras.layers.Conv2D(1, 4, strides=4, use_bias=False, kernel_initializer="ones", name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(1, "sigmoid", kernel_initializer="ones")(x))
    pictures = np.zeros((1, 32, 32, 1), np.float32)
    pictures[0, 20:24, 4:8] = 1
    found = explain.grad_cam(model, pictures, classes=1).values[0]
    assert np.unravel_index(found.argmax(), found.shape) == (5, 1) and np.count_nonzero(found) == 1


def test_maps_of_zeros_are_reported():
    model = pooled("sigmoid")
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([-np.abs(kernel), bias])  # every pattern speaks for benign
    assert explain.grad_cam(model, IMAGES, classes=1).zero.all()
    assert not explain.grad_cam(model, IMAGES, classes=0).zero.any()
    audit = explain.audit(model, IMAGES, classes=1)
    assert audit.loc["conv"].to_dict() == {"side": 15, "zero": 5, "n": 5}


def test_wrong_classes_and_networks_are_refused(five):
    with pytest.raises(ValueError, match=r"classes: found \[5\], expected 0 to 4"):
        explain.grad_cam(five, IMAGES, classes=5)
    with pytest.raises(ValueError, match="does not end in a dense layer"):
        explain.last_dense(networks.autoencoder(32, 4))
