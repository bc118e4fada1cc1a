"""What tests of pages share."""

from functools import partial
from pathlib import Path

from conftest import tiny_cohort
import pytest

from lungcls.report import facts
from lungcls.runs import evaluation


@pytest.fixture(scope="session")
def collected():
    """Every number and table that a page may name, from the book's own records."""
    return facts.collect(tiny_cohort(), results=Path(__file__).parents[2] / "book" / "results")


@pytest.fixture
def few(monkeypatch):
    """Few resamples, for tests that do not look at intervals."""
    for name in ("score_intervals", "score_differences"):
        score = getattr(evaluation.bootstrap, name)
        monkeypatch.setattr(evaluation.bootstrap, name, partial(score, resamples=20))
