"""Preprocessing against scikit-image on the same floats, and the pixel contract."""

import os
from pathlib import Path

import numpy as np
import pytest
from skimage import exposure, morphology, transform, util

from lungcls.cohorts.cohort import load
from lungcls.preprocessing import geometry, grey_levels, pipelines as pre, pixel_contract
from lungcls.preprocessing.images import Images

RNG = np.random.default_rng(0)


def hounsfield(n=5, height=128, width=128):
    """Smooth grey levels with noise, int16."""
    slope = np.linspace(-1000, 400, height * width).reshape(height, width)
    return (slope + np.random.default_rng(1).normal(0, 90, (n, height, width))).astype(np.int16)


def unit(*shape):
    return RNG.random(shape).astype(np.float32)


def oracle(image, view, size):
    """The report's steps, one image at a time, with scikit-image in float64."""
    image = exposure.rescale_intensity(image.astype(float), out_range=(0, 1))
    image = exposure.adjust_sigmoid(image, cutoff=image.mean(), gain=10)
    if view == "nodule":
        image = util.crop(image, 16)
    return transform.resize(image, (size, size), order=1)


# --- Grey levels ----------------------------------------------------------------------


def test_min_max_scales_each_image_by_its_own_range():
    images = np.array([[[-1000, 0], [1000, 0]], [[5, 6], [7, 9]], [[3, 3], [3, 3]]], dtype=np.int16)
    expected = [[[0, 0.5], [1, 0.5]], [[0, 0.25], [0.5, 1]], [[0, 0], [0, 0]]]
    np.testing.assert_array_equal(grey_levels.min_max(images), np.array(expected, dtype=np.float32))


@pytest.mark.parametrize("dtype", ["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"])
def test_min_max_takes_any_dtype_over_its_full_range(dtype):
    kind = np.dtype(dtype)
    low, high = (0, 1) if kind.kind == "b" else (-1e3, 1e4)
    if kind.kind in "ui":
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
    image = np.array([[low, high], [low, high]], dtype=kind)
    scaled = grey_levels.min_max(image)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, [[0, 1], [0, 1]])


@pytest.mark.parametrize("dtype", ["i2", "f4", "f8"])
def test_min_max_equals_scikit_image(dtype):
    images = hounsfield().astype(dtype)
    expected = [exposure.rescale_intensity(image.astype(float), out_range=(0, 1)) for image in images]
    np.testing.assert_allclose(grey_levels.min_max(images), expected, atol=1e-6)


@pytest.mark.parametrize(
    "wrong, found", [(np.nan, "nan to nan"), (np.inf, "-1.0 to inf"), (-np.inf, "-inf to 1.0")]
)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_min_max_refuses_what_is_not_finite(wrong, found, dtype):
    images = np.tile(np.array([[-1.0, 1.0], [-1.0, 1.0]], dtype=dtype), (3, 1, 1))
    images[2, 1, 1] = wrong
    with pytest.raises(ValueError, match=f"image 2 ranges from {found}, expected finite grey levels"):
        grey_levels.min_max(images)


@pytest.mark.parametrize(
    "images, found",
    [
        (np.zeros(3), r"shape \(3,\)"),
        (np.zeros((0, 4, 4)), r"shape \(0, 4, 4\)"),
        (np.zeros((2, 2), complex), "dtype complex128"),
    ],
)
def test_min_max_refuses_what_is_no_image(images, found):
    with pytest.raises(ValueError, match=found):
        grey_levels.min_max(images)


@pytest.mark.parametrize("gain, cutoff", [(10.0, "mean"), (5, 0.5), (20.0, 0.3), (0, 0.5), (-4, 0.2)])
def test_sigmoid_contrast_equals_scikit_image(gain, cutoff):
    images = unit(3, 40, 50)
    levels = [image.mean() if cutoff == "mean" else cutoff for image in images]
    expected = [exposure.adjust_sigmoid(x, cutoff=c, gain=gain) for x, c in zip(images, levels, strict=True)]
    found = grey_levels.sigmoid_contrast(images, gain=gain, cutoff=cutoff)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_sigmoid_contrast_maps_the_cutoff_to_one_half_and_keeps_its_argument():
    image = np.array([[0.0, 0.25], [0.5, 1.0]], dtype=np.float32)
    kept = image.copy()
    curve = grey_levels.sigmoid_contrast(image, gain=4, cutoff=0.25)
    np.testing.assert_allclose(curve, 1 / (1 + np.exp([[1, 0], [-1, -3]])), rtol=1e-6)
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_array_equal(grey_levels.sigmoid_contrast(image, gain=1e6, cutoff=0.4), [[0, 0], [1, 1]])


@pytest.mark.parametrize(
    "scale, shift, found", [(255, 0, "255"), (2, -1, "-1"), (1, np.nan, "nan"), (1, 0.1, "1.1")]
)
def test_steps_refuse_grey_levels_outside_the_unit_range(scale, shift, found):
    image = np.array([[0.0, 1.0], [0.5, 0.5]]) * scale + shift
    steps = (
        grey_levels.sigmoid_contrast,
        grey_levels.clahe,
        grey_levels.morphological_enhancement,
        lambda x: geometry.resize(x, 4),
    )
    for step in steps:
        with pytest.raises(ValueError, match=f"found values from .*{found}.*expected \\[0, 1\\]"):
            step(image)


@pytest.mark.parametrize(
    "options, found",
    [
        ({"cutoff": "median"}, "cutoff: found 'median'"),
        ({"cutoff": 3}, "cutoff: found 3"),
        ({"gain": np.inf}, "gain: found inf"),
    ],
)
def test_sigmoid_contrast_refuses_wrong_options(options, found):
    with pytest.raises(ValueError, match=found):
        grey_levels.sigmoid_contrast(unit(4, 4), **options)


def test_a_window_is_scikit_images_rescaling():
    slices = np.random.default_rng(0).integers(-3024, 3071, (3, 16, 16)).astype(np.int16)
    expected = exposure.rescale_intensity(slices.astype(float), in_range=(-1000, 400), out_range=(0.0, 1.0))
    np.testing.assert_allclose(grey_levels.hu_window(slices, (-1000, 400)), expected, atol=1e-6)


def test_padding_and_metal_move_the_min_max_and_not_the_window():
    bare = np.random.default_rng(0).integers(-1000, 400, (1, 16, 16)).astype(np.int16)
    worse = bare.copy()
    worse[0, 0, :2] = -2000, 3000
    same = [grey_levels.hu_window(images, (-1000, 400))[0, 1:] for images in (bare, worse)]
    np.testing.assert_array_equal(*same)
    moved = [grey_levels.min_max(images)[0, 1:] for images in (bare, worse)]
    assert np.abs(moved[0] - moved[1]).max() > 0.2
    found = pre.preprocess(worse, "full_slice", size=16, window=(-1000, 400), contrast="none")
    np.testing.assert_array_equal(found[0, 1:, :, 0], same[0])


@pytest.mark.parametrize(
    "images, window, message",
    [
        (np.zeros((2, 2), np.uint8), (-1000, 400), "window: found uint8 grey levels, expected Hounsfield"),
        (np.zeros((2, 2)), (400, 400), "window: found 400 to 400, expected a range of HU"),
        (np.full((2, 2), np.nan), (-1000, 400), "images: found NaN, expected finite"),
    ],
)
def test_a_window_refuses_what_is_not_in_hu(images, window, message):
    with pytest.raises(ValueError, match=message):
        grey_levels.hu_window(images, window)


def test_clahe_equals_scikit_image_image_by_image():
    images = unit(2, 2, 48, 64)
    found = grey_levels.clahe(images, clip_limit=0.03)
    assert found.dtype == np.float32 and found.shape == images.shape
    for index in np.ndindex(2, 2):
        expected = exposure.equalize_adapthist(images[index], clip_limit=0.03)
        np.testing.assert_allclose(found[index], expected, atol=1e-6)
    for options, message in (({"clip_limit": 2}, "clip_limit: found 2"), ({"tiles": 0}, "tiles: found 0")):
        with pytest.raises(ValueError, match=message):
            grey_levels.clahe(images, **options)


@pytest.mark.parametrize("radius", [1, 3, 5])
def test_morphological_enhancement_equals_scikit_images_top_hats(radius):
    images, disk = unit(2, 40, 30), morphology.disk(radius)
    expected = [x + morphology.white_tophat(x, disk) - morphology.black_tophat(x, disk) for x in images]
    found = grey_levels.morphological_enhancement(images, radius=radius)
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-6)
    assert np.any(np.array(expected) > 1), "the case must need clipping"


@pytest.mark.parametrize("tape", [97, grey_levels.TAPE])
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (2, 40, 31), (2, 2, 16, 9)])
def test_opening_and_closing_are_scikit_images_to_the_bit(shape, tape, monkeypatch):
    monkeypatch.setattr(grey_levels, "TAPE", tape)  # a short tape: many pieces, whose ends must meet
    images = unit(*shape).astype(np.float32)
    for radius in range(1, 9):
        for ours, theirs in (
            (grey_levels.opening, morphology.opening),
            (grey_levels.closing, morphology.closing),
        ):
            found = ours(images, radius)
            assert found.dtype == np.float32 and found.shape == shape
            for index in np.ndindex(shape[:-2]):
                np.testing.assert_array_equal(found[index], theirs(images[index], morphology.disk(radius)))


def test_morphological_enhancement_brightens_a_spot_and_leaves_a_plain_image():
    image = np.full((21, 21), 0.4, dtype=np.float32)
    np.testing.assert_allclose(grey_levels.morphological_enhancement(image), 0.4, atol=1e-6)
    image[10, 10] = 0.6
    assert grey_levels.morphological_enhancement(image, radius=2)[10, 10] == pytest.approx(0.8)
    with pytest.raises(ValueError, match="radius: found 0"):
        grey_levels.morphological_enhancement(image, radius=0)


# --- Geometry -------------------------------------------------------------------------


def test_center_crop_equals_scikit_image_and_copies_nothing():
    images = hounsfield(2)
    crop = geometry.center_crop(images, 96)
    np.testing.assert_array_equal(crop, [util.crop(image, 16) for image in images])
    assert np.shares_memory(crop, images)
    np.testing.assert_array_equal(
        geometry.center_crop(np.arange(5)[None].repeat(4, 0), (2, 2)), [[1, 2], [1, 2]]
    )
    with pytest.raises(ValueError, match="crop: found 96 x 96 pixels with images of 64 x 200"):
        geometry.center_crop(np.zeros((64, 200)), 96)
    with pytest.raises(ValueError, match="size: found 0"):
        geometry.center_crop(images, 0)


@pytest.mark.parametrize(
    "shape, size",
    [
        ((96, 96), 128),
        ((96, 96), 64),
        ((512, 512), 128),
        ((128, 128), 32),
        ((97, 131), (64, 200)),
        ((97, 131), (33, 131)),
        ((40, 40), 40),
        ((50, 70), 1),
        ((3, 2), 7),
        ((1, 9), (4, 3)),
    ],
)
def test_resize_equals_scikit_image(shape, size):
    images = unit(2, *shape)
    both = (size, size) if np.ndim(size) == 0 else size
    expected = [transform.resize(image, both, order=1) for image in images]
    found = geometry.resize(images, size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_resize_stays_in_the_unit_range_and_refuses_integers():
    assert geometry.resize(np.ones((3, 97, 97)), 61).max() <= 1
    with pytest.raises(ValueError, match="images: found dtype int16.*see min_max"):
        geometry.resize(hounsfield(), 64)


# --- Pipelines ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("view", pre.VIEWS)
def test_preprocess_equals_scikit_images_loop(view, size):
    images = hounsfield(19) if view != "full_slice" else hounsfield(2, 512, 512)
    found = pre.preprocess(images, view, size=size)
    pixel_contract.check_pixel_contract(found)
    np.testing.assert_allclose(found[..., 0], [oracle(image, view, size) for image in images], atol=3e-6)


@pytest.mark.parametrize("contrast", grey_levels.CONTRASTS)
def test_a_pipeline_is_its_steps_in_order(contrast):
    images = hounsfield(3)
    scaled = grey_levels.min_max(images)
    steps = {
        "none": scaled,
        "sigmoid": grey_levels.sigmoid_contrast(scaled),
        "clahe_morphology": grey_levels.morphological_enhancement(grey_levels.clahe(scaled)),
    }
    np.testing.assert_array_equal(grey_levels.enhance(scaled, contrast), steps[contrast])
    nodule = geometry.resize(geometry.center_crop(steps[contrast], 96), 64)
    found = pre.nodule_pipeline(images, size=64, contrast=contrast)
    np.testing.assert_allclose(found, nodule, atol=1e-6)
    full_slice = pre.full_slice_pipeline(images, size=64, contrast=contrast)
    np.testing.assert_allclose(full_slice, geometry.resize(steps[contrast], 64), atol=1e-6)
    streamed = pre.preprocess(images, "nodule", size=64, contrast=contrast)
    np.testing.assert_allclose(streamed[..., 0], nodule, atol=1e-6)


def test_options_reach_the_steps():
    images = hounsfield(2)
    curve = grey_levels.sigmoid_contrast(grey_levels.min_max(images), gain=3, cutoff=0.6)
    expected = geometry.resize(geometry.center_crop(curve, 80), 48)
    found = pre.preprocess(images, "nodule", size=48, crop=80, gain=3, cutoff=0.6)
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-6)


def test_the_size_of_a_batch_changes_nothing(monkeypatch):
    images = hounsfield(11)
    expected = pre.preprocess(images, "nodule", size=32)
    monkeypatch.setattr(pre, "BATCH_PIXELS", 4 * 128 * 128)  # 4, 4 and 3 images
    np.testing.assert_array_equal(pre.preprocess(images, "nodule", size=32), expected)


def test_preprocess_streams_between_memory_mapped_files(tmp_path):
    images = hounsfield(21)
    np.save(tmp_path / "nodule.npy", images)
    mapped = np.lib.format.open_memmap(tmp_path / "nodule.npy", mode="r")
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, (20, 32, 32, 1))
    order = np.arange(20)[::-1]
    assert pre.preprocess(Images(mapped, order), "nodule", size=32, out=out) is out
    out.flush()
    expected = pre.preprocess(images[order], "nodule", size=32)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_pages_of_a_private_map_are_kept(tmp_path):
    np.save(tmp_path / "a.npy", hounsfield(2))
    private = np.load(tmp_path / "a.npy", mmap_mode="c")
    private[0, 0, 0] = 1234
    pre.preprocess(private, "context", size=32)
    assert private[0, 0, 0] == 1234


def test_a_constant_image_is_preprocessed_to_a_constant():
    images = np.full((1, 128, 128), 7, dtype=np.uint8)
    np.testing.assert_allclose(pre.preprocess(images, "nodule", size=32), 0.5, atol=1e-6)
    np.testing.assert_array_equal(pre.preprocess(images, "context", size=32, contrast="none"), 0)


def test_preprocess_says_what_is_wrong():
    images = hounsfield(30).astype(np.float32)
    images[29, 5, 5] = np.nan
    with pytest.raises(ValueError, match="context, rows 25 to 30: images: image 5 ranges from nan to nan"):
        pre.preprocess(images, "context", size=32)
    with pytest.raises(ValueError, match="view: found 'slice', expected one of .*'full_slice'"):
        pre.preprocess(images, "slice")
    with pytest.raises(ValueError, match=r"images: found shape \(128, 128\)"):
        pre.preprocess(images[0], "context")
    with pytest.raises(ValueError, match=r"out: found float64 of shape \(30, 32, 32, 1\), expected float32"):
        pre.preprocess(images, "context", size=32, out=np.empty((30, 32, 32, 1)))
    with pytest.raises(ValueError, match="contrast: found 'gamma', expected one of"):
        pre.preprocess(images[:2], "context", contrast="gamma")
    with pytest.raises(ValueError, match="crop: found 96 x 96 pixels with images of 64 x 64"):
        pre.preprocess(hounsfield(2, 64, 64), "nodule")


# --- The pixel contract ---------------------------------------------------------------

RIGHT = [(0, 1), (0, 0), (1, 1), (0.2, 0.7), (0, 1 / 255)]
WRONG = [(0, 255), (-1, 1), (-1000, 400), (0, 1.001), (-1e-6, 1), (0, np.nan), (np.nan, np.nan), (0, np.inf)]


def filled(low, high, dtype=np.float32, shape=(2, 4, 4, 1)):
    images = np.full(shape, low, dtype=dtype)
    images.flat[-1] = high
    return images


@pytest.mark.parametrize("low, high", RIGHT)
def test_the_contract_takes_right_ranges(low, high):
    pixel_contract.check_pixel_contract(filled(low, high))


@pytest.mark.parametrize("low, high", WRONG)
def test_the_contract_refuses_wrong_ranges(low, high):
    with pytest.raises(ValueError, match=r"images: found values from .* expected \[0, 1\]"):
        pixel_contract.check_pixel_contract(filled(low, high))


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4), (2, 4, 4, 3), (2, 1, 4, 4), (0, 4, 4, 1)])
def test_the_contract_refuses_wrong_shapes(shape):
    with pytest.raises(ValueError, match=r"images: found shape .* expected \(n, H, W, 1\)"):
        pixel_contract.check_pixel_contract(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("dtype", ["f8", "f2", "u1", "i2", "bool"])
def test_the_contract_refuses_wrong_dtypes(dtype):
    with pytest.raises(ValueError, match="images: found dtype .* expected float32"):
        pixel_contract.check_pixel_contract(filled(0, 1, dtype))


@pytest.mark.skipif("LUNGCLS_LIDC" not in os.environ, reason="LUNGCLS_LIDC is not set")
def test_the_real_cohort_equals_scikit_images_loop():
    real = load(Path(os.environ["LUNGCLS_LIDC"])).select(np.arange(0, 2340, 60))
    for view in ("nodule", "context"):
        found = pre.preprocess(real.views[view], view, size=64)[..., 0]
        expected = [oracle(image, view, 64) for image in real.views[view][:]]
        np.testing.assert_allclose(found, expected, atol=3e-6)
