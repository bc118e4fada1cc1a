"""Letting go of pages changes nothing that can be read."""

import numpy as np
import pytest

from lungcls.preprocessing.images import Images, let_go


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(24).reshape(2, 3, 4))
    return tmp_path / "images.npy"


@pytest.mark.parametrize("wrap", [lambda array: array, Images])
def test_what_was_let_go_is_read_again(path, wrap):
    array = np.load(path, mmap_mode="r")
    let_go(wrap(array))
    assert (array == np.arange(24).reshape(2, 3, 4)).all()


def test_what_was_written_is_kept(path):
    array = np.load(path, mmap_mode="r+")
    array[0] = 7
    let_go(array)
    assert (array[0] == 7).all()


def test_a_private_copy_and_an_array_in_memory_are_left_alone(path):
    private = np.load(path, mmap_mode="c")
    private[0] = 7
    plain = np.ones((1, 2, 2))
    let_go(private)
    let_go(plain)
    assert (private[0] == 7).all() and (plain == 1).all()
