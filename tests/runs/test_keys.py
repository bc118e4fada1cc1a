"""Keys: what changes them, and what must not."""

import os

import numpy as np
import pytest

from lungcls.cohorts.cohort import load
from lungcls.errors import InputError
from lungcls.files import whole_text
from lungcls.runs import keys


def test_engine_names_versions_without_importing_keras():
    found = keys.engine()
    assert found["backend"].split()[0] in ("tensorflow", "jax", "torch")
    assert found["keras"][0] == "3"


def test_a_fingerprint_is_computed_once(saved, tmp_path, monkeypatch):
    cohort = load(saved)
    assert keys.cohort_fingerprint(cohort, tmp_path / "kept") == cohort.fingerprint()
    monkeypatch.setattr(type(cohort), "fingerprint", lambda self: pytest.fail("read again"))
    keys.cohort_fingerprint(load(saved), tmp_path / "kept")


def test_a_fingerprint_follows_content_and_choice(saved, tmp_path):
    before = keys.cohort_fingerprint(load(saved), tmp_path / "kept")
    assert keys.cohort_fingerprint(load(saved).select([0, 1]), tmp_path / "kept") != before
    images = np.load(saved / "context.npy")
    images[0, 0, 0] += 1
    np.save(saved / "context.npy", images)
    os.utime(saved / "context.npy", ns=(1, 1))
    assert keys.cohort_fingerprint(load(saved), tmp_path / "kept") == load(saved).fingerprint() != before


def test_differences_are_said_in_words():
    old = {"code": {"training": "a", "models": "b"}, "settings": {"epochs": 3}, "keras": "3.1", "cohort": "a"}
    new = {"code": {"training": "c", "models": "b"}, "settings": {"epochs": 4}, "keras": "3.2", "cohort": "b"}
    assert keys.differences(old, new) == [
        "code of training",
        "epochs 3, now 4",
        "keras 3.1, now 3.2",
        "another cohort",
    ]
    assert keys.differences(old, old) == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        whole_text(tmp_path / "file" / "below", "text")
    whole_text(tmp_path / "new" / "a.csv", "text")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["file", "a.csv"]
