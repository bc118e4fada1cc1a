"""Where a run's images lie in a view: the crop, the fixed-size crop, and the cells of a map in it."""

from dataclasses import replace

import numpy as np

from lungcls.explain import placement
from lungcls.runs.store import Run


def test_the_crop_lies_in_the_middle_and_the_mask_in_it(outlined):
    cohort, run, _ = outlined
    crop = placement.crop_in_view(run, cohort)
    assert crop.view == "nodule" and crop.corners[0].tolist() == [4, 4, 36, 36]
    assert crop.masks.shape == (40, 32, 32) and crop.masks[0, 8:22, 8:22].all() and crop.masks[0].sum() == 196
    assert placement.crop_in_view(run, replace(cohort, masks={})).masks is None


def test_a_fixed_size_crop_lies_in_the_wider_view(outlined):
    cohort, run, _ = outlined
    settings = run.config["settings"] | {"padding": "fixed", "crop_mm": 10.0}
    fixed = Run(run.folder, run.config | {"settings": settings})
    crop = placement.crop_in_view(fixed, cohort)
    assert crop.view == "context" and crop.corners[0].tolist() == [10, 10, 30, 30]
    assert crop.masks.shape == (40, 32, 32)
    assert 0.45 < crop.masks[0].mean() < 0.53  # 14 of 20 pixels, squared
    bare = placement.crop_in_view(fixed, replace(cohort, masks={}))
    assert bare.masks is None and (bare.corners == crop.corners).all()


def test_cells_lie_in_the_pixels_of_the_view():
    crop = placement.CropInView("nodule", np.array([[4, 6, 36, 14]]), None)
    rows, columns = crop.cell_middles((16, 2))
    assert rows[0, :2].tolist() == [4.5, 6.5] and columns.tolist() == [[7.5, 11.5]]
