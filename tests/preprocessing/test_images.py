"""Releasing pages changes nothing that can be read."""

import numpy as np
import pytest

from lungcls.preprocessing.images import Derived, Images, release


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(24).reshape(2, 3, 4))
    return tmp_path / "images.npy"


@pytest.mark.parametrize("wrap", [lambda array: array, Images])
def test_what_was_released_is_read_again(path, wrap):
    array = np.load(path, mmap_mode="r")
    release(wrap(array))
    assert (array == np.arange(24).reshape(2, 3, 4)).all()


def test_what_was_written_is_kept(path):
    array = np.load(path, mmap_mode="r+")
    array[0] = 7
    release(array)
    assert (array[0] == 7).all()


def test_a_private_copy_and_an_array_in_memory_are_left_alone(path):
    private = np.load(path, mmap_mode="c")
    private[0] = 7
    plain = np.ones((1, 2, 2))
    release(private)
    release(plain)
    assert (private[0] == 7).all() and (plain == 1).all()


@pytest.mark.parametrize("wrap", [lambda array: array, Images, lambda array: None])
def test_rows_are_made_when_they_are_asked_for(path, wrap):
    array, asked = np.load(path, mmap_mode="r"), []

    def make(rows):
        asked.append(np.asarray(rows).tolist())
        return 2.0 * array[rows]

    source = wrap(array)
    made = Derived(make, array.shape, dtype=float, source=source)
    assert not asked and len(made) == 2 and made.shape == (2, 3, 4) and made.dtype == float
    np.testing.assert_array_equal(made[np.array([1])], 2 * array[[1]])
    np.testing.assert_array_equal(made[-1], 2 * array[1])
    np.testing.assert_array_equal(np.asarray(made), 2 * array)
    assert [part.tolist() for _, part in made.batches(1)] == [
        (2 * array[:1]).tolist(),
        (2 * array[1:]).tolist(),
    ]
    assert asked == [[1], 1, [0, 1], [0], [1]]
    release(made)
    assert made.array is (None if source is None else array)
