"""What the cache holds is what was written, or is made anew."""

import numpy as np
import pytest

from lungcls.runs import cache


def rows(start, stop):
    return np.arange(start, stop, dtype=np.float32)[:, None] * np.ones(4, np.float32)


def asked(folder):
    return cache.array(folder, "content", (100, 4), rows, entry="runs.inputs", title="rows")[0]


DAMAGES = {"one byte": lambda raw: raw[:-9] + b"x" + raw[-8:], "cut off": lambda raw: raw[:300]}
DAMAGES |= {"empty": lambda raw: b"", "junk": lambda raw: b"junk" * 400}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_array_is_made_anew(tmp_path, damage):
    np.testing.assert_array_equal(asked(tmp_path), rows(0, 100))
    (path,) = tmp_path.glob("*.npy")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match="damaged, starting over"):
        np.testing.assert_array_equal(asked(tmp_path), rows(0, 100))


def test_an_array_that_only_has_another_time_is_kept(tmp_path, recwarn):
    asked(tmp_path)
    (path,) = tmp_path.glob("*.npy")
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(raw)
    np.testing.assert_array_equal(asked(tmp_path), rows(0, 100))
    assert not recwarn.list
