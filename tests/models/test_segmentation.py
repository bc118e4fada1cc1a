"""Outlines that a network draws, and measures inside them."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from lungcls.models import segmentation
from lungcls.models.segmentation import MEASURES


def disc(radius, *, side=64, centre=(32, 32)):
    rows, columns = np.indices((side, side))
    return (np.hypot(rows - centre[0], columns - centre[1]) <= radius).astype(np.float32)


def measured(image, outline):
    found = segmentation.measures(*(keras.ops.convert_to_tensor(one[None]) for one in (image, outline)))
    return dict(zip(MEASURES, np.asarray(found)[0], strict=True))


@pytest.fixture(scope="module")
def network():
    return segmentation.unet(image_size=16, filters=(2, 3), seed=1)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((3, 20, 20, 1), dtype=np.float32)


def test_a_bright_disc_has_its_area_axes_and_contrast():
    mask = disc(8)
    found = measured(0.2 + 0.5 * mask, mask)
    assert np.exp(found["area"]) == pytest.approx(mask.sum() + 1)
    assert np.exp(found["major axis"]) == pytest.approx(8 / 2, rel=0.05)  # of a disc: half its radius
    assert found["eccentricity"] == pytest.approx(0, abs=3e-3) and found["off centre"] < 0.8
    assert found["mean"] == pytest.approx(0.7, abs=0.01) and found["contrast to 5"] == pytest.approx(
        0.5, abs=0.01
    )
    assert found["sd of 10"] == pytest.approx(0.001, abs=1e-3) and found["indistinct"] == 0


def test_measures_inside_a_hard_outline_are_numpys():
    rng = np.random.default_rng(2)
    image, mask = rng.random((64, 64), dtype=np.float32), disc(9, centre=(30, 35)) + disc(5, centre=(30, 46))
    mask = np.minimum(mask, 1)
    found, inside = measured(image, mask), mask > 0
    share = inside.sum() / (inside.sum() + 1)  # one pixel more keeps an empty outline from dividing by 0
    assert found["mean"] == pytest.approx(image[inside].mean() * share, rel=1e-4)
    ring = ndimage.grey_dilation(mask, size=(5, 5)) > mask
    assert found["contrast to 2"] == pytest.approx(found["mean"] - image[ring].mean(), abs=1e-4)
    assert found["sd of 2"] == pytest.approx(image[ring].std(), abs=1e-3)
    ordered = np.sort(image.ravel())
    assert found["median"] == ordered[ordered.size // 2]
    rows, columns = np.nonzero(inside)
    apart = share * np.hypot(rows.mean() - 31.5, columns.mean() - 31.5)
    assert found["off centre"] == pytest.approx(apart, rel=1e-4)


def test_an_empty_outline_gives_finite_measures():
    found = measured(np.full((64, 64), 0.5, np.float32), np.zeros((64, 64), np.float32))
    assert np.isfinite(list(found.values())).all()


def test_turned_images_come_back(images):
    turned = segmentation.turns(images)
    expected = [np.rot90(flip, k, axes=(1, 2)) for flip in (images, images[:, :, ::-1]) for k in range(4)]
    for one in turned:
        assert any(np.array_equal(np.asarray(one), other) for other in expected)
    for one in segmentation.turned_back(turned):
        np.testing.assert_array_equal(np.asarray(one), images)


def test_outline_and_measures_do_not_depend_on_how_an_image_lies(network, images):
    whole = segmentation.measured(network, 20)
    turned = np.ascontiguousarray(np.rot90(images, axes=(1, 2)))
    np.testing.assert_allclose(np.asarray(whole(turned)), np.asarray(whole(images)), atol=1e-4)
    outline = keras.Model(whole.input, whole.get_layer("outline").output)(images)
    assert outline.shape == (3, 16, 16, 1)
    middle = images[:, 2:-2, 2:-2]
    ways = [np.rot90(np.rot90(middle, k, axes=(1, 2))[:, ::flip], 0) for k in range(4) for flip in (1, -1)]
    answers = [np.asarray(keras.ops.sigmoid(network(np.ascontiguousarray(way)))) for way in ways]
    back = [
        np.rot90(one[:, ::flip], -k, axes=(1, 2))
        for one, (k, flip) in zip(answers, [(k, flip) for k in range(4) for flip in (1, -1)])
    ]
    np.testing.assert_allclose(np.asarray(outline), np.mean(back, axis=0), atol=1e-5)


def test_the_loss_is_cross_entropy_and_dice():
    rng = np.random.default_rng(3)
    z, outline = rng.normal(size=(2, 8, 8, 1)), rng.integers(0, 2, (2, 8, 8, 1)).astype(float)
    p = 1 / (1 + np.exp(-z))
    entropy = -(outline * np.log(p) + (1 - outline) * np.log(1 - p)).mean(axis=(1, 2, 3))
    dice = (2 * (p * outline).sum(axis=(1, 2, 3)) + 1) / ((p + outline).sum(axis=(1, 2, 3)) + 1)
    found = segmentation.loss(None, keras.ops.convert_to_tensor(np.concatenate([z, outline], axis=3)))
    np.testing.assert_allclose(np.asarray(found), entropy + 1 - dice, rtol=1e-5)


def test_the_learner_shows_the_networks_logits_beside_the_outline(network, images):
    both = np.concatenate([images, images > 0.5], axis=3)[:, :16, :16].astype(np.float32)
    shown = np.asarray(segmentation.learner(network)(both))
    np.testing.assert_allclose(shown[..., :1], np.asarray(network(both[..., :1])), atol=1e-6)
    np.testing.assert_array_equal(shown[..., 1], both[..., 1])


def test_the_disc_lies_in_the_middle_of_every_image(images):
    found = np.asarray(segmentation.disc(image_size=20)(images))
    assert (found[0] == found[1]).all() and found[0, 10, 10] > 0 > found[0, 0, 0]
    np.testing.assert_allclose(found[0], found[0, ::-1, ::-1], atol=1e-6)


def test_same_seed_same_weights(network):
    again = segmentation.unet(image_size=16, filters=(2, 3), seed=1)
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="found 18 pixels inside the margin, expected a multiple of 4"):
        segmentation.unet(image_size=18, filters=(2, 3, 4))
