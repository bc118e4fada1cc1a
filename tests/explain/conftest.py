"""A stored run and a cohort with outlines, which the tests of this room share."""

from conftest import seen_cohort
import numpy as np
import pytest

from lungcls.cohorts.cohort import Cohort, load, save


@pytest.fixture(scope="session")
def outlined(trained, tmp_path_factory):
    """The cohort of the trained run, with the bright square as its outline."""
    noise = seen_cohort()
    masks = {view: np.zeros((40, 40, 40), np.uint8) for view in noise.views}
    for mask in masks.values():
        mask[:, 12:26, 12:26] = 1
    views = {view: np.array(images[:]) for view, images in noise.views.items()}
    folder = tmp_path_factory.mktemp("outlined")
    cases = noise.cases.assign(pixel_spacing_mm=0.5)
    views["nodule"][:] = views["context"]  # so that the zoomed picture lies in the wider one
    save(Cohort(cases, views, masks, noise.info), folder / "cohort")
    return load(folder / "cohort"), trained[3], folder
