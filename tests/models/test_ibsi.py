"""Measures as the IBSI defines them: an extra, and what is said without it."""

import sys

from conftest import tiny_cohort
import numpy as np
import pytest

from lungcls.errors import InputError
from lungcls.models import baselines, ibsi, radiomics


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "flash_radiomics", None)
    with pytest.raises(
        InputError, match=r"radiomics: found no flash_radiomics, expected .*lungcls\[radiomics\]"
    ):
        baselines.measure("radiomics_flash", tiny_cohort(10, size=16))


def test_what_both_measure_agrees(tmp_path, monkeypatch):
    pytest.importorskip("flash_radiomics")
    monkeypatch.chdir(tmp_path)
    rng, place = np.random.default_rng(0), np.hypot(*np.mgrid[-20:21, -20:21])
    images = [rng.integers(0, 255, place.shape) for _ in range(3)]
    masks = [place < size for size in (4, 7.5, 12)]
    given, own = (
        by(images, masks, spacing=[0.7] * 3) for by in (ibsi.measure_ibsi, radiomics.measure_radiomics)
    )
    np.testing.assert_allclose(given["shape2D_PixelSurface"], own["area"], rtol=1e-6)
    np.testing.assert_allclose(given["firstorder_Mean"], own["mean"], rtol=1e-6)
    np.testing.assert_allclose(given["firstorder_Skewness"], own["skewness"], rtol=1e-4, atol=1e-6)
    assert list(tmp_path.iterdir()) == []  # the library's own call would leave a file a nodule


def test_a_single_pixel_is_a_gap_and_an_empty_mask_an_error():
    pytest.importorskip("flash_radiomics")
    image, mask, dot = np.arange(64.0).reshape(8, 8), np.zeros((8, 8)), np.zeros((8, 8))
    mask[2:6, 2:6], dot[3, 3] = 1, 1
    found = ibsi.measure_ibsi([image, image], [mask, dot], spacing=[1, 1])
    assert found.iloc[0].notna().all() and found.iloc[1].isna().all()
    with pytest.raises(ValueError, match="masks: found an empty one"):
        ibsi.measure_ibsi([image], [0 * mask], spacing=[1])
