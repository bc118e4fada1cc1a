"""The numbers of the prose, the pages that name them, and the project's papers."""

import ast
import json
from pathlib import Path
import re

import numpy as np
import pandas as pd
import pytest
from scan_files import write_dicom, write_nrrd
import yaml

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.report import facts, wording
from lungcls.report.printed import quoted
from lungcls.report.results import measurements
from lungcls.sources import annotations, scans, views

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.py")])
RESULTS = ROOT / "book" / "results"
TIMINGS = {
    "machine": "2 cores",
    "commands": {
        "book": {"command": "make book", "what": "makes it", "seconds": 300.4, "peak_bytes": 2.34e9}
    },
}


def plain(text):
    return text.replace(wording.SPACE, " ")


# --- Known answers --------------------------------------------------------------------


def test_the_reports_case_list_in_numbers():
    found = facts.lidc_facts()
    known = {
        "lidc_scans": "1,018",
        "lidc_annotations": "6,859",
        "rule_nodules": "2,625",
        "rule_patients": "875",
        "cases": "2,363",
        "patients": "787",
        "held_back": "262",
        "n_benign": "1,793",
        "n_malignant": "570",
        "n_score_1": "244",
        "n_score_2": "457",
        "n_score_3": "1,092",
        "n_score_4": "418",
        "n_score_5": "152",
    }
    assert {name: found[name] for name in known} == known


def test_the_reports_own_counts_are_those_of_the_rebuilt_list():
    stated, found = (
        measurements.written(quoted.load(), measurements.FACTS[measurements.REPORT]),
        facts.lidc_facts(),
    )
    counts = quoted.class_counts().map(wording.count)
    assert (counts["benign"], counts["malignant"]) == (found["n_benign"], found["n_malignant"])
    assert stated["report_f1_cnn_binary_nodule"] == f"65.57{wording.SPACE}%"


def test_class_weights_balance_the_classes():
    scores = pd.Series([1] * 8 + [2] * 4 + [3] * 2 + [4] * 2 + [5] * 4)
    found = facts._class_facts(scores)
    assert (found["weight_benign"], found["weight_malignant"]) == ("0.71", "1.67")  # 20 / 2 / 14, 20 / 2 / 6
    assert (found["imbalance"], found["imbalance_scores"]) == ("2.3", "4.0")


def test_label_rules_count_every_nodule_under_each_rule():
    table = plain(facts.label_rules()["label_rules"])
    assert "| mean, rounded up | 272 | 512 | 1,222 | 476 | 169 |" in table
    assert "| median, half up | 324 | 551 | 1,231 | 360 | 185 |" in table
    assert "| mean, half up | 287 | 608 | 1,254 | 391 | 111 |" in table


def test_readers_agree_as_known():
    found = {name: plain(text) for name, text in facts.reader_facts().items()}
    assert (found["pairs_same"], found["four_unanimous"], found["four_straddle"]) == ("38 %", "12 %", "58 %")
    assert found["four_nodules"] == "897"


@pytest.mark.parametrize("task, constant", [("binary", 0), ("multiclass", 3)])
def test_the_constant_answer_scores_as_scikit_learn_says(task, constant):
    from sklearn.metrics import f1_score

    scores = annotations.report_cases()["malignancy"].to_numpy()
    y_true = cohorts.to_binary(scores) if task == "binary" else scores
    guess = np.full(len(y_true), constant)
    expected = f1_score(y_true, guess, average="weighted", zero_division=0)
    found = facts.constant_facts()
    assert found[f"constant_{task}_f1"] == wording.percent(expected, 1)
    assert found[f"constant_{task}_accuracy"] == wording.percent((y_true == guess).mean(), 1)


def test_a_band_is_left_where_the_view_shows_one():
    cases = annotations.report_cases().sample(60, random_state=0)
    cases = pd.concat([cases, annotations.report_cases().nlargest(20, "diameter_mm")])
    rim = slice(views.SIZE // 2 - 48, views.SIZE // 2 + 48)
    shown = []
    for _, case in cases.iterrows():
        box = [case[f"nodule_{side}"] for side in views.BOX]
        view = views.nodule(np.ones((512, 512), np.uint8), box, fill=0)
        shown.append((view[rim, rim] == 0).any())
    assert 0 < np.mean(shown) < 1
    assert facts.keeps_padding(cases, crop=96).tolist() == shown


def test_most_test_cases_of_a_plain_split_have_their_patient_in_training():
    assert 80 <= float(plain(facts.lidc_facts()["cases_seen"]).split()[0]) <= 87


def test_the_cohort_on_show(tiny):
    found = facts.cohort_facts(tiny)
    assert (found["cohort_name"], found["cohort_cases"], found["cohort_patients"]) == ("tiny", "10", "5")


# --- Wording --------------------------------------------------------------------------


def test_numbers_look_alike_everywhere():
    assert wording.count(np.int64(2363)) == "2,363"
    assert plain(wording.percent(0.3849)) == "38 %"
    assert plain(wording.percent(0.7588, 1)) == "75.9 %"
    assert plain(wording.duration(89.4)) == "89 s"
    assert plain(wording.duration(300.4)) == "5.0 min"
    assert plain(wording.duration(429 * 60)) == "7.2 h"


def test_a_table_is_numbered_and_keeps_its_cells():
    frame = pd.DataFrame({"rule": ["mean", "median"], "n": ["1", "2"]})
    lines = wording.table(frame, name="tab-a", caption="Two rules.").splitlines()
    assert lines[0] == "::::{table} Two rules." and ":name: tab-a" in lines
    assert lines[-4:] == ["| :--- | ---: |", "| mean | 1 |", "| median | 2 |", "::::"]


def test_timings_become_a_table():
    found = {name: plain(text) for name, text in measurements.timings(TIMINGS).items()}
    assert "| `make book` | makes it | 5.0 min | 2.3 GB |" in found["commands"]


def test_speed_has_both_times_and_their_ratio():
    row = {"what": "opening", "before": "image by image", "now": "the same bits", "seconds": [5.04, 1.26]}
    found = {"before": "343fc69", "rows": {"morphology": row}}
    table = plain(measurements.speed(found)["speed"])
    assert (
        "| opening | image by image | the same bits | 5.0 s | 1.3 s | 4.0 |" in table and "343fc69" in table
    )


def test_what_a_download_takes_is_computed():
    found = {name: plain(text) for name, text in facts.download_facts().items()}
    assert (found["dicom_series"], found["dicom_slices"], found["lidc_slices"]) == (
        "787",
        "191,321",
        "243,945",
    )
    assert (found["lidc_gb"], found["dicom_gb"]) == ("128 GB", "100 GB")  # slices x 512 x 512 x 2 bytes
    assert found["dicom_cohort_gb_twice"] == "4.2 GB"


def test_the_best_model_stands_beside_the_diameter():
    row = {"value": 0.9, "low": 0.88, "high": 0.92}
    names = {"binary": ("AUC", "F1 (weighted)"), "multiclass": ("quadratic weighted kappa",)}
    less = {"diameter, fitted rule": -0.01, "radiomics": 0.01}
    gain = {
        task: {
            f"recipe less {bar}": {
                name: {"value": value, "low": value - 0.01, "high": value + 0.015} for name in some
            }
            for bar, value in less.items()
        }
        for task, some in names.items()
    }
    tried = {"tries": [{}, {}], "also looked at": {"this": 3, "that": 4}}
    scores = {
        task: {"recipe": dict.fromkeys(some, row), "diameter": dict.fromkeys(some, row | {"value": 0.8})}
        for task, some in names.items()
    }
    ceiling = dict.fromkeys(names, {"accuracy": row})
    record = {"cases": 2340, "scores": scores, "differences": gain, "ceiling": ceiling}
    found = measurements.written(record, measurements.FACTS["best_model.json"])
    assert found["best_auc"] == "90.0 [88.0, 92.0]" and found["best_diameter_auc"] == "80.0"
    assert found["best_f1_gain"] == "−1.0 [−2.0, +0.5]" and found["best_cases"] == "2,340"
    assert found["best_auc_over_radiomics"] == "+1.0 [+0.0, +2.5]" and measurements.variants(tried) == 9


def test_the_import_becomes_a_table():
    rows = [
        {"jobs": 1, "series": n, "headers": "read", "processor_seconds": 1 + n / 5, "peak_mib": 99}
        for n in (2, 4)
    ]
    found = measurements.dicom_import({"slices_a_series": 100, "rows": rows})
    assert plain(found["dicom_series_time"]) == "0.2 s"
    assert plain("| 1 | 4 | read | 1.8 s | 99 MiB |") in plain(found["dicom_import"])


def test_the_agreement_of_the_import_is_written_out():
    numbers = {"cases": 4, "series": 1, "slices": 1036, "same_slice": 4, "most_moved_px": 2, "padded": 4}
    shares = {"least_correlation": 0.999986, "most_in_another_slice": 0.9678, "least_dice": 1.0}
    found = measurements.written(numbers | shares, measurements.FACTS["dicom_agreement.json"])
    assert found["dicom_agreement_slices"] == "1,036"
    assert found["dicom_agreement_least_correlation"] == found["dicom_agreement_least_dice"] == "1.0000"


def test_padding_and_metal_become_a_table_and_a_sentence():
    found = measurements.read(RESULTS, "windowing.json")
    table = measurements.windowing(found)
    lung = found["sources"]["cut slices"]["grey"]["lung"]["min-max"]["padding"]
    cell = table.loc[("cut slices", "lung", "min-max"), "padding"]
    assert cell == "{:.2f} [{:.2f}, {:.2f}]".format(*(lung[key] for key in ("median", "low", "high")))
    assert (table["slices"] == [found["sources"][name]["slices"] for name, *_ in table.index]).all()
    sentence = measurements.windowed_slices(found)
    assert (
        "−2000 HU" in sentence
        and "4 pixels of 3,000 HU" in sentence
        and "-" not in sentence.replace("LIDC-IDRI", "")
    )


def test_steps_lead_to_a_value_of_a_record():
    rows = [{"a": 1, "b": {"value": 0.5}}, {"a": 1, "b": {"value": 0.25}}, {"a": 2, "n": 3, "of": 4}]
    table = {"n": ["count", "rows", {"a": 2}, "n"], "share": ["ratio", "rows", {"a": 2}, ["n", "of"]]}
    table |= {
        "two": ["size", "rows", [{"a": 1}]],
        "last": ["2 decimals", "rows", [{"a": 1}], 1, "b", "value"],
    }
    found = measurements.written({"rows": rows}, table)
    assert found == {"n": "3", "share": "75\xa0%", "two": "2", "last": "0.25"}
    for wanted in ({"a": 1}, {"a": 3}):  # several rows, none
        with pytest.raises(ValueError):
            measurements.written({"rows": rows}, {"n": ["count", "rows", wanted, "n"]})


def test_every_recorded_number_is_named_by_a_page_or_a_text():
    papers = [*PAGES, ROOT / "README.md", *(ROOT / "book/checklists").glob("*.json")]
    papers += [ROOT / "lungcls/report/texts.json"]
    named = set(re.findall(r"\w+", " ".join(path.read_text(encoding="utf-8") for path in papers)))
    assert {name for facts_of in measurements.FACTS.values() for name in facts_of} - named == set()


def test_a_missing_measurement_is_one_error(tmp_path):
    with pytest.raises(InputError, match=r"timings\.json: no such file, expected a recorded measurement"):
        facts.collect(results=tmp_path)


def test_every_command_of_the_benchmark_is_in_the_table_or_the_page_says_that_it_is_not():
    code = (ROOT / "benchmarks" / "commands.py").read_text(encoding="utf-8")
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign) and node.targets[0].id in ("COMMANDS", "SLOW")
    }
    measured = json.loads((RESULTS / "timings.json").read_text(encoding="utf-8"))["commands"]
    page = (ROOT / "book" / "reproduce.md").read_text(encoding="utf-8")
    (said,) = [part for part in page.split("\n\n") if "are not in the table" in part] or [""]
    for name in set(values["COMMANDS"]) - set(values["SLOW"]) - set(measured):
        assert f"`{values['COMMANDS'][name][0]}`" in said
    for name, kept in measured.items():
        assert (kept["command"], kept["what"]) == values["COMMANDS"][name]


def test_the_time_of_each_chapter_and_of_all():
    table = plain(facts.chapter_times({"01_a": 61.0, "02_b": 60.0})["chapter_times"])
    assert "| {doc}`../notebooks/01_a` | 61 s |" in table and "| all | 2.0 min |" in table


def test_the_recorded_calibration_is_a_whole_one():
    found = json.loads((RESULTS / "phantom_calibration.json").read_text(encoding="utf-8"))
    assert found["cases"] > 2000 and found["network"]["epochs"] > 5


def test_the_calibration_becomes_two_tables():
    looks = {"phantom": {"grey mean": 0.31}, "real": {"grey mean": 0.296}}
    pairs = {
        "phantom to phantom": (0.85, 0.83),
        "phantom to real": (0.84, 0.8449),
        "real to real": (0.9, 0.89),
    }
    auc = {
        pair: {"all": {"mean of folds": mean, "pooled": pooled, "cases": 2340, "malignant": 562}}
        for pair, (mean, pooled) in pairs.items()
    }
    auc["phantom to phantom"]["all"]["95 % interval"] = [-0.081, -0.039]
    network = {"auc": auc, "telling apart": 0.876, "epochs": 14}
    found = measurements.phantom_calibration({"cases": 2363, "appearance": looks, "network": network})
    assert "| phantom | real | 0.840 (0.845) |" in found["phantom_auc"]
    assert "| phantom less real |  | −0.050 (−0.060) |" in found["phantom_auc"]
    assert "| 95 % interval, pooled |  | [−0.081,\u00a0−0.039] |" in found["phantom_auc"]
    assert "| malignant of all |  | 562 of 2,340 |" in found["phantom_auc"]
    assert (found["phantom_gap_all"], found["phantom_gap_largest_pooled"]) == ("0.050", "0.060")
    assert "| grey mean | 0.310 | 0.296 |" in found["phantom_looks"]


def of_price(predictor, score, difference, *, first=0.5, task="binary"):
    row = {"predictor": predictor, "task": task, "score": score, "with": first, "without": first - difference}
    return row | {"difference": difference, "low": difference - 0.01, "high": difference + 0.01}


def test_the_price_of_leakage_becomes_tables():
    shown = {"AUC": "binary", "F1 (weighted)": "both", "quadratic weighted kappa": "multiclass"}
    rows = [
        of_price(name, score, 0.002 * place, task=task, first=0.67)
        for place, name in enumerate(("diameter alone", "nearest, context", "patient's other labels"))
        for score, tasks in {**shown, "recall (malignant)": "binary"}.items()
        for task in (("binary", "multiclass") if tasks == "both" else (tasks,))
    ]
    design = {"draws": 30, "train": 1567, "test": 235, "shared": 0.9685, "scores": rows}
    plain = {"scores": [of_price("diameter alone", "recall (malignant)", -0.036)]}
    drawn = {
        "predictor": "diameter alone",
        "task": "binary",
        "score": "accuracy",
        "printed": 0.8228,
        "mean": 0.84,
        "low": 0.81,
        "high": 0.88,
        "share below printed": 0.2,
    }
    protocol = {"draws": 60, "test": 233, "shared": {"mean": 0.846}, "scores": [drawn]}
    found = measurements.leakage_price(
        {"cases": 2340, "patients": 779, "protocol": protocol, "price": {"matched": design, "plain": plain}}
    )
    found = {name: plain_text.replace(wording.SPACE, " ") for name, plain_text in found.items()}
    assert "| nearest, context | +0.002 [−0.008, +0.012] |" in found["leakage_price"]
    assert found["leakage_largest"] == "0.012"
    assert "| binary: accuracy | 82.28 | 84.0 [81.0, 88.0], 20 % |" in found["leakage_protocol"]
    record = {
        "cases": 2340,
        "patients": 779,
        "protocol": protocol,
        "price": {"matched": design, "plain": plain},
    }
    written = measurements.written(record, measurements.FACTS["leakage_price.json"])
    assert written["leakage_plain_recall"] == "−0.036 [−0.046, −0.026]"
    assert written["leakage_known_auc"] == "0.67" and written["leakage_protocol_shared"] == "85\xa0%"
    small = {
        "draws": 5,
        "scores": [
            of_price("network, context", score, 0.1, task=task)
            for _, (task, score) in measurements.PRICED.items()
        ],
    }
    prices = {"matched": design, "plain": plain, "network": small}
    more = measurements.leakage_price({"cases": 2340, "patients": 779, "protocol": protocol, "price": prices})
    assert "The network: 5 draws." in more["leakage_price"]
    assert more["leakage_largest"] == found["leakage_largest"] != "0.110"
    assert found["leakage_network"] == "was not tried."
    assert (
        "each of 5 draws" in more["leakage_network"]
        and "Of its 4 intervals, 4 leave" in more["leakage_network"]
    )


def test_the_recorded_price_says_what_the_page_says():
    found = json.loads((RESULTS / "leakage_price.json").read_text(encoding="utf-8"))
    matched = found["price"]["matched"]
    assert matched["draws"] >= 20 and found["protocol"]["draws"] >= 20
    by = {(row["predictor"], row["task"], row["score"]): row for row in matched["scores"]}
    for (name, task, score), row in by.items():
        if "context" in name or name.startswith("diameter"):  # "no interval leaves out 0"
            assert row["low"] <= 0 <= row["high"], (name, task, score)
    assert by["patient's other labels", "binary", "AUC"]["low"] > 0


def test_the_limits_of_the_audit_become_a_table():
    limits = json.loads((RESULTS / "audit_limits.json").read_text(encoding="utf-8"))
    from lungcls.cohorts import near_duplicates

    assert (limits["correlation"], limits["bits"]) == (near_duplicates.CORRELATION, near_duplicates.BITS)
    for measured in limits["cohorts"].values():
        assert measured["audit"]["found"] == 0
        for view in measured["views"].values():
            assert view["alike, of different patients"] == 0
            assert view["nearest other patient"]["most"] < near_duplicates.CORRELATION
    found = measurements.audit_limits(limits)
    assert "| flipped: seen | 100" in plain(found["audit_limits"])


def test_the_audit_of_both_protocols():
    found = facts.audit_facts()
    assert "| shared patients | train/test | found, " in found["audit_protocols"]
    assert found["audit_protocols"].count("found") == 3 and "| clean, 0 of 3" in found["audit_protocols"]
    shared, of = map(int, found["audit_shared"].split(" of "))
    assert 0.78 < shared / of < 0.9


# --- Pages ----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_number_that_a_page_names_is_computed(page, collected):
    lines = page.read_text(encoding="utf-8").splitlines()
    prose = [line for line in lines if page.suffix == ".md" or line.startswith("# ")]
    named = [name for line in prose for name in re.findall(r"\{\{\s*(\w+)\s*\}\}", line)]
    assert "\n".join(prose).count("{{") == len(named)  # none goes over the end of a line
    assert [name for name in named if name not in collected] == []
    assert all(isinstance(collected[name], str) and collected[name] for name in named)


def test_pages_do_name_numbers():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert len(set(re.findall(r"\{\{\s*(\w+)\s*\}\}", text))) > 40


def entries():
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    return re.findall(r"^@(\w+)\{([^,\s]+),", text, flags=re.M), text


def test_references_have_one_entry_each_with_author_title_and_year():
    found, text = entries()
    keys = [key for _, key in found]
    assert len(keys) == len(set(keys)) > 20
    for block in re.split(r"\n(?=@)", text):
        if "@" in block:
            fields = re.findall(r"^\s*(\w+)\s*=", block, flags=re.M)
            assert {"author", "title", "year"} <= set(fields)


def test_every_citation_has_an_entry():
    keys = {key for _, key in entries()[0]}
    cited = set()
    prose = [*PAGES, *(ROOT / "notebooks").glob("*.py")]
    for page in prose:
        for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", page.read_text(encoding="utf-8")):
            cited.update(key.strip() for key in group.split(","))
    for path in (ROOT / "lungcls").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                listed = re.findall(r"^\s*\.\. \[\d+\] (.+)$", ast.get_docstring(node) or "", flags=re.M)
                cited.update(key.strip() for entry in listed for key in entry.split(","))
    assert {"armato2011", "simeone2025", "braun1999"} <= cited
    assert cited - keys == set()


# --- What the page on own data promises ------------------------------------------------


def promised():
    """What the page says that the check says, by row of its table."""
    page = (ROOT / "book" / "bring_your_own_ct.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| ([a-z ]+) \| `(.+)` \|$", page, flags=re.M))


def outside(folder):
    scans.open_scan(write_nrrd(folder / "ct.nrrd")).voxel_of(np.array([0, 0, 40]))


def several(folder):
    for uid, drop in (("1.2.3", ()), ("1.2.4", [0])):
        write_dicom(folder / "ct_folder", uid=uid, drop=drop)
    scans.open_scan(folder / "ct_folder")


def coronal(folder):
    scans.open_scan(write_dicom(folder / "ct_folder", orientation=(1, 0, 0, 0, 0, 1)))


OF_SCANS = {"a point outside": outside, "several series": several, "no axial slices": coronal}


@pytest.mark.parametrize("fault", OF_SCANS)
def test_the_page_on_own_data_quotes_the_real_messages_on_scans(tmp_path, fault):
    with pytest.raises(InputError) as error:
        OF_SCANS[fault](tmp_path)
    pieces = map(re.escape, promised()[fault].split("…"))
    assert re.fullmatch(".*".join(pieces), str(error.value).replace(f"{tmp_path}/", ""))


def own_cohort(folder, fault):
    """Write the page's example as a cohort, with one fault."""
    page = (ROOT / "book" / "bring_your_own_ct.md").read_text(encoding="utf-8")
    table = re.search(r"^case_id,patient_id,malignancy,ratings.*?(?=^```)", page, flags=re.M | re.S)[0]
    images = np.arange(3 * 64, dtype=np.int16).reshape(3, 8, 8)
    if fault == "a column is missing":
        table = "case_id,malignancy\na-001,4\na-002,2\na-003,3\n"
    elif fault == "a score out of range":
        table = table.replace("p-01,2", "p-01,6")
    elif fault == "a case twice":
        table = table.replace("a-003", "a-001")
    elif fault == "too few images":
        images = images[:2]
    elif fault == "an empty image":
        images[0] = 7
    elif fault == "a decimal comma":
        table = table.replace("6.0", '"5,25"')
    folder.mkdir()
    (folder / "cases.csv").write_text(table, encoding="utf-8")
    np.save(folder / "context.npy", images)
    if fault == "a broken file":
        path = folder / "context.npy"
        path.write_bytes(path.read_bytes()[:-8])
    return folder


@pytest.mark.parametrize("fault", [fault for fault in promised() if fault not in OF_SCANS])
def test_the_page_on_own_data_quotes_the_real_messages(tmp_path, fault):
    folder = own_cohort(tmp_path / "mine", fault)
    with pytest.raises(InputError) as error:
        cohorts.check_pixels(cohorts.load(folder))
    assert str(error.value).replace(f"{folder}/", "") == promised()[fault]


def test_the_example_on_the_page_is_a_cohort(tmp_path):
    loaded = cohorts.load(own_cohort(tmp_path / "mine", None))
    cohorts.check_pixels(loaded)
    assert loaded.cases["patient_id"].nunique() == 2 and len(promised()) == 7 + len(OF_SCANS)


# --- Papers ---------------------------------------------------------------------------


def test_the_citation_file_names_the_book_and_the_report():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "references"} <= set(citation)
    assert citation["authors"] == [{"name": "lungcls developers"}]
    report, article, data = citation["references"]
    assert report["title"] == "Lung Nodule Classification in CT Images Using Deep Learning"
    names = [author["family-names"] for author in report["authors"]]
    assert names == ["Simeone", "Serrao", "Pecchiari", "Zecchini"]
    assert (article["doi"], data["doi"]) == ("10.1118/1.3528204", "10.7937/K9/TCIA.2015.LO9QL9SX")
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= set(reference)


def test_the_archive_file_says_what_the_citation_file_says():
    """Zenodo reads the one, GitHub the other."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    archive = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    same = ("title", "version", "keywords")
    assert [archive[name] for name in same] == [citation[name] for name in same]
    assert archive["creators"] == citation["authors"] and archive["license"] in citation["license"]
    cited = {one["doi"] for one in citation["references"] if "doi" in one}
    assert {one["identifier"] for one in archive["related_identifiers"]} == cited


def test_versions_agree():
    from lungcls import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_licences_say_what_they_cover():
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    text = (ROOT / "LICENSE-CC-BY-4.0.md").read_text(encoding="utf-8")
    for needed in ("lidc_nodules.csv", "10.1118/1.3528204", "10.7937/K9/TCIA.2015.LO9QL9SX"):
        assert needed in text


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"])
def test_links_between_the_papers_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert [target for target in targets if not (ROOT / target).exists()] == []
    assert text.startswith("# ")


def test_the_readmes_figure_is_small():
    path = ROOT / "book" / "_static" / "phantom_examples.png"
    assert path.stat().st_size < 300_000
    assert path.read_bytes().startswith(b"\x89PNG")
