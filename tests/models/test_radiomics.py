"""Radiomic measures: discs and squares have known ones, scikit-image is the oracle of the rest."""

import numpy as np
import pytest
from skimage.feature import graycomatrix, graycoprops

from lungcls.models import radiomics


def disc(radius, *, size=64, centre=(30, 33)):
    rows, columns = np.indices((size, size))
    return np.hypot(rows - centre[0], columns - centre[1]) <= radius


def measured(image, mask, **options):
    return radiomics.measure_radiomics(image[None], mask[None], **options).iloc[0]


def test_a_bright_disc():
    mask = disc(10)
    found = measured(np.where(mask, 200.0, 50.0), mask, spacing=[0.5])
    assert found["area"] == mask.sum() * 0.25
    assert found["equivalent_diameter"] == pytest.approx(10, rel=0.02)  # mm: radius of 10 pixels of 0.5 mm
    assert found["major_axis"] == pytest.approx(10, rel=0.03)
    assert found["feret"] == pytest.approx(10.5, rel=0.03)
    assert found["perimeter"] == pytest.approx(np.pi * 10, rel=0.05)
    assert found["circularity"] == pytest.approx(1, abs=0.1) and found["eccentricity"] < 0.1
    assert (found["mean"], found["sd"], found["skewness"], found["contrast_to_rim"]) == (200, 0, 0, 150)
    assert (found["contrast"], found["homogeneity"]) == (0, 1)


def test_shape_does_not_see_size_and_length_scales_with_spacing():
    rng = np.random.default_rng(0)
    image, mask = rng.normal(size=(64, 64)), disc(9) | disc(6, centre=(30, 44))
    one, two = (measured(image, mask, spacing=[spacing]) for spacing in (1.0, 2.0))
    for name in ("equivalent_diameter", "major_axis", "minor_axis", "perimeter", "feret"):
        assert two[name] == pytest.approx(2 * one[name])
    assert two["area"] == pytest.approx(4 * one["area"])
    others = [
        name
        for name in one.index
        if name not in ("area", "equivalent_diameter", "major_axis", "minor_axis", "perimeter", "feret")
    ]
    assert two[others].equals(one[others])
    assert measured(image, mask)["area"] == mask.sum()  # pixels without a spacing


def test_nothing_depends_on_the_place_or_on_what_lies_further_away():
    rng = np.random.default_rng(1)
    image, mask = rng.normal(size=(64, 64)), disc(8)
    there = measured(np.roll(image, (5, -7), (0, 1)), np.roll(mask, (5, -7), (0, 1)))
    np.testing.assert_allclose(there, measured(image, mask))
    far = np.where(disc(13), image, 1e4)  # more than the rim away
    np.testing.assert_allclose(measured(far, mask), measured(image, mask))


def test_texture_is_that_of_scikit_image_on_a_square():
    image = np.random.default_rng(2).integers(0, 16, (20, 20)).astype(float)
    image[5, 5], image[5, 6] = 0, 15.99  # darkest and brightest inside
    mask = np.zeros((20, 20), bool)
    mask[4:16, 4:16] = True
    inside = (image[4:16, 4:16] - 0) / 15.99 * 16
    levels = np.clip(inside, 0, 15).astype(np.uint8)
    counts = graycomatrix(levels, [1], np.arange(4) * np.pi / 4, levels=16, symmetric=True, normed=True)
    found = measured(image, mask)
    for name in ("contrast", "dissimilarity", "homogeneity", "energy", "correlation"):
        assert found[name] == pytest.approx(graycoprops(counts, name).mean()), name


def test_texture_does_not_see_the_scale_of_grey_levels():
    image, mask = np.random.default_rng(3).integers(0, 256, (64, 64)), disc(9)
    names = list(radiomics._TEXTURES)
    np.testing.assert_allclose(measured(image * 4.0 - 1000, mask)[names], measured(image, mask)[names])


@pytest.mark.parametrize("pixels", [[(5, 5)], [(5, 5), (5, 6)], [(5, 5), (8, 9)]])
def test_the_smallest_masks_are_measured(pixels):
    mask = np.zeros((12, 12), bool)
    mask[tuple(zip(*pixels, strict=True))] = True
    found = measured(np.random.default_rng(4).normal(size=(12, 12)), mask)
    assert np.isfinite(found).all() and found["area"] == len(pixels)


def test_a_mask_that_fills_the_window():
    found = measured(np.arange(36.0).reshape(6, 6), np.ones((6, 6)))
    assert np.isfinite(found).all() and found["contrast_to_rim"] == 0


IMAGES = np.zeros((2, 8, 8))
MASKS = np.ones((2, 8, 8))


@pytest.mark.parametrize(
    "masks, spacing, message",
    [
        (MASKS[:1], None, "found 1 and 2, expected 2"),
        (MASKS[:, :7], None, r"masks: row 1: found shape \(7, 8\), expected \(8, 8\)"),
        (np.stack([MASKS[0], IMAGES[0]]), None, "masks: row 2: found an empty mask"),
        (MASKS, [1, np.nan], "spacing: row 2: found nan, expected mm above 0"),
    ],
)
def test_errors(masks, spacing, message):
    with pytest.raises(ValueError, match=message):
        radiomics.measure_radiomics(IMAGES, masks, spacing=spacing)
