"""The numbers of model card and datasheet, against the records and the list that they come from."""

from pathlib import Path
import re

from conftest import tiny_cohort
import pytest
from sklearn.metrics import roc_auc_score

from lungcls.cohorts.cohort import Cohort
from lungcls.errors import InputError
from lungcls.report.results import cards, networks
from lungcls.report.wording import SPACE
from lungcls.runs.sharing import shipped
from lungcls.sources import annotations

KAPPA = "quadratic weighted kappa"
ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "book" / "results" / "lidc"
MITCHELL = (
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
)
GEBRU = (
    "Motivation",
    "Composition",
    "Collection",
    "Preprocessing, cleaning and labelling",
    "Uses",
    "Distribution",
    "Maintenance",
)


@pytest.fixture(scope="module")
def found():
    return cards.collect(FOLDER)


@pytest.mark.parametrize("page, headings", [("model_card", MITCHELL), ("datasheet", GEBRU)])
def test_the_pages_have_the_headings_of_their_source_in_order(page, headings):
    text = (ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")
    assert tuple(line[3:] for line in text.splitlines() if line.startswith("## ")) == headings


def test_parts_of_the_split_add_up(found):
    parts = networks.recorded(FOLDER)[0].parts
    rows = {
        row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]]
        for row in found["sheet_parts"].splitlines()
        if row.startswith("| ")
    }
    numbers = [int(cell.replace(",", "")) for cell in rows["cases"]]
    assert sum(numbers[:3]) == len(parts) == numbers[3] - int(found["sheet_lacking"])
    patients = [int(cell.replace(",", "")) for cell in rows["patients"]]
    assert sum(patients[:3]) <= patients[3] == annotations.report_cases()["patient_id"].nunique()
    for place in range(4):
        assert (
            sum(int(rows[f"score {score}"][place].replace(",", "")) for score in range(1, 6))
            == numbers[place]
        )


def test_auc_by_diameter_is_that_of_scikit_learn(found):
    diameters = annotations.report_cases().set_index("case_id")["diameter_mm"]
    group = networks.recorded(FOLDER)[0]
    run = next(
        run
        for run in group.runs
        if run.id.startswith("binary-nodule-cnn") and not networks.variant(run) and run.config["seed"] == 0
    )
    test = run.predictions.query("split == 'test'")
    small = test[(diameters.loc[test["case_id"]] < 8).to_numpy()]
    expected = roc_auc_score(small["y_true"], small["p_malignant"])
    (row,) = [
        row for row in found["card_sizes"].splitlines() if row.startswith("| CNN (from scratch) | zoomed")
    ]
    assert row.split("|")[3].strip().startswith(f"{expected:.2f} [")


def test_every_network_is_counted_once(found):
    rows = [row for row in found["card_details"].splitlines() if row.startswith("| ") and "---" not in row][
        1:
    ]
    plain = [run for run in networks.recorded(FOLDER)[0].runs if not networks.variant(run)]
    assert sum(int(row.split("|")[5]) for row in rows) == len(plain)
    settings = found["card_settings"]
    assert "| `batch_size` | 128 |" in settings and all(f"`{name}`" in settings for name in cards.SETTINGS)
    assert "keras 3" in found["card_versions"]


def test_better_worse_and_open_add_up(found):
    n, better, worse, unknown = map(int, re.findall(r"\d+", found["card_beyond"])[:4])
    assert n == better + worse + unknown > 0


def test_a_cohort_says_of_itself_what_its_file_says():
    cohort = tiny_cohort()
    told = Cohort(
        cohort.cases, {}, info={"name": "mine", "licence": "CC | BY", "views": {"nodule": "a crop"}}
    )
    sheet = cards.cohort_sheet(told)
    assert r"| licence | CC \| BY |" in sheet and "| view nodule | a crop |" in sheet
    assert "| name | cohort |" in cards.cohort_sheet(Cohort(cohort.cases, {}))


def test_scans_are_those_of_the_list(found):
    low, high = annotations.report_cases()["pixel_spacing_mm"].agg(["min", "max"])
    assert (
        found["sheet_spacing"].endswith(f"(from {low:.2f} to {high:.2f})") and SPACE in found["sheet_spacing"]
    )


def test_a_folder_without_records_is_one_clear_error(tmp_path):
    with pytest.raises(InputError, match="no recorded run"):
        cards.collect(tmp_path)


def test_shipped_models_stand_with_the_scores_of_their_cards():
    found = cards._shipped()
    rows = [line for line in found["card_shipped"].splitlines() if "`best-" in line]
    assert len(rows) == len(shipped.NAMES) == 4
    for name, row in zip(shipped.NAMES, rows):
        card = shipped.released(name).card
        for where in ("inside", "outside"):
            score = next(one for key, one in card["scores"][where].items() if key in ("AUC", KAPPA))
            assert f"{score['value']:.2f}" in row
        assert ("ImageNet" in row) == ("extends" in card)
