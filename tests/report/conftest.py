"""What tests of pages share."""

from functools import partial
import json
from pathlib import Path

from conftest import tiny_cohort
from filelock import FileLock
import pytest

from lungcls.report import facts
from lungcls.runs import evaluation


@pytest.fixture(scope="session")
def collected(tmp_path_factory, testrun_uid):
    """Every number and table that a page may name, from the book's own records: once, for all workers."""
    path = tmp_path_factory.getbasetemp().parent / f"facts-{testrun_uid}.json"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            found = facts.collect(tiny_cohort(), results=Path(__file__).parents[2] / "book" / "results")
            path.write_text(json.dumps(found), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def few(monkeypatch):
    """Few resamples, for tests that do not look at intervals."""
    for name in ("score_intervals", "score_differences"):
        score = getattr(evaluation.bootstrap, name)
        monkeypatch.setattr(evaluation.bootstrap, name, partial(score, resamples=20))
