"""What the benchmark of the window puts into slices and measures, and what the recorded numbers show."""

import json
from pathlib import Path

from conftest import load_benchmark
import numpy as np
import pytest
from skimage import exposure

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "book" / "results" / "windowing.json"


@pytest.fixture(scope="module")
def windowing():
    return load_benchmark("windowing")


def lung_slice():
    """Lung beside soft tissue, with noise, cut to -1000..400: int16 HU."""
    rng = np.random.default_rng(0)
    image = rng.normal(-850, 20, (64, 64))
    image[:, 32:] = rng.normal(40, 20, (64, 32))
    image[20:24, 40:44] = 400
    return np.rint(image.clip(-1000, 400)).astype(np.int16)


def test_padding_and_metal_are_put_where_no_tissue_is_measured(windowing):
    image, outside = lung_slice(), np.zeros((64, 64), dtype=bool)
    outside[:8] = True
    changed, places = windowing.kinds(image, outside, -2000)
    assert set(changed) == {"neither", "padding", "metal"}
    assert (changed["padding"][:8] == -2000).all() and (changed["neither"][:8] == -1000).all()
    assert (changed["metal"] == 3000).sum() == 4 and (changed["padding"][8:] == image[8:]).all()
    for name, place in places.items():
        low, high = windowing.TISSUES[name]
        assert place.sum() > 1000 and image[place].min() >= low and image[place].max() <= high
        assert all((kind[place] == image[place]).all() for kind in changed.values())


def test_the_grey_levels_are_scikit_images(windowing):
    outside = np.zeros((64, 64), dtype=bool)
    outside[:8] = True
    slices = [windowing.kinds(lung_slice(), outside, -2000)]
    found = windowing.summary(slices)
    changed, places = slices[0]
    for scale, ends in (("min-max", "image"), ("window", (-1000, 400))):
        for kind, image in changed.items():
            scaled = exposure.rescale_intensity(image.astype(float), in_range=ends, out_range=(0.0, 1.0))
            grey = exposure.adjust_sigmoid(scaled, cutoff=scaled.mean(), gain=10)
            for tissue, place in places.items():
                cell = found[tissue][scale][kind]
                assert cell["median"] == pytest.approx(np.median(grey[place]), abs=1e-3)
                assert (cell["low"], cell["high"], cell["slices"]) == (cell["median"], cell["median"], 1)


def test_the_middle_of_many_slices_is_recorded(windowing):
    outside, images = np.zeros((64, 64), dtype=bool), [lung_slice() for _ in range(3)]
    for i, image in enumerate(images):
        image[:, :32] += 30 * i
    slices = [windowing.kinds(image, outside, -2000) for image in images]
    cell = windowing.summary(slices)["lung"]["window"]["neither"]
    assert cell["low"] < cell["median"] < cell["high"] and cell["slices"] == 3


def test_what_the_chapter_says_of_real_slices_holds():
    """Padding lifts the lung, metal darkens soft tissue, the window leaves both where they were."""
    found = json.loads(RECORDED.read_text(encoding="utf-8"))
    original, cut = (found["sources"][name] for name in ("original slices", "cut slices"))
    assert original["scale set by padding"] == original["slices"] and cut["scale set by padding"] == 0
    for grey in (original["grey"], cut["grey"]):
        lung, soft = grey["lung"], grey["soft tissue"]
        assert lung["min-max"]["padding"]["low"] > lung["min-max"]["neither"]["high"]
        assert 0.3 < lung["min-max"]["padding"]["median"] < 0.6  # a middle grey
        assert soft["min-max"]["metal"]["high"] < soft["min-max"]["neither"]["low"]
        for tissue in (lung, soft):
            middles = [kind["median"] for kind in tissue["window"].values()]
            assert np.ptp(middles) < 0.005
