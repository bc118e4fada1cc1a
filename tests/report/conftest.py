"""What tests of pages share."""

from functools import partial

import pytest

from lungcls.runs import evaluation


@pytest.fixture
def few(monkeypatch):
    """Few resamples, for tests that do not look at intervals."""
    for name in ("score_intervals", "score_differences"):
        score = getattr(evaluation.bootstrap, name)
        monkeypatch.setattr(evaluation.bootstrap, name, partial(score, resamples=20))
