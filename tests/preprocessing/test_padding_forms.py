"""The zoomed view in other forms: cut from one slice, so that every pixel is known."""

import os

import numpy as np
import pytest

from lungcls.cohorts import cohort
from lungcls.preprocessing import fixed_crop, padding
from lungcls.preprocessing.geometry import resize
from lungcls.preprocessing.grey_levels import min_max
from lungcls.sources import views

# Small and in the middle, odd, at the rim, larger than its canvas.
BOXES = [(200, 210, 300, 320), (100, 131, 90, 121), (0, 10, 500, 512), (240, 390, 240, 260)]


@pytest.fixture(scope="module")
def slices():
    return np.random.default_rng(0).integers(-1000, 400, (len(BOXES), 512, 512)).astype(np.int16)


@pytest.fixture(scope="module")
def nodules(slices):
    return np.stack([views.nodule(image, box) for image, box in zip(slices, BOXES, strict=True)])


@pytest.fixture(scope="module")
def contexts(slices):
    return np.stack([views.context(image, box) for image, box in zip(slices, BOXES, strict=True)])


# --- Padding alone ----------------------------------------------------------------------


def test_padding_alone_is_the_canvas_of_a_blank_picture(slices, nodules):
    blank = [views.nodule(np.zeros((512, 512), np.uint8), box, fill=1) for box in BOXES]
    found = padding.alone(nodules)
    np.testing.assert_array_equal(found, blank)
    assert found.dtype == np.uint8


def test_padding_alone_keeps_the_widths_and_nothing_else(nodules):
    found = padding.alone(nodules)
    np.testing.assert_array_equal(
        padding.widths(found)[:3], padding.widths(nodules)[:3]
    )  # the last has no corner
    other = np.where(found == 1, nodules, np.random.default_rng(1).permuted(nodules, axis=2))
    np.testing.assert_array_equal(padding.alone(other), found)


def test_padding_alone_refuses_another_rank():
    with pytest.raises(ValueError, match="images: found shape .4, 6."):
        padding.alone(np.zeros((4, 6)))


# --- Where the picture lies -------------------------------------------------------------


@pytest.mark.parametrize("number", range(len(BOXES)))
def test_the_picture_is_where_it_was_cut(slices, nodules, number):
    row_min, row_max, column_min, column_max = BOXES[number]
    top, _, left, _ = padding.widths(nodules[[number]])[0]
    lost = max(row_max - row_min + 40 - 128, 0) // 2  # of a picture that is too high for its canvas
    expected = max(row_min - 20, 0) + lost - top, max(column_min - 20, 0) - left
    assert padding.locate(nodules[number], slices[number]) == expected


def test_one_changed_pixel_is_not_the_picture(slices, nodules):
    changed = nodules[0].copy()
    changed[64, 70] += 1
    with pytest.raises(ValueError, match="found no place of the zoomed picture in the wider view"):
        padding.locate(changed, slices[0])
    with pytest.raises(ValueError, match="found a picture of 50 x 60 pixels and 40 x 512 around it"):
        padding.locate(nodules[0], slices[0][:40])


# --- Padding filled ---------------------------------------------------------------------


def test_filling_shows_the_slice_itself(slices, nodules):
    filled = padding.filled(nodules, slices)
    first = 205 - 64, 310 - 64  # the box's middle, 10 x 20 pixels, in the middle of the canvas
    np.testing.assert_array_equal(filled[0], slices[0, first[0] : first[0] + 128, first[1] : first[1] + 128])
    assert filled.dtype == slices.dtype and filled.shape == nodules.shape


def test_filling_changes_the_padding_only(slices, contexts, nodules):
    outside = padding.alone(nodules) == 1
    for wide in (slices, contexts):
        filled = padding.filled(nodules, wide)
        np.testing.assert_array_equal(filled[~outside], nodules[~outside])
        assert padding.widths(filled).max() == 0 or wide is not slices


def test_beyond_the_wider_view_its_rim_is_repeated(slices, nodules):
    filled = padding.filled(nodules, slices)[2]  # at the top right corner of the slice
    top, bottom, left, right = padding.widths(nodules[[2]])[0]
    np.testing.assert_array_equal(filled[:top], np.repeat(filled[[top]], top, axis=0))
    np.testing.assert_array_equal(
        filled[:, 128 - right :], np.repeat(filled[:, [127 - right]], right, axis=1)
    )
    assert len(np.unique(filled[:, left - 1])) > 20 and len(np.unique(filled[128 - bottom])) > 20


# --- A crop of fixed size --------------------------------------------------------------


def test_a_crop_is_that_many_pixels_around_the_middle(slices, nodules):
    for spacing, side in ((0.5, 60), (0.6, 50), (0.75, 40)):
        found = fixed_crop.cut_from_wider(nodules, slices, spacing=[spacing] * 4, crop_mm=30, size=30)
        assert found.shape == (4, 30, 30) and found.dtype == np.float32
        row, column = 205 - side // 2, 310 - side // 2
        expected = resize(min_max(slices[0, row : row + side, column : column + side]), 30)
        np.testing.assert_array_equal(found[0], expected)


def test_a_crop_does_not_know_the_box(slices):
    tight, loose = (
        views.nodule(slices[0], (200, 210, 300, 320)),
        views.nodule(slices[0], (190, 220, 290, 330)),
    )
    assert (padding.widths(np.stack([tight, loose]))[0] != padding.widths(np.stack([tight, loose]))[1]).all()
    options = {"spacing": [0.7], "crop_mm": 60, "size": 32}
    crops = [fixed_crop.cut_from_wider(image[None], slices[:1], **options) for image in (tight, loose)]
    np.testing.assert_array_equal(*crops)


@pytest.mark.parametrize(
    "change", [{"spacing": [0.7, 0, 1, 1]}, {"crop_mm": 0}, {"spacing": [np.nan, 1, 1, 1]}]
)
def test_a_crop_needs_a_scale(slices, nodules, change):
    with pytest.raises(ValueError, match="spacing: found .* expected both above 0"):
        fixed_crop.cut_from_wider(nodules, slices, **{"spacing": [1, 1, 1, 1], "size": 8, **change})


@pytest.mark.skipif("LUNGCLS_LIDC" not in os.environ, reason="needs real windows")
def test_the_real_zoomed_view_is_a_cut_of_its_context():
    real = cohort.load(os.environ["LUNGCLS_LIDC"])
    rows = np.random.default_rng(0).permutation(len(real))[:200]
    nodules, contexts = real.views["nodule"][rows], real.views["context"][rows]
    filled = padding.filled(nodules, contexts)
    outside = padding.alone(nodules) == 1
    assert outside.mean() > 0.5
    np.testing.assert_array_equal(filled[~outside], nodules[~outside])
    moved = np.abs([padding.locate(*pair) for pair in zip(nodules, contexts, strict=True)])
    assert np.median(moved) <= 1 and (moved.max(axis=1) <= 4).mean() > 0.9
