"""What tests of pages share."""

from functools import partial

import pytest

from lungcls.report.results import page


@pytest.fixture
def few(monkeypatch):
    """Few resamples, for tests that do not look at intervals."""
    for name in ("score_intervals", "score_differences"):
        score = getattr(page.tables.bootstrap, name)
        monkeypatch.setattr(page.tables.bootstrap, name, partial(score, resamples=20))
