"""Searches find the matrix that was planted, all of them, and nothing in a row that was mixed."""

from fractions import Fraction
from functools import partial
from itertools import product
from math import comb

import numpy as np
import pytest
from sklearn import metrics as oracle

from lungcls.report.printed import confusion_matrices, quoted
from lungcls.report.printed.confusion_matrices import (
    AVERAGES,
    binary_matrices,
    constant_matrix,
    fits,
    matching_constants,
    parts_that_fit,
    scores,
    stratified_counts,
)
from lungcls.report.printed.rounding import rounds_to
from lungcls.sources import annotations

SUPPORTS = (180, 57)  # of 237 test cases
ROWS = quoted.load()["main_results_percent"]
MIXED, NODULE = ROWS["Binary_FullSlice"], ROWS["Binary_Nodule"]
RNG = np.random.default_rng(0)


def printed_of(matrix, names=("precision", "accuracy", "f1"), *, average, decimals=2):
    """Print a matrix's scores as a table would."""
    found = scores(np.asarray(matrix), average=average)
    return {name: f"{100 * found[name]:.{decimals}f}" for name in names}


def random_matrix(supports, rng):
    k = len(supports)
    return np.array([rng.multinomial(cases, rng.dirichlet(np.ones(k))) for cases in supports])


def labels_of(matrix):
    """Labels and predictions with this confusion matrix."""
    places = [(i, j) for (i, j), cases in np.ndenumerate(matrix) for _ in range(cases)]
    return np.array(places).T


# --- Scores of a matrix -----------------------------------------------------------------


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("k", [2, 5])
def test_scores_are_those_of_scikit_learn(average, k):
    if average == "binary" and k > 2:
        return
    for seed in range(10):
        matrix = random_matrix(np.arange(9, 9 + k), np.random.default_rng(seed))
        y_true, y_pred = labels_of(matrix)
        options = {"average": average, "zero_division": 0}
        options |= {} if average == "binary" else {"labels": range(k)}
        expected = oracle.precision_recall_fscore_support(y_true, y_pred, **options)[:3]
        found = scores(matrix, average=average)
        assert [found[name] for name in ("precision", "recall", "f1")] == pytest.approx(expected)
        assert found["accuracy"] == pytest.approx(oracle.accuracy_score(y_true, y_pred))


def test_the_weighted_recall_is_the_accuracy_and_micro_makes_all_scores_equal():
    several = np.stack([random_matrix((24, 46, 110, 42, 15), RNG) for _ in range(50)])
    weighted = scores(several, average="weighted")
    assert weighted["recall"] == pytest.approx(weighted["accuracy"])
    assert all((values == weighted["accuracy"]).all() for values in scores(several, average="micro").values())


def test_fractions_give_exact_scores():
    matrix = np.array([[Fraction(167), Fraction(13)], [Fraction(29), Fraction(28)]])
    assert scores(matrix, average="binary")["recall"] == Fraction(28, 57)
    assert scores(matrix, average="weighted")["accuracy"] == Fraction(195, 237)
    empty = scores(matrix * 0, average="macro")
    assert set(empty.values()) == {0}


def test_scores_refuse_what_they_cannot_average():
    with pytest.raises(ValueError, match="average: found 'samples', expected one of weighted, macro, binary"):
        scores(np.eye(2), average="samples")
    with pytest.raises(ValueError, match="found 'binary' with 3 classes, expected 2 classes"):
        scores(np.eye(3), average="binary")
    with pytest.raises(ValueError, match=r"matrices: found shape \(2, 3\)"):
        scores(np.ones((2, 3)), average="macro")


def test_fits_is_exact_at_a_tie():
    matrix = [[1, 0], [7, 0]]  # 1 of 8 right: 12.5 %
    texts = ("12", "13", "12.5", "12.4")
    answers = {text: fits(matrix, {"accuracy": text}, average="micro") for text in texts}
    assert answers == {"12": True, "13": True, "12.5": True, "12.4": False}


# --- Two classes ------------------------------------------------------------------------


@pytest.mark.parametrize("average", AVERAGES)
def test_a_planted_matrix_is_found_with_all_others_that_fit(average):
    """The oracle tries every matrix of 23 cases, one by one, with fractions."""
    planted = random_matrix((14, 9), RNG)
    printed = printed_of(planted, average=average)
    every = [
        [[tn, fp], [fn, 23 - tn - fp - fn]]
        for tn, fp, fn in product(range(24), repeat=3)
        if tn + fp + fn <= 23
    ]
    expected = [matrix for matrix in every if fits(matrix, printed, average=average)]
    found = binary_matrices(printed, 23, average=average).tolist()
    assert sorted(found) == sorted(expected) and planted.tolist() in found
    known = binary_matrices(printed, 23, average=average, supports=(14, 9)).tolist()
    assert sorted(known) == sorted(matrix for matrix in expected if sum(matrix[0]) == 14)


def test_a_score_alone_is_searched_without_accuracy():
    printed = {"f1": "65.57"}
    found = binary_matrices(printed, 237, average="weighted", supports=SUPPORTS)
    assert [[180, 0], [57, 0]] in found.tolist()
    assert all(fits(matrix, printed, average="weighted") for matrix in found)
    assert all(tuple(matrix.sum(axis=1)) == SUPPORTS for matrix in found)


def test_more_decimals_leave_fewer_matrices():
    planted, left = np.array([[60, 9], [12, 19]]), []
    for decimals in range(4):
        printed = printed_of(planted, average="weighted", decimals=decimals)
        found = binary_matrices(printed, 100, average="weighted")
        assert planted.tolist() in found.tolist()
        left.append(len(found))
    assert left == sorted(left, reverse=True) and left[0] > left[2] == left[3]


def test_the_searches_say_what_they_cannot_do():
    with pytest.raises(ValueError, match="printed: found auc, expected some of accuracy, precision,"):
        binary_matrices({"auc": "90.00"}, 10, average="macro")
    with pytest.raises(ValueError, match="printed: found none"):
        binary_matrices({}, 10, average="macro")
    with pytest.raises(ValueError, match=r"supports: found \(5, 6\), expected two classes with 10 cases"):
        binary_matrices({"f1": "90.00"}, 10, average="macro", supports=(5, 6))
    with pytest.raises(ValueError, match="expected a text of digits"):
        binary_matrices({"f1": 90.0}, 10, average="macro")


# --- Mixed rows -------------------------------------------------------------------------


def planted_mixes(n):
    """Rows with precision and accuracy of one random matrix and F1 of another."""
    for seed in range(n):
        rng = np.random.default_rng(seed)
        first, second = random_matrix((60, 25), rng), random_matrix((60, 25), rng)
        own, other = (printed_of(matrix, average="weighted") for matrix in (first, second))
        yield first, own, own | {"f1": other["f1"]}


def test_a_row_mixed_from_two_planted_matrices_is_detected():
    search = partial(binary_matrices, n=85, average="weighted", supports=(60, 25))
    rows = [
        (first, parts_that_fit(own, search), parts_that_fit(mixed, search))
        for first, own, mixed in planted_mixes(20)
    ]
    every = ("precision", "accuracy", "f1")
    for first, own, mixed in rows:
        assert first.tolist() in own[every].tolist()  # an unmixed row is not suspected
        assert first.tolist() in mixed["precision", "accuracy"].tolist()
    assert all(len(mixed[every]) == 0 for _, _, mixed in rows)


def test_each_choice_of_scores_is_searched():
    asked = []
    parts_that_fit(MIXED, lambda part: asked.append(tuple(part)))
    assert asked == [
        ("precision", "accuracy"),
        ("precision", "f1"),
        ("accuracy", "f1"),
        ("precision", "accuracy", "f1"),
    ]


# --- Test sets and constants ------------------------------------------------------------


def test_a_stratified_split_divides_as_scikit_learn_does():
    from sklearn.model_selection import train_test_split

    for totals, n in (((244, 457, 1092, 418, 152), 237), ((1793, 570), 237), ((31, 17, 5), 9)):
        labels = np.repeat(np.arange(len(totals)), totals)
        _, test = train_test_split(labels, test_size=n, stratify=labels, random_state=0)
        assert np.bincount(test).tolist() == stratified_counts(totals, n).tolist()
    assert stratified_counts((10, 20), 30).tolist() == [10, 20]
    with pytest.raises(ValueError, match="n: found 31, expected 0 to 30"):
        stratified_counts((10, 20), 31)


def test_constants_and_what_equals_them():
    assert constant_matrix((3, 2), 0).tolist() == [[3, 0], [2, 0]]
    assert scores(constant_matrix((3, 2), 0), average="weighted")["accuracy"] == 0.6
    assert matching_constants("60.00", (3, 2), average="weighted", score="accuracy") == [0]
    assert matching_constants("50", (3, 3), average="macro", score="recall") == [0, 1]
    assert matching_constants("61.00", (3, 2), average="weighted", score="accuracy") == []
    with pytest.raises(ValueError, match="printed: found auc"):
        matching_constants("60.00", (3, 2), average="weighted", score="auc")


# --- The report's tables ----------------------------------------------------------------


def test_the_binary_nodule_row_has_one_matrix_whatever_the_size_and_the_averaging(monkeypatch):
    tried, every = [], 4 * sum(comb(n + 3, 3) for n in range(200, 421))

    def counted(candidates, **options):
        tried.append(candidates.size // 4)
        return scores(candidates, **options)

    monkeypatch.setattr(confusion_matrices, "scores", counted)
    found = {
        (n, average): binary_matrices(NODULE, n, average=average)
        for n in range(200, 421)
        for average in AVERAGES
    }
    assert sum(tried) < every / 5000  # the printed accuracy leaves few to try
    fitting = {key: several.tolist() for key, several in found.items() if len(several)}
    assert fitting == {(237, "weighted"): [[[167, 13], [29, 28]], [[28, 29], [13, 167]]]}
    malignant = scores(np.array([[167, 13], [29, 28]]), average="binary")
    assert [round(100 * malignant[name], 1) for name in ("recall", "f1")] == [49.1, 57.1]
    assert round(100 * scores(np.array([[167, 13], [29, 28]]), average="macro")["f1"], 1) == 73.0


def test_the_class_counts_of_the_unique_matrix_are_those_of_a_stratified_split():
    assert tuple(stratified_counts(quoted.class_counts(), 237)) == SUPPORTS
    totals = annotations.report_cases()["malignancy"].value_counts().sort_index()
    by_score = stratified_counts(totals, 237)
    assert by_score.tolist() == [24, 46, 110, 42, 15]
    assert (by_score[:3].sum(), by_score[3:].sum()) == SUPPORTS


def test_the_binary_full_slice_row_is_mixed():
    for average in AVERAGES:
        assert len(binary_matrices(MIXED, 237, average=average)) == 0
    parts = parts_that_fit(MIXED, partial(binary_matrices, n=237, average="weighted", supports=SUPPORTS))
    assert {names: several.tolist() for names, several in parts.items() if len(several)} == {
        ("precision", "accuracy"): [[[160, 20], [45, 12]]]
    }
    exact = np.array([[Fraction(160), Fraction(20)], [Fraction(45), Fraction(12)]])
    f1 = scores(exact, average="weighted")["f1"]
    assert rounds_to(f1, quoted.load()["f1_percent"]["EfficientNet TL"]["binary"]["full_slice"])
    assert rounds_to(f1, "69.61") and not rounds_to(f1, MIXED["f1"])


def test_entries_equal_to_a_constant_and_one_below():
    cnn = quoted.load()["f1_percent"]["CNN"]
    by_score = (24, 46, 110, 42, 15)
    assert matching_constants(cnn["binary"]["nodule"], SUPPORTS, average="weighted") == [0]
    assert matching_constants(cnn["multiclass"]["full_slice"], by_score, average="weighted") == [2]
    constant = scores(constant_matrix(SUPPORTS, 0), average="weighted")
    assert rounds_to(Fraction(180, 237), "75.95") and constant["accuracy"] == 180 / 237
    assert float(cnn["binary"]["full_slice"]) < 100 * constant["f1"]
    assert matching_constants(cnn["binary"]["full_slice"], SUPPORTS, average="weighted") == []
