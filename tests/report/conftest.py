"""What tests of pages share."""

from functools import partial

import pytest

from lungcls.metrics import bootstrap


@pytest.fixture
def few(monkeypatch):
    """Few resamples, for tests that do not look at intervals."""
    for name in ("score_intervals", "score_differences"):
        score = getattr(bootstrap, name)
        monkeypatch.setattr(bootstrap, name, partial(score, resamples=20))
