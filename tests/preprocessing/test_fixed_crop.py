"""Crops of fixed size in mm: the same scale for every scanner."""

from conftest import tiny_cohort
import numpy as np
import pytest

from lungcls.cohorts.cohort import Cohort
from lungcls.errors import InputError
from lungcls.preprocessing.fixed_crop import crops, cut


def ramp(side=33):
    """An image whose grey level is its column, from 0 to 1."""
    return np.tile(np.linspace(0, 1, side), (side, 1))


def with_spacing(spacing=1.0, **options):
    noise = tiny_cohort(**options)
    return Cohort(noise.cases.assign(pixel_spacing_mm=spacing), noise.views, noise.masks, noise.info)


def test_the_crop_is_cut_around_the_middle():
    found = cut(ramp()[None], spacing=[1.0], crop_mm=8, size=8)[0]
    expected = (16 + np.arange(8) - 3.5) / 32  # columns around the middle, 16, a millimetre apart
    np.testing.assert_allclose(found, np.tile(expected, (8, 1)), atol=1e-6)
    np.testing.assert_allclose(cut(ramp().T[None], spacing=[1.0], crop_mm=8, size=8)[0], found.T, atol=1e-6)


def test_a_pixel_of_half_the_size_shows_half_as_much():
    coarse, fine = cut(np.stack([ramp(), ramp()]), spacing=[1.0, 2.0], crop_mm=8, size=8)
    np.testing.assert_allclose(np.ptp(coarse), 2 * np.ptp(fine), rtol=1e-5)
    assert coarse.dtype == np.float32


def test_one_disc_looks_the_same_in_scans_of_any_spacing():
    def disc(spacing):
        place = (np.arange(65) - 32) * spacing
        return (np.hypot(*np.meshgrid(place, place)) < 6).astype(float)

    found = cut(np.stack([disc(0.5), disc(0.8)]), spacing=[0.5, 0.8], crop_mm=24, size=48)
    areas = found.sum(axis=(1, 2)) * (24 / 48) ** 2
    np.testing.assert_allclose(areas, np.pi * 36, rtol=0.05)


def test_outside_the_outermost_pixels_are_repeated_and_units_do_not_matter():
    image = np.random.default_rng(0).integers(0, 99, (1, 6, 6))
    wide = cut(image, spacing=[1.0], crop_mm=20, size=20)
    np.testing.assert_allclose(wide[0, :7, :7], wide[0, 0, 0])
    np.testing.assert_allclose(cut(image * 7.0 - 1000, spacing=[1.0], crop_mm=20, size=20), wide, atol=1e-6)


@pytest.mark.parametrize("wrong", [{"spacing": [0.0]}, {"crop_mm": 0}, {"size": 0}])
def test_what_is_not_above_zero_is_refused(wrong):
    with pytest.raises(ValueError, match="expected all above 0"):
        cut(ramp()[None], **{"spacing": [1.0], "crop_mm": 8, "size": 8} | wrong)


def test_a_cohorts_crops_are_made_when_asked_for():
    cohort = with_spacing()
    found = crops(cohort.images("context"), cohort.spacing(), crop_mm=6, size=4)
    assert found.shape == (10, 4, 4, 1) and len(found) == 10 and found.dtype == np.float32
    rows = np.array([7, 2])
    expected = cut(cohort.views["context"][rows], spacing=[1, 1], crop_mm=6, size=4)
    np.testing.assert_array_equal(found[rows][..., 0], expected)


def test_masks_are_cut_like_images():
    cohort = with_spacing()
    found = crops(cohort.images("nodule", masks=True), cohort.spacing(), crop_mm=8, size=8)
    np.testing.assert_array_equal(found[np.arange(10)][..., 0] >= 0.5, cohort.masks["nodule"][:] > 0)


def test_a_cohort_that_lacks_something_is_refused():
    with pytest.raises(InputError, match="found no column pixel_spacing_mm, expected one, in mm"):
        tiny_cohort().spacing()
    with pytest.raises(InputError, match="row 3"):
        with_spacing([1, 1, 0, 1, 1, 1, 1, 1, 1, 1]).spacing()
    with pytest.raises(InputError, match="found no full_slice.npy"):
        with_spacing().images("full_slice")
    with pytest.raises(InputError, match="found no context_mask.npy, expected one .has nodule"):
        with_spacing().images("context", masks=True)
