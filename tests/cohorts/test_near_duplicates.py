"""Copies of images: the same, changed a little, flipped or turned; and images that are none."""

import numpy as np
import pytest
from scipy import ndimage

from lungcls.cohorts import near_duplicates


def blobs(n, *, shape=(48, 48), seed=0):
    """Smooth images that have nothing to do with each other, in grey levels of HU."""
    noise = np.random.default_rng(seed).normal(size=(n, *shape))
    return (4000 * ndimage.gaussian_filter(noise, (0, 3, 3))).astype(np.int16)


def matrix(pairs, n):
    """Pairs of rows as a matrix, in which each may stand once."""
    found = np.zeros((n, n), dtype=int)
    np.add.at(found, pairs, 1)
    assert found.max(initial=0) <= 1
    return found > 0


def similar(known, first, second):
    return near_duplicates.similar(known, first, near_duplicates.index(known, second))


def found(images, pairs):
    rows = np.arange(len(images))
    return matrix(pairs(near_duplicates.fingerprints(images), rows, rows), len(images))


def test_only_equal_pixels_are_the_same():
    images = np.concatenate([blobs(4), blobs(4)])
    images[5, 10, 10] += 1
    equal = found(images, near_duplicates.identical)
    expected = np.eye(8, dtype=bool) | np.eye(8, k=4, dtype=bool) | np.eye(8, k=-4, dtype=bool)
    expected[1, 5] = expected[5, 1] = False
    assert (equal == expected).all()


@pytest.mark.parametrize("shape", [(48, 48), (47, 47), (40, 56)])
@pytest.mark.parametrize("flip", [1, -1])
@pytest.mark.parametrize("quarter", range(4))
def test_a_turned_copy_is_similar_and_not_the_same(shape, flip, quarter):
    image = blobs(1, shape=shape)[0]
    turned = np.rot90(image[:, ::flip], quarter)
    first, second = (near_duplicates.pictures(one[None]) for one in (image, turned))
    assert near_duplicates._correlated(first, second).all()
    assert near_duplicates._correlated(second, first).all()
    same = found(np.stack([image, turned]), near_duplicates.identical) if turned.shape == shape else np.eye(2)
    assert same[0, 1] == ((flip, quarter) == (1, 0))
    if turned.shape == shape:
        assert found(np.stack([image, turned]), similar).all()


CHANGES = {
    "noise": lambda image: image + 0.02 * np.ptp(image) * np.random.default_rng(1).normal(size=image.shape),
    "contrast": lambda image: 3 * image - 7.0,
    "gamma": lambda image: ((image - image.min()) / np.ptp(image)) ** 0.8,
    "eight bits": lambda image: np.rint(255 * (image - image.min()) / np.ptp(image)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_that_changed_a_little_is_similar(change):
    images = blobs(30).astype(float)
    changed = np.stack([CHANGES[change](image) for image in images])
    near = found(np.concatenate([images, changed]), similar)[:30, 30:]
    assert np.diag(near).mean() > 0.9 and near.sum() == np.diag(near).sum()


def test_images_of_different_noise_are_not_similar_and_correlation_is_bounded():
    images = blobs(60, seed=3)
    assert found(images, similar).sum() == 60
    pictures = near_duplicates.pictures(images)
    values = near_duplicates.similarity(pictures, pictures)
    assert np.diag(values) == pytest.approx(1, abs=1e-5)
    assert values.min() >= -1 and values[~np.eye(60, dtype=bool)].max() < near_duplicates.CORRELATION


def test_both_pictures_have_to_agree():
    # A zoomed view: the same grey canvas around contents that differ.
    images = np.full((2, 128, 128), 128, np.uint8)
    images[:, 40:88, 40:88] = (np.clip(blobs(2, seed=4) // 8 + 128, 0, 255)).astype(np.uint8)
    known = near_duplicates.fingerprints(images)
    whole, middle = near_duplicates.pictures(images)
    assert (whole[0] * whole[1]).sum() > (middle[0] * middle[1]).sum()
    first, second = ((whole[[row]], middle[[row]]) for row in (0, 1))
    assert near_duplicates.similarity(first, second)[0, 0] <= (middle[0] * middle[1]).sum() + 0.5
    assert not len(similar(known, np.array([0]), np.array([1]))[0])


def test_fingerprints_do_not_depend_on_batches(monkeypatch):
    images = blobs(7)
    whole = near_duplicates.fingerprints(images)
    monkeypatch.setattr(near_duplicates, "BATCH_PIXELS", 2 * 48 * 48)
    parts = near_duplicates.fingerprints(images)
    assert (whole.digests == parts.digests).all()
    np.testing.assert_allclose(whole.whole, parts.whole, atol=1e-6)


def test_an_image_of_one_grey_is_like_nothing():
    images = np.concatenate([np.full((2, 48, 48), 5, np.int16), blobs(1)])
    assert found(images, similar).sum() == 1


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.06])
def test_the_index_finds_what_looking_at_every_pair_finds(noise):
    """Copies in all eight positions, some of them just beyond the limits."""
    rng, images = np.random.default_rng(0), blobs(40).astype(float)
    turned = [np.rot90(image[:, :: (-1) ** i], i // 2) for i, image in enumerate(images)]
    changed = [
        one + noise * np.ptp(one) * ndimage.gaussian_filter(rng.normal(size=one.shape), 2) for one in turned
    ]
    both = np.concatenate([images, np.stack(changed)])
    known, rows = near_duplicates.fingerprints(both), np.arange(80)
    every = (near_duplicates.pictures(both[rows]) for rows in (np.repeat(rows, 80), np.tile(rows, 80)))
    expected = near_duplicates._correlated(*every).reshape(80, 80)
    assert (matrix(similar(known, rows, rows), 80) == expected).all()
    assert noise or expected[:40, 40:].sum() == 40


def test_the_numbers_of_the_index_bring_no_pictures_apart():
    whole, _ = near_duplicates.pictures(blobs(50, seed=2))
    numbers = near_duplicates._unturned(whole)
    apart = np.linalg.norm(numbers[:, None] - numbers, axis=2)
    for turned in near_duplicates._positions(whole):
        np.testing.assert_allclose(near_duplicates._unturned(turned), numbers, atol=1e-5)
        correlation = np.einsum("nij,mij->nm", turned, whole)
        assert (apart <= np.sqrt(np.maximum(2 - 2 * correlation, 0)) + 1e-5).all()


def test_wrong_images_are_refused():
    with pytest.raises(ValueError, match=r"images: found shape \(3, 4\), expected \(n, H, W\)"):
        near_duplicates.fingerprints(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="NaN|finite"):
        near_duplicates.fingerprints(np.full((1, 8, 8), np.nan))
