"""A run is used only if it is what training wrote."""

import shutil

import pytest

from lungcls.cohorts.cohort import load
from lungcls.runs import prediction, store


@pytest.fixture
def own(trained, tmp_path):
    """A copy of the trained run."""
    return store.load(shutil.copytree(trained[-1].folder, tmp_path / trained[-1].id))


def test_a_run_of_another_version_is_said_on_use(own, trained, monkeypatch):
    monkeypatch.setattr(prediction, "stale_because", lambda run: ["code of training"])
    with pytest.warns(UserWarning, match=r"was trained by another version \(code of training\)"):
        prediction.predict(own, load(trained[0]))
