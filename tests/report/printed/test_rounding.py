"""What a printed number can stand for, exactly."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pytest

from lungcls.report.printed import quoted
from lungcls.report.printed.rounding import bounds, counts, fitting_sizes, gap, rounds_to

ACCURACIES = [row["accuracy"] for row in quoted.load()["main_results_percent"].values()]


def texts_of(k, n, decimals):
    """Percentages of k in n as two kinds of rounding print them: with decimals, not with fractions."""
    share = Decimal(100 * k) / Decimal(n)  # 28 digits: ties are exact
    step = Decimal(1).scaleb(-decimals)
    return {str(share.quantize(step, rounding)) for rounding in (ROUND_HALF_UP, ROUND_HALF_EVEN)}


def test_bounds_depend_on_the_decimals_that_are_printed():
    assert bounds("82.28") == (Fraction(82275, 100000), Fraction(82285, 100000))
    assert bounds("34.3") == (Fraction(3425, 10000), Fraction(3435, 10000))
    assert bounds("0.64", whole=1) == (Fraction(635, 1000), Fraction(645, 1000))
    for text in ("82,28", "", "-1", "82.", 82.28):
        with pytest.raises(ValueError, match="expected a text of digits"):
            bounds(text)


@pytest.mark.parametrize("decimals", [0, 1, 2])
@pytest.mark.parametrize("n", [7, 8, 16, 125, 200, 237])
def test_a_text_stands_for_what_either_rounding_prints_as_it(n, decimals):
    for k in range(n + 1):
        for text in texts_of(k, n, decimals):
            assert rounds_to(Fraction(k, n), text) and k in counts(text, n)
    for text in {text for k in range(n + 1) for text in texts_of(k, n, decimals)}:
        expected = [k for k in range(n + 1) if text in texts_of(k, n, decimals)]
        assert counts(text, n).tolist() == expected


def test_no_count_fits_or_the_size_is_wrong():
    assert counts("72.57", 355).size == 0
    assert counts("100.00", 5).tolist() == [5] and counts("0.00", 5).tolist() == [0]
    with pytest.raises(ValueError, match="n: found 0, expected 1 or more"):
        counts("50", 0)


def test_a_planted_size_is_found():
    shares = [100 * k / 311 for k in (131, 209, 262, 300)]
    sizes = np.arange(250, 400)
    together = fitting_sizes([f"{share:.2f}" for share in shares], sizes).all(axis=0)
    assert together[sizes == 311].all() and together.sum() < 5


def test_the_reports_accuracies_fit_one_size():
    sizes = np.arange(200, 421)
    fits = fitting_sizes(ACCURACIES, sizes)
    assert fits.shape == (4, 221) and (fits.sum(axis=1) > 1).all()
    assert sizes[fits.all(axis=0)].tolist() == [237]
    assert [counts(text, 237).tolist() for text in ACCURACIES] == [[172], [195], [100], [106]]


def test_gaps_between_rounded_numbers():
    assert gap(bounds("0.64", whole=1), bounds("0.64", whole=1)) == 0
    assert gap(bounds("50"), bounds("60")) == gap(bounds("60"), bounds("50")) == Fraction(9, 100)
    assert gap(bounds("50"), bounds("51")) == 0  # 50.5 is both


def test_the_gap_bounds_the_calibration_error_of_any_grouping():
    rng = np.random.default_rng(0)
    for _ in range(50):
        confidence, right = rng.uniform(0.3, 1, 237), rng.random(237) < rng.random()
        groups = rng.integers(rng.integers(1, 20), size=237)
        errors = [abs(right[groups == g].sum() - confidence[groups == g].sum()) for g in np.unique(groups)]
        printed = f"{confidence.mean():.2f}", f"{100 * right.mean():.2f}"
        assert sum(errors) / 237 >= float(gap(bounds(printed[0], whole=1), bounds(printed[1]))) - 1e-12


def test_the_reports_model_is_off_by_a_fifth():
    found = quoted.load()
    confidence = found["confidence"]["mean"]
    accuracy = found["main_results_percent"]["MultiClass_Nodule"]["accuracy"]
    least = gap(bounds(confidence, whole=1), bounds(accuracy))
    assert round(float(least), 2) == 0.19
    assert round(float(confidence) - float(accuracy) / 100, 2) == 0.19
