"""The results page: tables that recompute from the recorded predictions, and say what is there."""

import json
import re
import shutil

import numpy as np
import pytest
from recorded_runs import CNN, FOLDER, FOUND, blocks, record
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, roc_auc_score

from lungcls.cohorts.cohort import Cohort
from lungcls.errors import InputError
from lungcls.metrics import thresholds
from lungcls.models import baselines
from lungcls.report import wording
from lungcls.report.claims import rule, statements, verdicts
from lungcls.report.printed import quoted
from lungcls.report.results import external, measurements, networks, page, score_tables
from lungcls.runs import grid, store
from lungcls.sources import annotations


@pytest.fixture(scope="module")
def facts():
    return page.recorded_facts(networks.recorded(FOLDER))


def flipped(run, *, every):
    """The predictions of a run, with every so many answers of the test part turned."""
    table = run.predictions.copy()
    rows = table.index[table["split"] == "test"][::every]
    table.loc[rows, ["p_benign", "p_malignant"]] = table.loc[rows, ["p_malignant", "p_benign"]].to_numpy()
    table.loc[rows, "y_pred"] = 1 - table.loc[rows, "y_pred"]
    return table


def test_records_hold_no_image_and_no_network_and_name_their_key():
    assert FOUND and not list(FOLDER.rglob("*.keras")) and not list(FOLDER.rglob("*.np*"))
    for run in FOUND:
        assert run.id.endswith(run.config["key"][:8]) and run.environment["processor_seconds"] > 0


def test_records_are_of_the_reports_cases_with_their_labels():
    cases = annotations.report_cases().set_index("case_id")
    for run in FOUND:
        table = run.predictions
        known = cases.loc[table["case_id"]]
        labels = known["malignancy"].to_numpy()
        expected = labels if run.config["task"] == "multiclass" else (labels > 3).astype(int)
        assert (table["y_true"].to_numpy() == expected).all()
        if run.config["settings"]["protocol"] == "patient":
            parts = table.assign(patient=known["patient_id"].to_numpy()).groupby("patient")["split"].nunique()
            assert (parts == 1).all()


def test_every_record_is_in_one_group_and_groups_share_their_cases():
    groups = networks.recorded(FOLDER)
    assert sum(len(group.runs) for group in groups) == sum(run.config["fold"] is None for run in FOUND)
    for group in groups:
        assert all(run.predictions[["case_id", "split"]].equals(group.parts) for run in group.runs)


def test_every_plain_row_recomputes_from_the_predictions(facts):
    for group in networks.recorded(FOLDER):
        for task in page.TASKS:
            mine = networks.by_network([run for run in group.runs if run.config["task"] == task])
            for (view, name, change), members in mine.items():
                if change:
                    continue
                patients = group.test["patient_id"].nunique()
                head = f"{group.name}: {len(group.test)} cases of {patients} patients"
                found = members[0].predictions.query("split == 'test'")["y_pred"]
                mark = " †" if found.value_counts(normalize=True).max() >= 0.95 else ""
                start = f"| {name}, {page.VIEW_NAMES[view]}{mark} |"
                rows = [row for row in blocks(facts[f"results_{task}"])[head] if row.startswith(start)]
                assert len(rows) == 1
                test = members[0].predictions.query("split == 'test'")
                for score in (
                    accuracy_score(test["y_true"], test["y_pred"]),
                    f1_score(test["y_true"], test["y_pred"], average="weighted", zero_division=0),
                ):
                    assert f" {100 * score:.1f} [" in rows[0]


def test_the_report_and_the_baselines_stand_beside_them(facts):
    main, f1 = quoted.load()["main_results_percent"], quoted.load()["f1_percent"]
    for task, names in (
        ("binary", ("Binary_FullSlice", "Binary_Nodule")),
        ("multiclass", ("MultiClass_FullSlice",)),
    ):
        for name in names:
            assert f"| {main[name]['accuracy']} | {main[name]['f1']} |" in facts[f"results_{task}"]
        rows = blocks(facts[f"results_{task}"])["report"]
        assert any(
            row.startswith(f"| CNN, zoomed nodule | – | {f1['CNN'][task]['nodule']} |") for row in rows
        )
        assert (
            "| majority class |" in facts[f"results_{task}"]
            and "| diameter alone |" in facts[f"results_{task}"]
        )


def test_without_the_baselines_there_is_no_table(monkeypatch):
    monkeypatch.setattr(page.tables, "baseline_predictions", lambda *_, **__: ({}, {}))
    with pytest.raises(ValueError, match="found no majority class and no diameter alone"):
        page.recorded_facts(networks.recorded(FOLDER))


def test_seeds_make_one_row_and_a_table_of_their_spread(tmp_path, few):
    first = record(tmp_path, CNN, name="a-s0")
    second = record(tmp_path, CNN, name="a-s1", seed=1, predictions=flipped(CNN, every=3))
    found = page.recorded_facts(networks.recorded(tmp_path))
    scores = [
        100 * accuracy_score(*run.predictions.query("split == 'test'")[["y_true", "y_pred"]].to_numpy().T)
        for run in (first, second)
    ]
    text = f"{sum(scores) / 2:.1f} ({min(scores):.1f}–{max(scores):.1f})"
    (rows,) = blocks(found["results_seeds"]).values()
    unbroken = text.replace("–", "\N{WORD JOINER}–\N{WORD JOINER}")  # a range stays on one line
    assert rows[0].startswith(f"| CNN (from scratch), zoomed nodule | 2 | {unbroken} |")
    rows = [row for row in found["results_binary"].splitlines() if "CNN (from scratch)" in row]
    assert len(rows) == 1 and f"| {scores[0]:.1f} [" in rows[0]
    sources = {line.split(" | ")[0].strip("| "): line for line in found["results_sources"].splitlines()}
    assert sources["seeds"].endswith("| 0, 1 |") and sources["batch"].endswith(
        f"| {first.config['settings']['batch_size']} |"
    )


def test_no_table_without_the_baselines_of_its_split(tmp_path, facts):
    for task in page.TASKS:
        for name in ("radiomic measures", "padding alone"):
            assert facts[f"results_{task}"].count(f"| {name}") == len(networks.recorded(FOLDER))
    record(tmp_path, CNN, name="a")
    path = tmp_path / "baselines" / CNN.config["split"] / "binary-padding.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",test,", ",train,"), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"found other cases in binary-padding\.csv of the split .*, expected the same"
    ):
        page.recorded_facts(networks.recorded(tmp_path))
    shutil.rmtree(tmp_path / "baselines")
    with pytest.raises(
        InputError, match=r"no binary-radiomics\.csv of the split .*, expected it beside the runs"
    ):
        page.recorded_facts(networks.recorded(tmp_path))


def test_another_split_has_rows_and_baselines_of_its_own(tmp_path, few):
    record(tmp_path, CNN, name="a")
    parts = CNN.predictions
    moved = parts.assign(split=parts["split"].replace({"validation": "test", "test": "validation"}))
    record(tmp_path, CNN, name="b", split="report-s0", settings={"protocol": "report"}, predictions=moved)
    found = page.recorded_facts(networks.recorded(tmp_path))
    assert found["results_binary"].count("| diameter alone |") == 2
    (block,) = (rows for head, rows in blocks(found["results_binary"]).items() if "report's split" in head)
    assert sum(row.startswith("| CNN (from scratch), zoomed nodule |") for row in block) == 1
    assert "single cases, stratified, as in the report" in found["results_sources"]


def test_a_change_is_named_and_shown_beside_the_plain_network(tmp_path, few):
    record(tmp_path, CNN, name="a")
    record(
        tmp_path, CNN, name="b", settings={"augmentation": "randaugment"}, predictions=flipped(CNN, every=5)
    )
    record(tmp_path, CNN, name="c", settings={"patience": 3}, predictions=flipped(CNN, every=7))
    found = page.recorded_facts(networks.recorded(tmp_path))
    assert "RandAugment" in found["results_ablations"] and "RandAugment" not in found["results_binary"]
    assert (
        found["results_ablations"].count("| majority class |") == 1
        and "patience 3" not in found["results_ablations"]
    )
    assert (
        f"CNN (from scratch), patience {CNN.config['settings']['patience']}, zoomed"
        in found["results_binary"]
    )
    assert "CNN (from scratch), patience 3, zoomed nodule |" in found["results_binary"]


def test_gains_are_paired_differences_on_the_same_cases(tmp_path, few, facts):
    group = networks.recorded(FOLDER)[0]
    diameter = score_tables.score(group, "binary", seed=0).results["diameter alone"].set_index("case_id")
    test = CNN.predictions.query("split == 'test'").set_index("case_id")
    auc = [roc_auc_score(part["y_true"], part["p_malignant"]) for part in (test, diameter.loc[test.index])]
    (row,) = (
        row
        for row in next(
            rows for head, rows in blocks(facts["results_binary"]).items() if "nodule windows" in head
        )
        if row.startswith("| CNN (from scratch), zoomed nodule |")
    )
    assert f"| {100 * (auc[0] - auc[1]):+.1f} [".replace("-", "−") in row
    changed = record(
        tmp_path, CNN, name="b", settings={"augmentation": "randaugment"}, predictions=flipped(CNN, every=5)
    ).predictions.query("split == 'test'")
    record(tmp_path, CNN, name="a")
    record(
        tmp_path, CNN, name="c", seed=1, settings={"augmentation": "augmix"}
    )  # its plain network is missing
    found = page.recorded_facts(networks.recorded(tmp_path))
    (head, block), (other, alone) = blocks(found["results_ablations"]).items()
    assert (
        head.startswith("binary, LIDC, nodule windows: ")
        and head.endswith("seed 0")
        and other.endswith("seed 1")
    )
    assert block[0].endswith("| – |")  # the plain network heads its block
    cells = [cell.strip() for cell in alone[0].split("|")]
    assert "AugMix" in cells[1] and cells[3] == cells[5] == "–"
    f1 = [f1_score(part["y_true"], part["y_pred"], average="weighted") for part in (changed, test)]
    assert (
        f"| {100 * f1[0]:.1f} [" in block[1]
        and f"| {100 * (f1[0] - f1[1]):.1f} [".replace("-", "−") in block[1]
    )


def test_what_filled_bands_cost_is_a_paired_difference(tmp_path, few):
    record(tmp_path, CNN, name="a")

    def said():
        return verdicts.worth_of_padding(verdicts.sources(networks.recorded(tmp_path), {}, seed=0))

    assert "is recorded on real CT" in said()
    filled = record(tmp_path, CNN, name="b", settings={"bands": "filled"}, predictions=flipped(CNN, every=4))
    second = record(tmp_path, CNN, name="c", seed=1, predictions=flipped(CNN, every=2))
    f1 = [
        f1_score(test["y_true"], test["y_pred"], average="weighted")
        for run in (filled, CNN, second)
        for test in [run.predictions.query("split == 'test'")]
    ]
    change = f1[0] - (f1[1] + f1[2]) / 2  # all seeds of the plain network
    assert f"changes by {100 * change:+.1f} [".replace("-", "−") in said() and "binary task" in said()


def test_kappa_is_compared_with_a_diameter_that_has_cut_points_of_its_own(facts):
    group = networks.recorded(FOLDER)[0]
    run = next(
        run
        for run in group.runs
        if run.config["task"] == "multiclass"
        and run.config["seed"] == 0
        and run.config["model"] == "mobilenet"
        and run.config["view"] == "nodule"
    )
    diameter = baselines.predict_baseline("diameter", group.cohort, group.parts, task="multiclass", seed=0)
    kappa, columns = [], [f"p_{score}" for score in range(1, 6)]
    for table in (run.predictions, diameter):
        known, test = (table[table["split"] == part] for part in ("validation", "test"))
        cuts = thresholds.fit(known["y_true"], known[columns].to_numpy(), "multiclass")
        expected = test[columns].to_numpy() @ np.arange(1, 6)
        kappa.append(
            cohen_kappa_score(test["y_true"], 1 + np.searchsorted(cuts, expected), weights="quadratic")
        )
    rows = next(
        rows
        for head, rows in blocks(facts["results_multiclass"]).items()
        if head.startswith("LIDC, nodule windows:")
    )
    name = grid.title("mobilenet", run.config["stage"])
    (row,) = (row for row in rows if row.startswith(f"| {name} (ImageNet, rebuilt), zoomed nodule |"))
    assert f"| {100 * (kappa[0] - kappa[1]):+.1f} [".replace("-", "−") in row
    (row,) = (row for row in rows if row.startswith("| diameter alone, thresholds fitted |"))
    assert f"| {100 * kappa[1]:.1f} [" in row and row.endswith("| – |")


def test_networks_above_the_diameter_are_counted_and_named(facts, tmp_path):
    group = networks.recorded(FOLDER)[0]
    several = score_tables.score(group, "multiclass", seed=0)
    clear = [name for name in several.networks if several.above.loc[name, "low"] > 0]
    assert clear and facts["results_above_multiclass"].endswith(f": {'; '.join(clear)}.")
    assert (
        f", {len(clear)} of {len(several.networks)} networks are better" in facts["results_above_multiclass"]
    )
    record(tmp_path, CNN, name="a")
    alone = score_tables.score(networks.recorded(tmp_path)[0], "multiclass", seed=0)
    assert ", 0 of 0 networks" in score_tables.clearly_above(alone)


def test_the_figures_show_the_networks_as_they_end(facts, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        score_tables.network_plots,
        "intervals",
        lambda groups, **options: drawn.update(groups, options=options),
    )
    monkeypatch.setattr(score_tables, "figure_text", lambda fig, **text: text["name"])
    group = networks.recorded(FOLDER)[0]
    scores = score_tables.score(group, "binary", seed=0)
    assert score_tables.score_figure([scores], "binary") == "fig-results-binary"
    mine = drawn["LIDC, nodule windows (n = 351)"]
    assert not [name for found in (mine, drawn["report"]) for name in found.index if " TL" in name]
    test = CNN.predictions.query("split == 'test'")
    f1 = 100 * f1_score(test["y_true"], test["y_pred"], average="weighted")
    row = mine.loc["CNN, zoomed nodule"]
    assert row["value"] == pytest.approx(f1) and row["low"] < f1 < row["high"]
    assert drawn["report"].loc["CNN, zoomed nodule", "value"] == 65.57
    line = mine.loc["diameter alone", "value"]
    assert drawn["options"]["references"] == {"diameter alone, LIDC, nodule windows": line}


def test_no_folder_name_of_a_recorded_cohort_is_shown(collected):
    """Readers see words; a new cohort in the records has to be given some."""
    recorded = [*store.list_runs(FOLDER), *store.list_runs(FOLDER.parent / "study")]
    folders = {run.config["cohort"] for run in recorded}
    folders |= set(measurements.read(FOLDER.parent, "another_hospital.json")["cohorts"])
    assert folders == set(wording.COHORTS)
    shown = re.compile("|".join(rf"(?<![\w/-]){re.escape(name)}(?![\w/-])" for name in folders))
    assert not {name: shown.findall(words) for name, words in collected.items() if shown.search(words)}


def test_weights_are_named_no_better_than_they_are(tmp_path, few):
    mobile = next(run for run in FOUND if run.config["model"] == "mobilenet")
    assert networks.weights_of(mobile) == "ImageNet, rebuilt"
    assert networks.weights_of(CNN) == "from scratch"
    four = {"label": "efficientnetb4_notop.h5", "digest": "578ce9ad015f" + 52 * "0"}
    record(tmp_path, mobile, name="a", model="efficientnetb4", weights=four)
    record(tmp_path, mobile, name="b", weights={"label": "random init", "digest": ""})
    found = page.recorded_facts(networks.recorded(tmp_path))
    name = grid.title("efficientnetb4", mobile.config["stage"])
    assert f"{name} (ImageNet, last block missing)" in found["results_binary"] + found["results_multiclass"]
    assert "(random init)" in found["results_binary"] + found["results_multiclass"]


def test_all_networks_that_are_above_the_diameter_on_the_windows_see_the_zoomed_nodule(collected):
    named = collected["results_above_multiclass_windows"].rstrip(".").partition("adjusted): ")[2]
    assert named and all(name.endswith("zoomed nodule") for name in named.split("; "))


def test_the_words_on_weights_and_on_what_is_missing_are_those_of_the_records():
    study = [run for group in networks.out_of_fold(FOLDER.parent / "study") for run in group.runs]
    kept = {(run.config["model"], networks.weights_of(run)) for run in [*FOUND, *study]}
    kept = {pair for pair in kept if pair[0] != "cnn"}
    assert {pair for pair in kept if pair[1].startswith("ImageNet")} == {
        ("efficientnetb4", "ImageNet, last block missing"),
        ("mobilenet", "ImageNet, rebuilt"),
    }
    others = {model: origin for model, origin in kept if model in ("efficientnetb2", "resnet50")}
    assert others == dict.fromkeys(("efficientnetb2", "resnet50"), "random init")
    slices = [run for run in study if run.config["cohort"] == "lidc-ct-full-slice"]
    assert {run.config["seed"] for run in slices} == {0}  # else the page says too much of what is missing


def test_what_the_first_page_says_follows_from_the_records(collected):
    """Its sentences have numbers; their words would have to change with the records."""
    study = {group.name: group for group in networks.out_of_fold(FOLDER.parent / "study")}
    folds = score_tables.score(study["LIDC, full slices"], "binary", seed=0)
    auc = folds.table[folds.table["score"] == "AUC"].set_index("name")
    tuned = auc[auc.index.str.contains("(?:MobileNet|EfficientNetB4) FT")]
    whole, zoomed = (tuned[tuned.index.str.contains(view)] for view in ("full slice", "zoomed"))
    assert whole["high"].max() < 0.66 < 0.8 < zoomed["low"].min()  # little, and far more
    networks_there = [name for name in folds.networks if "†" not in name]
    assert (folds.above.loc[networks_there, "low"] <= 0).all()  # none is better than the diameter
    assert folds.above.loc["padding alone, zoomed nodule", "low"] > -0.03
    best = max(float(f1) for row in quoted.load()["f1_percent"].values() for f1 in row["binary"].values())
    model = json.loads((FOLDER.parent / "best_model.json").read_text(encoding="utf-8"))
    assert best / 100 < model["scores"]["binary"]["diameter"]["F1 (weighted)"]["low"]  # without fitting too
    ruler, drawn = (
        model["differences"]["binary"][f"recipe less {bar}"] for bar in ("diameter, fitted rule", "radiomics")
    )
    assert 0 < ruler["AUC"]["low"] < 0.02 and ruler["F1 (weighted)"]["low"] <= 0  # a little, in the AUC
    assert 0 < drawn["AUC"]["low"] < drawn["AUC"]["value"] < ruler["AUC"]["value"]  # "a higher bar"
    other = measurements.read(FOLDER.parent, "another_hospital.json")["scores"]
    other = external.rows_of(other, "model", cohort="lndb", group="all", score="AUC")
    gap = other.loc["our model", "less diameter"]
    assert gap["low"] <= 0 <= gap["high"]  # not shown to beat the diameter
    readme = (FOLDER.parents[2] / "README.md").read_text(encoding="utf-8")
    assert collected["findings"] in readme, "records have changed: run benchmarks/readme.py"


def test_half_of_the_statements_on_networks_or_more_cannot_be_decided():
    known = verdicts.sources(networks.recorded(FOLDER), {}, seed=0)
    found = statements.estimates(*known)
    said = rule.decide(statements.CLAIMS, found)["verdict"]
    on = [number for number, given in found.items() if any(one.networks and not one.lacks for one in given)]
    assert said[on].isin((rule.OPEN, rule.IDLE)).sum() >= len(on) / 2


def test_networks_with_one_answer_are_named(facts, tmp_path, few):
    constant = CNN.predictions.assign(p_benign=0.9, p_malignant=0.1, y_pred=0, confidence=0.9)
    record(tmp_path, CNN, name="a", predictions=constant)
    said = page.recorded_facts(networks.recorded(tmp_path))["results_constant"]
    assert "CNN (from scratch), binary, zoomed nodule (LIDC, nodule windows)" in said
    assert "give at least 95 % of the test cases one answer" in facts["results_constant"]
    row = next(
        line for line in facts["results_binary"].splitlines() if line.startswith("| CNN") and "†" in line
    )
    assert row.startswith("| CNN (from scratch), context window †")


def test_folders_that_cannot_be_used_are_one_clear_error(tmp_path, few):
    with pytest.raises(InputError, match="no recorded run, expected"):
        page.recorded_facts(networks.recorded(tmp_path))
    record(tmp_path, CNN, name="a")
    twice = record(tmp_path, CNN, name="c")
    with pytest.raises(InputError, match="a and c are one run under two versions"):
        page.recorded_facts(networks.recorded(tmp_path))
    shutil.rmtree(twice.folder)
    record(tmp_path, CNN, name="b", seed=1, predictions=CNN.predictions.iloc[::-1])
    with pytest.raises(InputError, match="found other cases among the runs of the split"):
        page.recorded_facts(networks.recorded(tmp_path))


# --- The runs of this build ---------------------------------------------------------------------


def test_the_runs_of_this_build_join_them(monkeypatch, tmp_path, few):
    cases = annotations.report_cases()
    images = {"nodule": np.zeros((len(cases), 4, 4), np.uint8)}
    info = {"name": "mine", "made_by": {"source": "phantom"}}
    cohort = Cohort(cases, images, info=info, folder=tmp_path)
    asked = {"profile": "quick", "seed": 0}
    seen = {}

    class Planned:
        id = "one"

    def plan(folder, cells, **options):
        seen.update(options, models={cell.model for cell in cells})
        return [Planned()]

    monkeypatch.setattr(grid, "plan", plan)
    monkeypatch.setattr(grid, "find", lambda job: CNN)
    group = networks.of_this_build(cohort, asked)
    assert group.name == "mine, this build" and group.runs == [CNN]
    assert seen == asked | {"models": {"cnn"}}  # all that chapters train themselves
    drawn = []
    monkeypatch.setattr(
        score_tables.network_plots, "intervals", lambda groups, **_: drawn.append(list(groups))
    )
    monkeypatch.setattr(score_tables, "figure_text", lambda fig, **text: text["name"])
    found = page.recorded_facts(networks.recorded(FOLDER), this_build=group)
    assert drawn and not [
        name for names in drawn for name in names if "this build" in name
    ]  # simulated: in no figure
    (block,) = (rows for head, rows in blocks(found["results_binary"]).items() if "mine, this build" in head)
    assert sum(row.startswith("| CNN (from scratch), zoomed nodule |") for row in block) == 1
    assert "say nothing of patients" in found["results_this_build"]
    networks.of_this_build(cohort, asked | {"profile": "full"})
    assert {grid.BACKBONE, *grid.CANDIDATES} < seen["models"]
    monkeypatch.setattr(grid, "find", lambda job: None)
    assert (
        networks.of_this_build(cohort, asked)
        == "The networks of this build are not in the run store any more."
    )


def test_why_there_are_no_runs_of_this_build():
    cases = annotations.report_cases()
    assert "was not executed" in networks.of_this_build(Cohort(cases, {}), None)
    assert "no diameters" in networks.of_this_build(
        Cohort(cases.drop(columns="diameter_mm"), {}), {"profile": "quick"}
    )
