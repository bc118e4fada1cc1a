"""DeLong with patients as clusters: against the plain test and the bootstrap."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from lungcls.metrics import bootstrap, classification, paired_tests


def two_models(n_patients=300, *, most=5, seed=0):
    """Labels, two related scores and patients whose cases share part of label and of error."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), rng.integers(1, most + 1, n_patients))
    n = len(patients)

    def shared():
        return rng.normal(size=n_patients)[patients] + 0.5 * rng.normal(size=n)

    place = shared()
    y_true = (place > np.quantile(place, 0.7)).astype(int)
    error = shared()
    first, second = place + error, place + 0.6 * error + 0.8 * shared()
    return y_true, np.round(first, 1), np.round(second, 1), patients


def structural_components(y_true, y_score):
    """By hand: of each malignant case against all benign ones, and the reverse."""
    a, b = y_score[y_true == 1], y_score[y_true == 0]
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    return wins.mean(axis=1), wins.mean(axis=0)


def plain_delong(y_true, first, second):
    v10, v01 = zip(*(structural_components(y_true, scores) for scores in (first, second)), strict=True)
    covariance = np.cov(v10) / len(v10[0]) + np.cov(v01) / len(v01[0])
    return np.sqrt(covariance[0, 0]), np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


def test_one_case_a_patient_is_plain_delong():
    y_true, first, second, _ = two_models(most=1)
    alone, apart = plain_delong(y_true, first, second)
    patients = np.arange(len(y_true))
    found = paired_tests.auc(y_true, first, patients=patients)
    assert found["value"] == pytest.approx(roc_auc_score(y_true, first))
    assert found["standard error"] == pytest.approx(alone)
    assert found["high"] - found["value"] == pytest.approx(norm.ppf(0.975) * alone)
    compared = paired_tests.compare_auc(y_true, first, second, patients=patients)
    assert compared["standard error"] == pytest.approx(apart)
    assert compared["z"] == pytest.approx(compared["difference"] / apart)
    assert compared["p"] == pytest.approx(2 * norm.sf(abs(compared["z"])))


def test_obuchowskis_sums_over_patients_by_hand():
    y_true, first, _, patients = two_models(40)
    v10, v01 = structural_components(y_true, first)
    value, m, n = v10.mean(), len(v10), len(v01)
    total = {"10": 0.0, "01": 0.0, "11": 0.0}
    for patient in np.unique(patients):
        x = (v10[patients[y_true == 1] == patient] - value).sum()
        y = (v01[patients[y_true == 0] == patient] - value).sum()
        for name, product in (("10", x * x), ("01", y * y), ("11", x * y)):
            total[name] += product
    i10, i01, i = (len(np.unique(part)) for part in (patients[y_true == 1], patients[y_true == 0], patients))
    s10, s01 = i10 / (i10 - 1) / m * total["10"], i01 / (i01 - 1) / n * total["01"]
    s11 = i / (i - 1) * total["11"]
    expected = s10 / m + s01 / n + 2 * s11 / (m * n)
    assert paired_tests.auc(y_true, first, patients=patients)["standard error"] ** 2 == pytest.approx(
        expected
    )


def test_delong_agrees_with_the_bootstrap_over_patients():
    y_true, first, second, patients = two_models()

    def statistic(weights):
        a, b = (classification.ranking(y_true == 1, scores, weights)[0] for scores in (first, second))
        return {"first": a, "difference": a - b}

    _, draws = bootstrap.resample(statistic, patients=patients, seed=0, resamples=3000)
    alone = paired_tests.auc(y_true, first, patients=patients)
    apart = paired_tests.compare_auc(y_true, first, second, patients=patients)
    assert alone["standard error"] == pytest.approx(draws["first"].std(), rel=0.06)
    assert apart["standard error"] == pytest.approx(draws["difference"].std(), rel=0.06)
    ends = np.quantile(draws["first"], (0.025, 0.975))
    np.testing.assert_allclose([alone["low"], alone["high"]], ends, atol=0.006)
    naive, _ = plain_delong(y_true, first, second)
    assert alone["standard error"] > 1.2 * naive  # cases of a patient are not independent


def test_copies_of_cases_add_no_evidence():
    y_true, first, second, patients = two_models(80)
    twice = [np.repeat(array, 2) for array in (y_true, first, second, patients)]
    once = paired_tests.compare_auc(y_true, first, second, patients=patients)
    again = paired_tests.compare_auc(*twice[:3], patients=twice[3])
    assert again["p"] == pytest.approx(once["p"]) and again["n"] == 2 * once["n"]


def test_no_difference_is_no_evidence():
    y_true, first, _, patients = two_models(50)
    score = (first > 0).astype(int)
    found = paired_tests.compare_auc(y_true, score, score, patients=patients)
    assert (found["difference"], found["z"], found["p"]) == (0, 0, 1)


def test_tests_keep_their_level():
    """Two equally good models are told apart in 5 % of data sets; with every case by itself too often."""
    clustered, naive = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        patients = np.repeat(np.arange(70), rng.integers(1, 14, 70))
        n = len(patients)
        place = rng.normal(size=n)
        y_true = (place > 0).astype(int)
        first, second = (
            place + 1.5 * rng.normal(size=70)[patients] + 0.3 * rng.normal(size=n) for _ in range(2)
        )
        clustered.append(paired_tests.compare_auc(y_true, first, second, patients=patients)["p"])
        naive.append(paired_tests.compare_auc(y_true, first, second, patients=np.arange(n))["p"])
    shares = [np.mean(np.array(p) < 0.05) for p in (clustered, naive)]
    assert 0.02 < shares[0] < 0.075 < shares[1]


@pytest.mark.parametrize(
    "y_true, first, patients, message",
    [
        ([], [], [], r"y_true: found shape \(0,\)"),
        ([0, 1, 0, 1], [1, 2, 3], [1, 2, 3, 4], r"predictions: found shape \(3,\), expected \(4,\)"),
        ([0, 1, 0, 1], [1, 2, 3, np.nan], [1, 2, 3, 4], "all finite"),
        ([0, 1, 0, 1], [1, 2, 3, 4], [1, 2], r"patients: found shape \(2,\)"),
        ([0, 1, 0, 1], [1, 2, 3, 4], [1, 2, 3, 2], "found 1 with a malignant and 2 with a benign case"),
    ],
)
def test_errors(y_true, first, patients, message):
    with pytest.raises(ValueError, match=message):
        paired_tests.auc(y_true, first, patients=patients)
    with pytest.raises(ValueError, match=message):
        paired_tests.compare_auc(y_true, first, first, patients=patients)


def test_errors_of_level():
    with pytest.raises(ValueError, match="level: found 2"):
        paired_tests.auc([0, 1, 0, 1], [1, 2, 3, 4], patients=[1, 2, 3, 4], level=2)


def closed_test(p):
    """Holm's method from its reason: a hypothesis falls only with every set that it is in.

    Each set is tested by Bonferroni; the adjusted p is the largest of the sets' p values.
    """
    rows = range(len(p))
    sets = [s for size in range(1, len(p) + 1) for s in combinations(rows, size)]
    return [max(min(1, len(s) * min(p[i] for i in s)) for s in sets if row in s) for row in rows]


def test_holm_is_the_closed_test_of_bonferroni():
    rng = np.random.default_rng(0)
    for m in (1, 2, 5, 8):
        p = np.round(rng.random(m) ** 3, 2)  # with ties
        assert paired_tests.holm(p) == pytest.approx(closed_test(p))


def test_holm_by_hand_and_without_what_is_undefined():
    assert paired_tests.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert paired_tests.holm([0.04, np.nan, 0.01]) == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)
    assert paired_tests.holm([]).shape == (0,)
    with pytest.raises(ValueError, match=r"p: found \[0.1, 1.2\]"):
        paired_tests.holm([0.1, 1.2])


def test_holm_keeps_the_chance_of_a_false_finding():
    p = np.random.default_rng(0).random((4000, 8))
    false = [np.mean([adjust(row).min() < 0.05 for row in p]) for adjust in (np.asarray, paired_tests.holm)]
    assert false[0] > 0.3 and 0.04 < false[1] < 0.06


@pytest.mark.parametrize("power", [0.5, 0.8, 0.9])
def test_as_many_cases_as_needed_show_the_difference_so_often(power):
    spread, difference, n = 0.3, 0.02, 100  # of one case's paired difference
    needed = paired_tests.cases_needed(spread / np.sqrt(n), n, difference, power=power)
    drawn = np.random.default_rng(0).normal(difference, spread / np.sqrt(needed), 20_000)
    shown = drawn - 1.96 * spread / np.sqrt(needed) > 0
    assert shown.mean() == pytest.approx(power, abs=0.01)


def test_half_the_difference_takes_four_times_the_cases():
    once, twice = (paired_tests.cases_needed(0.01, 2000, gap) for gap in (0.02, 0.01))
    assert twice == pytest.approx(4 * once, abs=4)
    assert (
        paired_tests.cases_needed(0.02, 500, 0.02) == once
    )  # as large an error as a quarter of the cases have
    with pytest.raises(ValueError, match="error, n, difference: found"):
        paired_tests.cases_needed(0.01, 2000, 0)
