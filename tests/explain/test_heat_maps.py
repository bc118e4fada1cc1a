"""Maps in pixels: linear, fair to the grid, and the blind ones are what they say."""

import numpy as np
import pytest
from skimage.transform import resize

from lungcls.explain import heat_maps

RNG = np.random.default_rng(0)


def test_upsampling_is_that_of_scikit_image_and_linear():
    coarse = RNG.random((3, 4, 6))
    fine = heat_maps.upsample(coarse, (20, 30))
    assert fine[1] == pytest.approx(resize(coarse[1], (20, 30), order=1, anti_aliasing=False))
    assert heat_maps.upsample(2 * coarse[0] + coarse[1], (20, 30)) == pytest.approx(2 * fine[0] + fine[1])
    assert heat_maps.upsample(coarse[0], (4, 6)) == pytest.approx(coarse[0])
    with pytest.raises(ValueError, match=r"values: found shape \(5,\)"):
        heat_maps.upsample(np.zeros(5), (2, 2))


def test_no_map_on_the_grid_has_a_larger_share_than_the_best_one():
    masks = np.zeros((4, 24, 24), bool)
    for i, mask in enumerate(masks):
        mask[3 + 4 * i : 8 + 4 * i, 5:9] = True
    most = heat_maps.cell_shares(masks, (6, 6)).max(axis=(1, 2))

    def share(values):
        fine = heat_maps.upsample(values, (24, 24))
        return (fine * masks).sum(axis=(1, 2)) / fine.sum(axis=(1, 2))

    assert share(heat_maps.best_on_grid(masks, (6, 6))) == pytest.approx(most)
    for seed in range(20):
        assert (share(heat_maps.random_maps(4, (6, 6), seed=seed) ** 9) < most).all()
    assert heat_maps.cell_shares(np.ones((8, 8)), (2, 2)) == pytest.approx(1)


def test_blind_maps_know_nothing_but_the_middle_or_the_edges():
    blob = heat_maps.centre_blob((7, 9))
    assert np.unravel_index(blob.argmax(), blob.shape) == (3, 4) and blob == pytest.approx(blob[::-1, ::-1])
    image = np.zeros((1, 12, 12))
    image[:, :, 6:] = 1
    steep = heat_maps.edges(image)[0]
    assert set(steep.argmax(axis=1)) <= {5, 6} and steep[:, 0] == pytest.approx(0, abs=1e-6)
    assert np.array_equal(heat_maps.random_maps(2, (3, 3), seed=1), heat_maps.random_maps(2, (3, 3), seed=1))


def test_a_shift_moves_the_picture_and_mirrors_what_opens():
    image = np.arange(16).reshape(1, 4, 4)
    moved = heat_maps.shift(image, np.array([[1, -1]]))
    assert moved[0, 1:, :3].tolist() == image[0, :3, 1:].tolist()
    assert moved[0, 0, :3].tolist() == image[0, 0, 1:].tolist()  # the edge row once more
    empty = heat_maps.shift(image + 1, np.array([[1, -1]]), mirror=False)
    assert (empty[0, 0] == 0).all() and (empty[0, :, 3] == 0).all() and (empty[0, 1:, :3] > 0).all()
    assert np.array_equal(heat_maps.shift(heat_maps.shift(image, [[0, 0]]), np.array([[0, 0]])), image)
    with pytest.raises(ValueError, match="shifts below the side"):
        heat_maps.shift(image, np.array([[4, 0]]))
    by = heat_maps.offsets(50, 32, seed=0)
    assert set(np.abs(by).ravel()) == {8} and {-8, 8} == set(by[:, 0])
    with pytest.raises(ValueError, match="part: found 0.6"):
        heat_maps.offsets(2, 32, part=0.6, seed=0)


def test_shifted_masks_follow_shifted_images():
    mask = np.zeros((1, 32, 32), bool)
    mask[0, 10:20, 10:20] = True
    by = heat_maps.offsets(1, 16, seed=0)
    seen = heat_maps.shift(mask, 2 * by, mirror=False)
    assert seen.dtype == bool and seen.sum() == 100
    assert np.argwhere(seen[0]).mean(axis=0).tolist() == (14.5 + 2 * by[0]).tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_shift_copies_pixels_and_never_mixes_them(dtype):
    images, by = (200 * RNG.random((6, 9, 7, 2))).astype(dtype), RNG.integers(-6, 7, (6, 2))
    wide = np.pad(images, ((0, 0), (9, 9), (7, 7), (0, 0)), mode="symmetric")  # by hand
    expected = [
        one[9 - down : 18 - down, 7 - right : 14 - right] for one, (down, right) in zip(wide, by, strict=True)
    ]
    moved = heat_maps.shift(images, by)
    assert moved.dtype == dtype and np.array_equal(moved, expected)
