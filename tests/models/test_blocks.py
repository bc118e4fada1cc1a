"""Cutting networks at block boundaries."""

import keras
import numpy as np
import pytest

from lungcls.models import backbones, blocks, networks

IMAGES = np.random.default_rng(0).random((3, 32, 32, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def mobilenet():
    model = backbones.transfer("mobilenet", image_size=32, task="multiclass")
    blocks.calibrate_batch_norm(model, IMAGES)
    return model


def test_the_blocks_of_each_family(mobilenet):
    found = list(blocks.boundaries(mobilenet))
    assert found == ["image", *(f"block{i}" for i in range(1, 14)), "head"]
    small = networks.cnn(image_size=16, task="binary")
    assert list(blocks.boundaries(small)) == ["image", "block1", "block2", "block3", "block4", "head"]


def test_residual_blocks_are_cut_where_one_tensor_carries_everything():
    model = backbones.transfer("efficientnetb0", image_size=32, task="binary")
    found = blocks.boundaries(model)
    assert found["block5a"] == "block4c_add" and found["top"] == "block7a_project_bn"
    assert blocks.boundary(model, "block5") is model.get_layer("block4c_add")
    backbone, head = blocks.split(model, "block6c")
    whole = keras.Model(model.input, model.get_layer("logits").output)
    np.testing.assert_allclose(
        head.predict_on_batch(backbone.predict_on_batch(IMAGES)), whole.predict_on_batch(IMAGES), atol=1e-5
    )


@pytest.mark.parametrize("name", ["block12", "head"])
def test_the_halves_make_the_whole(mobilenet, name):
    backbone, head = blocks.split(mobilenet, name)
    logits = head.predict_on_batch(backbone.predict_on_batch(IMAGES))
    expected = mobilenet.predict_on_batch(IMAGES)
    np.testing.assert_allclose(keras.activations.softmax(logits), expected, atol=1e-6)


def test_what_lies_below_is_frozen_and_so_is_batch_normalisation(mobilenet):
    blocks.split(mobilenet, "block13")
    trainable = {weight.path for weight in mobilenet.trainable_weights}
    assert trainable == {"conv_dw_13/kernel", "conv_pw_13/kernel", "logits/kernel", "logits/bias"}
    blocks.split(mobilenet, "head")
    assert {weight.path for weight in mobilenet.trainable_weights} == {"logits/kernel", "logits/bias"}


def test_a_network_trained_whole_keeps_its_batch_normalisation():
    model = networks.cnn(image_size=16, task="binary")
    backbone, _ = blocks.split(model, "image")
    assert backbone is None and model.get_layer("block1_bn").trainable


def test_random_layers_pass_on_what_they_see_once_calibrated():
    model = backbones.transfer("mobilenet", image_size=32, task="binary")
    pooled = keras.Model(model.input, model.get_layer("pool").output)
    momentum = model.get_layer("conv1_bn").momentum
    assert pooled.predict_on_batch(IMAGES).std() < 1e-6
    blocks.calibrate_batch_norm(model, IMAGES)
    assert pooled.predict_on_batch(IMAGES).std(axis=0).mean() > 0.1
    assert model.get_layer("conv1_bn").momentum == momentum


def test_an_unknown_block_lists_the_known(mobilenet):
    with pytest.raises(ValueError, match="unfreeze_from: found 'block14', expected one of image, block1, "):
        blocks.split(mobilenet, "block14")


def test_the_summary_has_the_maps_of_each_stage():
    network = networks.cnn(image_size=32, task="multiclass", filters=(4, 8))
    assert blocks.summary(network) == [("image", 32, 1), ("block1", 16, 4), ("block2", 8, 8), ("head", 1, 5)]
    stages = blocks.summary(backbones.transfer("efficientnetb0", image_size=64, task="binary"))
    assert [name for name, _, _ in stages] == ["stem", *(f"block{i}" for i in range(1, 8)), "top", "head"]
    assert stages[0][1:] == (32, 32) and stages[-2][1:] == (2, 1280) and stages[-1][1:] == (1, 1)
