"""Distortion: known answers on squares, invariants, and messages."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from lungcls.metrics import image_change

RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 12, 12, 1), dtype=np.float32)


def square(side=4, grey=0.75, ground=0.25):
    """One image of a bright square in its middle, and the square's mask."""
    mask = np.zeros((1, 12, 12, 1), dtype=bool)
    start = (12 - side) // 2
    mask[:, start : start + side, start : start + side] = True
    return np.where(mask, grey, ground).astype(np.float32), mask


def test_the_grey_shift_is_the_distance_of_the_histograms():
    changed = IMAGES**2
    expected = [wasserstein_distance(a.ravel(), b.ravel()) for a, b in zip(IMAGES, changed, strict=True)]
    assert image_change.grey_shift(IMAGES, changed) == pytest.approx(expected)
    assert image_change.grey_shift(IMAGES, IMAGES[:, ::-1]) == pytest.approx(0)


def test_correlation_is_numpys_and_ignores_contrast():
    other = RNG.random(IMAGES.shape)
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(IMAGES, other, strict=True)]
    assert image_change.correlation(IMAGES, other) == pytest.approx(expected)
    assert image_change.correlation(IMAGES, 0.2 + 0.5 * IMAGES) == pytest.approx(1)
    assert image_change.correlation(IMAGES, 1 - IMAGES) == pytest.approx(-1)


def test_a_single_grey_has_no_correlation():
    assert np.isnan(image_change.correlation(IMAGES, np.full_like(IMAGES, 0.3))).all()


def test_erasing_leaves_the_surroundings_alone():
    image, mask = square()
    assert (image_change.erase(image, mask) == 0.25).all()
    masks = np.repeat(mask, 4, axis=0)
    erased = image_change.erase(IMAGES, masks)
    assert (erased == IMAGES)[~masks].all() and not (erased == IMAGES)[masks].any()
    assert (image_change.erase(IMAGES, np.zeros_like(masks)) == IMAGES).all()
    assert (image_change.erase(IMAGES, np.ones_like(masks)) == IMAGES).all()


def test_what_is_left_of_a_nodule():
    image, mask = square()
    erased = image_change.erase(image, mask)

    def left(change):
        return image_change.nodule_left(image, erased, change(image), change(erased))[0]

    assert left(lambda x: x) == pytest.approx(1)
    assert left(lambda x: x[:, ::-1]) == pytest.approx(1)
    assert left(lambda x: 1 - x) == pytest.approx(1)
    assert left(lambda x: x / 2) == pytest.approx(0.5)
    assert left(lambda x: np.roll(x, 6, axis=1)) == pytest.approx(1)
    half = lambda x: np.concatenate([x[:, :6], np.full_like(x[:, 6:], 0.25)], axis=1)  # noqa: E731
    assert left(half) == pytest.approx(np.sqrt(0.5))
    assert left(lambda x: np.zeros_like(x)) == 0
    assert left(lambda x: np.clip(x + 0.75, 0, 1)) == 0  # both are white


def test_without_a_nodule_nothing_can_be_left():
    assert np.isnan(image_change.nodule_left(IMAGES, IMAGES, IMAGES**2, IMAGES**2)).all()


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda small: image_change.grey_shift(IMAGES, small), "changed"),
        (lambda small: image_change.correlation(IMAGES, small), "changed"),
        (lambda small: image_change.erase(IMAGES, small), "masks"),
        (lambda small: image_change.nodule_left(IMAGES, IMAGES, IMAGES, small), "changed_erased"),
    ],
)
def test_shapes_have_to_agree(call, name):
    with pytest.raises(ValueError, match=rf"{name}: found shape \(4, 6, 6, 1\), expected \(4, 12, 12, 1\)"):
        call(IMAGES[:, :6, :6])
