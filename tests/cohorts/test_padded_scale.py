"""Which cases' grey scale padding sets: known paddings, noise, streaks, 8 bits, the phantom's scanners."""

import os
from pathlib import Path

from conftest import case_table
import numpy as np
import pytest

from lungcls.cohorts import padded_scale
from lungcls.cohorts.cohort import Cohort
from lungcls.sources import hounsfield, opening


def chest(seed=0, *, side=64):
    """Air with noise beyond what scanners have, around soft tissue: float HU."""
    rng = np.random.default_rng(seed)
    image = rng.normal(-1000, 60, (side, side))
    image[side // 4 : -side // 4, side // 4 : -side // 4] = rng.normal(40, 20, (side // 2, side // 2))
    return image


def outside(side=64):
    return np.hypot(*np.mgrid[:side, :side] - (side - 1) / 2) > side / 2


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4"])
@pytest.mark.parametrize("level, found", [(-3024, 1), (-2048, 1), (-1100, 1), (-1099, 0), (-1024, 0), (0, 0)])
def test_padding_below_air_is_found(level, found, dtype):
    image = np.clip(chest(), -1024, None)
    image[outside()] = level
    assert padded_scale.set_by_padding(image[None].astype(dtype)).tolist() == [bool(found)]


def test_noise_and_single_pixels_are_no_padding():
    noisy, streak = np.rint(chest()), np.rint(np.clip(chest(), -1024, None))
    streak[30:32, 40] = -3000
    assert noisy.min() < -1150
    images = np.stack([noisy, streak]).astype(np.int16)
    assert padded_scale.set_by_padding(images).tolist() == [False, False]
    images[1, 30:32, 40:43] = -3000  # six of 4,096 pixels: more than one in a thousand
    assert padded_scale.set_by_padding(images).tolist() == [False, True]


def test_cases_are_counted_by_view_and_8_bits_have_no_hounsfield_units():
    images = np.stack([chest(seed) for seed in range(4)]).clip(-1024).astype(np.int16)
    images[:3, outside()] = -2000
    levels = np.random.default_rng(0).integers(0, 255, images.shape, dtype=np.uint8)
    cohort = Cohort(
        case_table(4), {"full_slice": images, "context": images[:, 20:44, 20:44], "nodule": levels}
    )
    assert padded_scale.count_cases(cohort) == {"full_slice": 3, "context": 0}
    assert padded_scale.count_cases(cohort.select([0, 3])) == {"full_slice": 1, "context": 0}


def test_the_phantoms_scanners_are_told_apart_by_their_corners():
    data = opening.open_cohort("phantom", profile="smoke", seed=0)
    corners = data.views["full_slice"][:][:, 0, 0]
    found = padded_scale.set_by_padding(data.views["full_slice"][:])
    assert found.tolist() == (corners <= -2000).tolist() and 0 < found.sum() < len(data)


@pytest.mark.skipif("LUNGCLS_DICOM" not in os.environ, reason="needs original slices")
def test_every_original_slice_is_scaled_by_its_padding():
    paths = sorted(Path(os.environ["LUNGCLS_DICOM"]).rglob("*.dcm"))
    images = np.stack([hounsfield.read_slice(path) for path in paths])
    assert padded_scale.set_by_padding(images).all()
    images[images == images.min(axis=(1, 2), keepdims=True)] = -1000
    assert not padded_scale.set_by_padding(images).any()


def test_the_page_names_the_limits():
    page = Path(__file__).parents[2] / "book" / "bring_your_own_ct.md"
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert padded_scale.LEAST_SHARE == 1 / 1000
    assert f"least grey level is {padded_scale.HIGHEST} or lower" in text
    assert "shared by one pixel in a thousand or more" in text
