"""The ensemble: two scales, softened labels, and one network out of several."""

import keras
import numpy as np
import pytest

from lungcls.errors import InputError
from lungcls.models import ensemble
from lungcls.preprocessing import augmentation
from lungcls.runs import ensembles

SMALL = {"image_size": 16, "filters": (2, 3), "dense": 4}


@pytest.fixture(scope="module")
def members():
    return [ensemble.member(seed=seed, **SMALL) for seed in (0, 1)]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((5, 16, 16, 1), dtype=np.float32)


def test_a_member_sees_the_middle_sharp_and_the_whole_at_half_the_resolution(members, images):
    scales = keras.Model(members[0].input, members[0].get_layer("scales").output)
    found = np.asarray(scales(images))
    np.testing.assert_array_equal(found[..., 0], images[:, 4:12, 4:12, 0])
    np.testing.assert_allclose(found[..., 1], images.reshape(5, 8, 2, 8, 2).mean(axis=(2, 4)), atol=1e-6)


def test_same_seed_same_weights(members):
    again = ensemble.member(seed=1, **SMALL)
    networks = (again, members[1], members[0])
    for first, second, other in zip(*(one.get_weights() for one in networks), strict=True):
        np.testing.assert_array_equal(first, second)
        assert first.ndim == 1 or not np.array_equal(first, other)


def test_targets_mix_label_and_readers():
    found = ensemble.targets([5, 2, 1], ["4 5 5 5", "2", ""], share=0.4)
    np.testing.assert_allclose(found[0], [0, 0, 0, 0.1, 0.9], atol=1e-6)
    np.testing.assert_array_equal(found[1:], np.eye(5)[[1, 0]])
    np.testing.assert_array_equal(ensemble.targets([5, 2], None, share=0.4), np.eye(5)[[4, 1]])
    np.testing.assert_array_equal(ensemble.targets([5], ["1 2"], share=0), np.eye(5)[[4]])
    with pytest.raises(InputError, match="ratings: row 2"):
        ensemble.targets([5, 2], ["4", "six"], share=0.4)
    with pytest.raises(ValueError, match="share: found 2"):
        ensemble.targets([5], ["4"], share=2)


def test_score_and_size_are_one_target_and_the_size_is_summed_out(images):
    targets = ensemble.targets([5, 1], ["4 5", "1"], share=0.4)
    found = ensemble.with_size(targets, np.array([4.0, 30.0]))
    assert found.shape == (2, 5 * (len(ensemble.SIZES) + 1))
    np.testing.assert_allclose(found.reshape(2, 5, -1).sum(axis=2), targets, atol=1e-6)
    np.testing.assert_allclose(found.reshape(2, 5, -1).sum(axis=1), np.eye(6)[[0, 5]], atol=1e-6)
    assert ensemble.with_size(targets, None) is targets
    assert ensemble.with_size(targets, np.array([4.0, np.nan])) is targets
    one = ensemble.member(sizes=3, **SMALL)
    ways = [np.rot90(flip, k, axes=(1, 2)) for flip in (images, images[:, :, ::-1]) for k in range(4)]
    pairs = np.mean([np.asarray(keras.ops.softmax(one(np.ascontiguousarray(way)))) for way in ways], axis=0)
    whole = np.asarray(ensemble.join([one], "multiclass")(images))
    np.testing.assert_allclose(whole, pairs.reshape(5, 5, 3).sum(axis=2), atol=1e-5)


def test_turned_images_keep_their_grey_levels_where_nothing_else_changes(images):
    found = augmentation.turn(images, seed=3, shift=0, grey=0)
    for one, changed in zip(images[..., 0], found[..., 0], strict=True):
        ways = [np.rot90(flip, k) for flip in (one, one[:, ::-1]) for k in range(4)]
        assert any(np.array_equal(changed, way) for way in ways)
    assert not np.array_equal(found, images)


def test_turning_repeats_and_stays_in_range(images):
    found = augmentation.turn(images, seed=[1, 2])
    np.testing.assert_array_equal(found, augmentation.turn(images, seed=[1, 2]))
    assert not np.array_equal(found, augmentation.turn(images, seed=[1, 3]))
    assert found.min() >= 0 and found.max() <= 1 and found.dtype == np.float32


def test_the_whole_is_the_mean_of_members_and_turns(members, images, tmp_path):
    ways = [np.rot90(flip, k, axes=(1, 2)) for flip in (images, images[:, :, ::-1]) for k in range(4)]
    ways = [np.ascontiguousarray(way) for way in ways]
    parts = [keras.ops.softmax(member(way)) for member in members for way in ways]
    expected = np.mean([np.asarray(part) for part in parts], axis=0)
    whole = ensemble.join(members, "multiclass")
    np.testing.assert_allclose(np.asarray(whole(images)), expected, atol=1e-5)
    binary = np.asarray(ensemble.join(members, "binary")(images))[:, 0]
    np.testing.assert_allclose(binary, expected[:, 3:].sum(axis=1), atol=1e-5)
    whole.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(images), whole(images))


def test_the_prediction_does_not_depend_on_how_an_image_lies(members, images):
    whole = ensemble.join(members, "multiclass")
    turned = np.ascontiguousarray(np.rot90(images, axes=(1, 2)))
    np.testing.assert_allclose(np.asarray(whole(turned)), np.asarray(whole(images)), atol=1e-6)


def test_a_member_never_sees_what_it_leaves_out(images, tmp_path, monkeypatch):
    seen = {}

    def watched(model, train, validation, *, seed, **options):
        seen[seed] = (set(train.rows.tolist()), set(validation.rows.tolist()))

    monkeypatch.setattr(ensembles, "fit_network", watched)
    groups = np.array([0, 1, -1, 1, 0])
    targets = ensemble.targets([1, 2, 3, 4, 5], None, share=0)
    options = {"work": tmp_path, "build": SMALL, "seed": 2}
    ensembles.train(images, targets, groups, **options)
    assert seen == {2000: ({1, 3}, {0, 4}), 2001: ({0, 4}, {1, 3})}


def test_bad_sizes_and_tasks_are_refused(members):
    with pytest.raises(ValueError, match="image_size: found 18"):
        ensemble.member(image_size=18)
    with pytest.raises(ValueError, match="image_size: found 16, expected a multiple of 4, at least 32"):
        ensemble.member(image_size=16)
    with pytest.raises(ValueError, match="task: found 'other'"):
        ensemble.join(members, "other")
    with pytest.raises(ValueError, match="0 members"):
        ensemble.join([], "binary")
