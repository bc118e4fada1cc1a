"""Confidence of the recorded runs, recomputed from their predictions."""

from pathlib import Path

import pytest

from lungcls.report.results import networks, page
from lungcls.report.results.confidence_tables import confidence_facts

GROUP = networks.recorded(Path(__file__).parents[3] / "book" / "results" / "lidc")[0]


@pytest.fixture(scope="module")
def facts():
    return confidence_facts(GROUP)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_confidence_recomputes_from_the_predictions(facts, task):
    mine = networks.by_network([run for run in GROUP.runs if run.config["task"] == task])
    plain = {key: members[0] for key, members in mine.items() if not key[2]}
    for (view, name, _), run in plain.items():
        start = f"| {name}, {page.VIEW_NAMES[view]} |"
        row = next(row for row in facts[f"confidence_{task}"].splitlines() if row.startswith(start))
        assert f"| {run.part()[1].max(axis=1).mean():.2f} [" in row
    kinds = 2 if task == "binary" else 3
    for name, rows in (("confidence", 1), ("calibration", 2), ("sets", kinds)):
        table = facts[f"{name}_{task}"]
        body = [line for line in table.splitlines() if line.startswith("| ")][2:]
        assert (
            len(body) == rows * (len(plain) + 2)
            and "| majority class |" in table
            and "| diameter alone |" in table
        )


def test_the_reports_two_figures_are_shown(facts):
    for name in ("figure_9", "figure_10"):
        assert facts[name].count("data:image/png;base64,") == 1 and ":alt:" in facts[name]
