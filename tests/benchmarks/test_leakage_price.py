"""The interval of repeated draws that share cases, as the benchmark of the leakage price prints it."""

from conftest import load_benchmark
import numpy as np
import pytest
from scipy.stats import t as student, ttest_1samp


@pytest.fixture(scope="module")
def corrected_interval():
    return load_benchmark("leakage_price").corrected_interval


def test_the_corrected_interval_by_hand(corrected_interval):
    found = corrected_interval([0.01, 0.03, 0.02, 0.04], n_train=900, n_test=100)
    variance = (1 / 4 + 100 / 900) * np.var([0.01, 0.03, 0.02, 0.04], ddof=1)
    assert found["difference"] == pytest.approx(0.025) and found["draws"] == 4
    assert found["standard error"] == pytest.approx(np.sqrt(variance))
    assert found["high"] - found["low"] == pytest.approx(2 * 3.182446 * np.sqrt(variance), rel=1e-6)
    assert found["p"] == pytest.approx(2 * student.sf(0.025 / np.sqrt(variance), 3))


def test_without_overlap_the_corrected_interval_is_the_t_interval(corrected_interval):
    draws = np.random.default_rng(0).normal(0.02, 0.01, 25)
    found = corrected_interval(draws, n_train=1e12, n_test=1)
    low, high = student.interval(0.95, 24, draws.mean(), draws.std(ddof=1) / 5)
    assert (found["low"], found["high"]) == pytest.approx((low, high))
    assert found["p"] == pytest.approx(ttest_1samp(draws, 0).pvalue)
    wider = corrected_interval(draws, n_train=900, n_test=100)
    assert wider["low"] < found["low"] and wider["high"] > found["high"] and wider["p"] > found["p"]


def test_the_corrected_interval_covers_more_often_than_the_plain_one(corrected_interval):
    # The mean of a sample, measured on many overlapping tenths of it: draws share cases.
    rng, covered = np.random.default_rng(1), {True: 0, False: 0}
    for _ in range(200):
        sample = rng.normal(size=200)
        draws = [sample[rng.permutation(200)[:100]].mean() for _ in range(20)]
        for corrected in covered:
            sizes = {"n_train": 100 if corrected else 1e12, "n_test": 100}
            found = corrected_interval(draws, **sizes)
            covered[corrected] += found["low"] <= 0 <= found["high"]
    assert covered[False] / 200 < 0.75 < 0.9 < covered[True] / 200


def test_draws_that_never_differ(corrected_interval):
    assert corrected_interval([0.0] * 5, n_train=9, n_test=1)["p"] == 1
    assert corrected_interval([0.1] * 5, n_train=9, n_test=1)["low"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "draws, options, message",
    [
        ([0.1], {}, r"differences: found shape \(1,\), expected \(draws,\) with at least two"),
        ([0.1, np.nan], {}, "differences: found .* all finite"),
        ([0.1, 0.2], {"n_test": 0}, "n_train, n_test: found 9 and 0, expected both above 0"),
        ([0.1, 0.2], {"level": 1}, "level: found 1"),
    ],
)
def test_errors_of_the_corrected_interval(corrected_interval, draws, options, message):
    with pytest.raises(ValueError, match=message):
        corrected_interval(draws, **{"n_train": 9, "n_test": 1, **options})
