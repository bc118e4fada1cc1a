"""Augmentation: what is drawn follows from the seed, and the fixed transforms are what they say."""

import numpy as np
import pytest

from lungcls.preprocessing import augmentation

RNG = np.random.default_rng(0)
IMAGES = RNG.random((12, 16, 16, 1), dtype=np.float32)


@pytest.mark.parametrize("name", augmentation.NAMES)
def test_what_is_drawn_follows_from_the_seed(name):
    first = augmentation.augment(IMAGES, name, seed=[3, 1])
    again = augmentation.augment(IMAGES, name, seed=[3, 1])
    other = augmentation.augment(IMAGES, name, seed=[3, 2])
    assert first.shape == IMAGES.shape and first.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) == (name == "none")


@pytest.mark.parametrize("name", ["geometric", "randaugment", "augmix"])
def test_each_image_is_drawn_for_itself(name):
    same = np.repeat(IMAGES[:1], 12, axis=0)
    changed = augmentation.augment(same, name, seed=0)
    assert len(np.unique(changed.reshape(12, -1), axis=0)) > 6


def test_the_input_is_left_alone():
    before = IMAGES.copy()
    for name in augmentation.NAMES:
        augmentation.augment(IMAGES, name, seed=0)
    np.testing.assert_array_equal(IMAGES, before)


def test_no_amount_of_change_is_the_identity():
    still = augmentation.geometric(IMAGES, seed=0, degrees=0, shift=0, flip=False)
    np.testing.assert_allclose(still, IMAGES, atol=1e-6)


def test_flips_alone_are_those_of_numpy():
    many = np.tile(IMAGES, (10, 1, 1, 1))
    flipped = augmentation.geometric(many, seed=0, degrees=0, shift=0)
    kinds = [many, many[:, ::-1], many[:, :, ::-1], many[:, ::-1, ::-1]]
    close = np.array([[np.allclose(flipped[i], kind[i], atol=1e-5) for kind in kinds] for i in range(120)])
    assert (close.sum(axis=1) == 1).all() and (close.sum(axis=0) > 15).all()


def test_a_quarter_turn_is_that_of_numpy():
    quarter = augmentation._affine(IMAGES, np.full(12, np.pi / 2), np.zeros((2, 12)), np.ones((2, 12)))
    np.testing.assert_allclose(quarter, np.rot90(IMAGES, axes=(1, 2)), atol=1e-4)


def test_the_shift_is_within_its_share():
    dot = np.zeros((200, 33, 33, 1), np.float32)
    dot[:, 16, 16] = 1
    moved = augmentation.geometric(dot, seed=0, degrees=0, shift=0.25, flip=False)[..., 0]
    down = (moved.sum(axis=2) * np.arange(33)).sum(axis=1) / moved.sum(axis=(1, 2)) - 16
    assert 7 < np.abs(down).max() <= 0.25 * 33 + 0.01


def test_an_unknown_augmentation_lists_the_known():
    with pytest.raises(ValueError, match="augmentation: found 'cutout', expected one of none, geometric"):
        augmentation.augment(IMAGES, "cutout", seed=0)


def test_five_versions_to_predict_on():
    versions = augmentation.test_time(IMAGES)
    assert len(versions) == len(augmentation.TRANSFORMS) == 5
    np.testing.assert_array_equal(versions[0], IMAGES)
    np.testing.assert_array_equal(versions[1], IMAGES[:, :, ::-1])
    np.testing.assert_array_equal(versions[2], IMAGES[:, ::-1])
    assert len(np.unique(versions.reshape(5, -1), axis=0)) == 5
    np.testing.assert_array_equal(versions, augmentation.test_time(IMAGES))


def test_mode_and_mean_can_disagree():
    y_prob = np.array([[[0.1, 0.9]], [[0.6, 0.4]], [[0.6, 0.4]], [[0.6, 0.4]], [[0.1, 0.9]]])
    mode = augmentation.combine(y_prob, "mode")
    np.testing.assert_allclose(mode, [[0.6, 0.4]], atol=1e-5)
    np.testing.assert_allclose(augmentation.combine(y_prob, "mean"), [[0.4, 0.6]])


def test_equal_votes_are_parted_by_the_mean():
    y_prob = np.array([[[0.6, 0.4, 0.0]], [[0.1, 0.9, 0.0]]])
    assert augmentation.combine(y_prob, "mode").argmax() == 1
    with pytest.raises(ValueError, match="how: found 'median', expected mode or mean"):
        augmentation.combine(y_prob, "median")
