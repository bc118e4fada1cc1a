"""The same predictions under the label rules of other works."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lungcls.report.results import label_rules
from lungcls.report.results.label_rules import CONSTANT, RULES, Rule, under_rules


def made_up(ratings, scores, y_pred):
    table = pd.DataFrame({"ratings": ratings, "score": scores, "y_pred": y_pred})
    readers = table["ratings"].str.split().str.len()
    return {"a": table.assign(readers=readers, patient_id=range(len(table)))}


RATINGS = ["1", "2 4", "3 3 4", "3 3 3", "5 5 4", "2 2 3 3", "1 1 5"]
CASES = made_up(RATINGS, [0.1, 0.4, 0.35, 0.2, 0.9, 0.5, 0.6], [1, 3, 4, 3, 3, 2, 5])


def value(text):
    return float(text.split()[0])


@pytest.mark.parametrize(
    "rule, kept, malignant",
    [
        (Rule("", three=True), range(7), [2, 4]),  # means: 1, 3, 3.3, 3, 4.7, 2.5, 2.3
        (Rule(""), [0, 2, 4, 5, 6], [2, 4]),
        (Rule("", np.median), [0, 4, 5, 6], [4]),  # medians: 1, 3, 3, 3, 5, 2.5, 1
        (Rule("", np.median, least=3), [4, 5, 6], [4]),
    ],
)
def test_a_rule_keeps_and_labels_as_it_says(rule, kept, malignant):
    row = under_rules(CASES, seed=0, rules=[rule]).iloc[0]
    scores = CASES["a"]["score"].to_numpy()[list(kept)]
    expected = roc_auc_score([case in malignant for case in kept], scores)
    assert row["n"] == len(kept) and value(row["a"]) == pytest.approx(100 * expected, abs=0.06)
    assert row[CONSTANT] == "50.0"


@pytest.mark.parametrize(
    "rule, right, threes, n",
    [
        (Rule("", three=True, label=np.ceil), 5, 5, 7),  # labels: 1, 3, 4, 3, 5, 3, 3
        (Rule("", least=3, label=np.rint), 2, 3, 4),  # labels: 3, 5, 2, 2 of means 3.3, 4.7, 2.5, 2.3
    ],
)
def test_within_one_counts_answers_beside_the_label(rule, right, threes, n):
    row = under_rules(CASES, seed=0, rules=[rule]).iloc[0]
    assert row["n"] == n and value(row["a"]) == pytest.approx(100 * right / n, abs=0.06)
    assert value(row[CONSTANT]) == pytest.approx(100 * threes / n, abs=0.06)


def test_what_was_published_stands_beside_our_own_answers():
    table = under_rules(CASES, seed=0)
    assert list(table.index) == [rule.name for rule in RULES] and table.index.is_unique
    assert list(table.columns) == ["n", "a", label_rules.CONSTANT, "published"]
    assert table["published"].str.contains("20..|none found|–").all()
