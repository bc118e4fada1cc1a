"""Unusual images against the rest: planted differences, and none."""

from dataclasses import replace

from conftest import tiny_cohort
import numpy as np
import pytest

from lungcls.cohorts.cohort import Cohort
from lungcls.report.claims import rule, unusual


def planted(malignant):
    """A hundred cases, of which six images are unlike the others; they are malignant, or benign."""
    noise = tiny_cohort(100, size=32)
    rng = np.random.default_rng(0)
    images = np.linspace(0, 200, 32)[None, :, None] + rng.normal(0, 5, (100, 32, 32))
    rows = np.flatnonzero(noise.labels("binary") == malignant)[:6]
    images[rows] = 100 + rng.normal(0, 40, (6, 32, 32))
    images = images.astype(noise.views["nodule"][:1].dtype)
    return Cohort(noise.cases, {"nodule": images}, {}, noise.info), rows


@pytest.mark.parametrize("malignant", [0, 1])
def test_planted_images_are_found_and_their_share_is_right(malignant):
    cohort, rows = planted(malignant)
    found = unusual.difference(cohort, "nodule", seed=0)
    labels = cohort.labels("binary")
    others = (labels.sum() - 5 * malignant) / 95  # five of the six are called unusual
    assert found.value == pytest.approx(malignant - others)
    assert found.low <= found.value <= found.high and found.n == 100
    assert rule.statement([replace(found, expects=(-0.05, 0.05))])[0] == rule.FAILS


def test_same_seed_same_answer_and_a_missing_view_is_said():
    cohort, _ = planted(1)
    assert unusual.difference(cohort, "nodule", seed=1) == unusual.difference(cohort, "nodule", seed=1)
    found = unusual.of_cohort(cohort, seed=0)
    assert list(found) == [unusual.MEASURE.format(name) for name in ("nodule", "wide")]
    assert "has no wide view" in found[unusual.MEASURE.format("wide")]
