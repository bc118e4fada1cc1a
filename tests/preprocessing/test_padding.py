"""Padding: known widths, the views' own canvas as oracle, and what a crop leaves."""

import os

import numpy as np
import pytest

from lungcls.cohorts import cohort
from lungcls.preprocessing import padding
from lungcls.preprocessing.geometry import center_crop
from lungcls.sources.views import on_canvas


def crops(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(-1000, 400, shape).astype(np.int16) for shape in shapes]


def test_widths_of_a_crop_on_its_canvas():
    shapes = [(45, 52), (60, 61), (128, 100), (127, 128), (128, 128)]
    images = np.stack([on_canvas(crop) for crop in crops(shapes)])
    expected = [(41, 42, 38, 38), (34, 34, 33, 34), (0, 0, 14, 14), (0, 1, 0, 0), (0, 0, 0, 0)]
    assert padding.widths(images).tolist() == [list(widths) for widths in expected]
    assert (128 - padding.widths(images)[:, :2].sum(axis=1)).tolist() == [height for height, _ in shapes]


def test_a_uniform_image_is_all_padding():
    assert padding.widths(np.full((1, 4, 6), 7)).tolist() == [[4, 4, 6, 6]]


def test_a_wrong_rank_is_refused():
    with pytest.raises(ValueError, match="found shape .4, 6., expected .n, H, W."):
        padding.widths(np.zeros((4, 6)))


@pytest.mark.parametrize("crop", [96, 95, 50, 1, 128])
def test_what_a_crop_leaves_is_what_one_measures_in_it(crop):
    images = np.stack([on_canvas(piece) for piece in crops([(45, 52), (99, 61), (128, 100), (127, 97)])])
    left = padding.widths_after_crop(padding.widths(images), images.shape[1:], crop=crop)
    if crop >= 95:  # a smaller crop lies inside some pictures, where the last pixel is none of the canvas
        assert (left == padding.widths(center_crop(images, crop))).all()
    assert (left <= crop).all() and (left >= 0).all()


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match="crop: found 129, expected 1 to 128"):
        padding.widths_after_crop(np.zeros((1, 4), dtype=int), (128, 140), crop=129)


@pytest.mark.skipif("LUNGCLS_LIDC" not in os.environ, reason="needs real windows")
def test_the_real_zoomed_view_keeps_its_padding():
    images = cohort.load(os.environ["LUNGCLS_LIDC"]).views["nodule"][:]
    widths = padding.widths(images)
    assert (widths > 0).any(axis=1).all()
    share = (padding.widths_after_crop(widths, images.shape[1:], crop=96) > 0).any(axis=1).mean()
    assert share == pytest.approx(0.997, abs=0.0005)
