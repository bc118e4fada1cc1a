"""Cached features: equal to the backbone's, shared by content, taken up where they stopped."""

import numpy as np
import pytest

from lungcls.errors import InputError
from lungcls.models import blocks, networks
from lungcls.preprocessing.augmentation import augment
from lungcls.runs import features

IMAGES = np.random.default_rng(0).random((150, 16, 16, 1), dtype=np.float32)
ROWS = np.arange(0, 150, 2)


class Watched:
    """Images that count how many are read, and fail after a while."""

    def __init__(self, images, fail_after=None):
        self.images, self.fail_after, self.read = images, fail_after, 0
        self.shape = images.shape

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        self.read += len(rows)
        if self.fail_after is not None and self.read > self.fail_after:
            raise KeyboardInterrupt
        return self.images[rows]


@pytest.fixture(scope="module")
def backbone():
    return blocks.split(networks.cnn(image_size=16, task="binary", filters=(4, 8)), "block2")[0]


def cached(backbone, folder, images=IMAGES, rows=ROWS, **options):
    return features.cached(backbone, images, rows, folder=folder, **{"image_digest": "same"} | options)


def test_cached_features_are_the_backbones(backbone, tmp_path):
    found = cached(backbone, tmp_path)
    assert isinstance(found, np.memmap) and found.dtype == np.float32
    np.testing.assert_allclose(found, backbone.predict(IMAGES[ROWS], verbose=0), atol=1e-5)


def test_copies_are_features_of_augmented_images(backbone, tmp_path):
    first = cached(backbone, tmp_path, copy=1, augmentation="geometric", seed=7)
    second = cached(backbone, tmp_path, copy=2, augmentation="geometric", seed=7)
    expected = augment(IMAGES[ROWS[:64]], "geometric", seed=[7, 1, 0])
    np.testing.assert_allclose(first[:64], backbone.predict(expected, verbose=0), atol=1e-5)
    assert np.abs(first - second).mean() > 1e-3


def test_a_second_call_reads_the_file(backbone, tmp_path):
    first, again = Watched(IMAGES), Watched(IMAGES)
    cached(backbone, tmp_path, first)
    cached(backbone, tmp_path, again)
    assert (first.read, again.read) == (len(ROWS), 0)


def test_the_key_follows_the_content(backbone, tmp_path):
    other = blocks.split(networks.cnn(image_size=16, task="binary", filters=(4, 8), seed=1), "block2")[0]
    same = blocks.split(networks.cnn(image_size=16, task="binary", filters=(4, 8), seed=0), "block2")[0]
    turned = {"copy": 1, "augmentation": "geometric"}
    calls = [
        (backbone, {}),
        (other, {}),
        (backbone, {"image_digest": "other"}),
        (backbone, {"rows": ROWS[1:]}),
        (backbone, turned),
        (backbone, turned | {"augmentation": "augmix"}),
        (backbone, turned | {"seed": 1}),
    ]
    for number, (network, options) in enumerate(calls, start=1):
        cached(network, tmp_path, **options)
        assert len(list(tmp_path.glob("*.npy"))) == number
    cached(same, tmp_path)
    cached(backbone, tmp_path, augmentation="augmix", seed=5)  # the plain images are nobody's copy
    assert len(list(tmp_path.glob("*.npy"))) == len(calls)


def test_a_killed_pass_goes_on_where_it_stopped(backbone, tmp_path):
    rows = np.arange(150)
    with pytest.raises(KeyboardInterrupt):
        cached(backbone, tmp_path, Watched(IMAGES, fail_after=128), rows)
    assert not list(tmp_path.glob("*.npy"))
    (part,) = tmp_path.glob("*.part")
    with part.open("ab") as stream:
        stream.write(b"half a row")
    again = Watched(IMAGES)
    found = cached(backbone, tmp_path, again, rows)
    assert again.read == 150 - 128 and not list(tmp_path.glob("*.part"))
    np.testing.assert_array_equal(found, cached(backbone, tmp_path / "undisturbed", rows=rows))


def test_an_unwritable_folder_is_one_error(backbone, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: features cannot be written"):
        cached(backbone, tmp_path / "file")


def test_a_full_disk_leaves_nothing(backbone, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(features, "run_batch", full)
    with pytest.raises(InputError, match="features cannot be written .No space left on device"):
        cached(backbone, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".part", ".npy")]


def test_variants_are_drawn_for_augmented_rows_only():
    plain, copies = np.arange(10.0), [np.array([102.0, 105.0]), np.array([202.0, 205.0])]
    variants = features.Variants(plain, copies, np.array([2, 5]))
    rows = np.tile([2, 5], 200)
    drawn = variants(rows, np.ones(400, bool), 0)
    assert set(drawn) == {2, 5, 102, 105, 202, 205} and (drawn % 100 == rows).all()
    np.testing.assert_array_equal(drawn, variants(rows, np.ones(400, bool), 0))
    np.testing.assert_array_equal(variants(np.arange(10), np.zeros(10, bool), 0), plain)


def test_digests():
    digest = features.digest_images(IMAGES)
    changed = IMAGES.copy()
    changed[149, 0, 0] += 1e-3
    assert digest == features.digest_images(IMAGES.copy()) != features.digest_images(changed)
