"""Sanity checks: what depends on weights changes, what does not stays, and the network comes back whole."""

import keras
import numpy as np
import pytest

from lungcls.explain import sanity
from lungcls.models import backbones, networks

IMAGES = np.random.default_rng(0).random((6, 32, 32, 1)).astype(np.float32)


@pytest.fixture
def model():
    return networks.cnn(image_size=32, task="binary", filters=(4, 8), dense=8)


def test_likeness_is_spearmans_and_structural():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    first, second = rng.random((3, 8, 8)), rng.random((3, 8, 8))
    found = sanity.likeness(first, second)
    assert found["rank"][1] == pytest.approx(spearmanr(first[1].ravel(), second[1].ravel())[0])
    assert sanity.likeness(first, 5 * first).to_numpy() == pytest.approx(1)
    assert (found["ssim"] < 0.5).all()
    even = sanity.likeness(first, np.zeros_like(first))
    assert even.isna().all().all()
    with pytest.raises(ValueError, match="maps: found shapes"):
        sanity.likeness(first, second[:, :4])


def test_a_map_of_the_network_changes_and_one_of_the_image_does_not(model):
    inner = keras.Model(model.input, model.get_layer("block2_relu").output)
    before = model.get_weights()

    def of_network(_):
        return np.asarray(inner(IMAGES))[..., 0]

    found = sanity.randomised(model, of_network, seed=0)
    assert list(found) == ["none", "logits", "dense", "block2", "block1"]
    assert np.array_equal(found["dense"], found["none"])  # nothing below the map has changed yet
    assert not np.allclose(found["block2"], found["none"])
    assert all(map(np.array_equal, before, model.get_weights()))
    image = sanity.randomised(model, lambda _: IMAGES[..., 0], seed=0)
    assert sanity.likeness(image["none"], image["block1"])["rank"].to_numpy() == pytest.approx(1)
    again = sanity.randomised(model, of_network, seed=0, names=["block1"])
    assert list(again) == ["none", "block1"] and np.array_equal(again["block1"], found["block1"])
    with pytest.raises(ValueError, match="names: found 'block9', expected some of logits, dense"):
        sanity.randomised(model, of_network, seed=0, names=["block9"])


def test_the_network_comes_back_when_a_map_fails(model):
    before, calls = model.get_weights(), []

    def fails(_):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("no map")

    with pytest.raises(RuntimeError):
        sanity.randomised(model, fails, seed=0)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_stages_of_a_backbone_go_from_the_top_down():
    found = list(sanity.stages(backbones.transfer("mobilenet", image_size=32, task="binary")))
    assert found[:3] == ["logits", "conv_13", "conv_12"] and found[-1] == "conv1"


def test_no_map_is_paired_with_itself():
    stack = np.arange(5)[:, None, None] * np.ones((5, 2, 2))
    paired = sanity.others(stack, seed=3)
    assert (paired[:, 0, 0] != stack[:, 0, 0]).all() and set(paired[:, 0, 0]) == set(range(5))
    with pytest.raises(ValueError, match="expected at least two"):
        sanity.others(stack[:1], seed=0)
