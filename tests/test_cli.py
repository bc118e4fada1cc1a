"""The command line: each command's summary, exit codes, and outputs. Bad input is in test_kinds."""

import json
import os
from pathlib import Path
import re
import subprocess
import sys
import types

from click.testing import CliRunner
from conftest import tiny_cohort, write_course, write_images
import numpy as np
import pytest

from lungcls import __version__
from lungcls.cli.__main__ import main
from lungcls.cohorts.cohort import Cohort, load, save
from lungcls.report import facts
from lungcls.report.results import cards
from lungcls.report.wording import badge, plain


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_nothing_of_a_pickle_is_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "boom",))

    folder = save(tiny_cohort(), tmp_path / "cohort")
    np.save(folder / "context.npy", np.array([Bomb()] * 10, dtype=object), allow_pickle=True)
    assert call("cohort", "check", folder).exit_code == 2
    assert not (tmp_path / "boom").exists()


def test_a_class_without_cases_is_refused_only_where_a_task_needs_it(tmp_path):
    folder = save(tiny_cohort(4), tmp_path / "cohort")
    assert call("cohort", "check", folder).exit_code == 0
    assert call("cohort", "check", folder, "--task", "binary").exit_code == 0
    before = sorted(tmp_path.rglob("*"))
    message = "class 5 of the multiclass task has no case, expected at least one in each class ("
    result = call("cohort", "check", folder, "--task", "multiclass")
    assert result.stderr.startswith(f"lungcls: error: {folder}: {message}")
    assert (result.exit_code, sorted(tmp_path.rglob("*"))) == (2, before)


def test_a_target_that_holds_something_is_spared(tmp_path):
    csv, _ = write_images(tmp_path / "images")
    result = call("cohort", "folder", csv, tmp_path / "images")
    assert result.exit_code == 2
    message = f"{tmp_path}/images: already there, expected a new or empty folder"
    assert result.stderr == f"lungcls: error: {message}\n"


# --- Findings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column, value, verdict", [("diameter_mm", "-4", "found"), ("case_id", "pat02", "cannot tell")]
)
def test_findings_are_reported_in_files_that_were_not_there(tmp_path, column, value, verdict):
    tiny = tiny_cohort()
    tiny.cases[column] = tiny.cases[column].astype(object)
    tiny.cases.loc[0, column] = value
    folder = save(tiny, tmp_path / "cohort")
    paths = [tmp_path / "found.json", tmp_path / "found.md"]
    call("cohort", "check", folder, "--json", paths[0], "--markdown", paths[1])
    found = json.loads(paths[0].read_text())
    assert [row["verdict"] for row in found["findings"]] == [verdict] and found["cases"] == 10
    assert f"| {verdict} |" in paths[1].read_text()
    again = call("cohort", "check", folder, "--json", paths[0])
    assert again.exit_code == 2 and "already there, expected the name of a new file" in again.stderr


def test_a_free_text_becomes_no_markup():
    words = "<script>x</script> {{ name }} [a](b) `c` *d*"
    shown = plain(words)
    assert not re.search(r"(?<!\\)[<>{}\[\]`*]", shown) and re.sub(r"\\(.)", r"\1", shown) == words
    cohort = Cohort(tiny_cohort().cases, {}, info={"name": words, "views": {"nodule": words}})
    for made in (badge(cohort), cards.cohort_sheet(cohort), facts.cohort_facts(cohort)["cohort_name"]):
        assert "<script>" not in made and "{{" not in made and "\\<script\\>" in made


# --- Terminals ----------------------------------------------------------------------------


def test_a_terminal_with_few_signs_or_none_changes_no_exit_code(tmp_path):
    tiny = tiny_cohort()
    info = {"name": "Lungenknötchen \u2264 3 mm"}
    folder = save(Cohort(tiny.cases, tiny.views, tiny.masks, info), tmp_path / "cohort")
    command = [sys.executable, "-m", "lungcls.cli", "cohort", "check", str(folder)]
    few = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert few.returncode == 0 and b"\\u2264 3 mm" in few.stdout, few.stderr
    shut = subprocess.run(["sh", "-c", '"$0" "$@" 2>&-', *command], stdout=subprocess.PIPE)
    assert shut.returncode == 0 and b"fingerprint" in shut.stdout


# --- Sound input ----------------------------------------------------------------------


def test_check_prints_the_summary(tmp_path):
    folder = save(tiny_cohort(), tmp_path / "cohort")
    result = call("cohort", "check", folder)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = dict(line.strip().split("  ", 1) for line in result.stdout.splitlines()[1:])
    rows = {name: value.strip() for name, value in rows.items()}
    assert rows["cases"] == "10 of 5 patients"
    assert (rows["benign"], rows["malignant"]) == ("6 cases", "4 cases")
    assert rows["score 3"] == "2 cases, indeterminate"
    assert (rows["context"], rows["nodule"]) == ("8 x 8 int16", "8 x 8 int16, with mask")
    assert rows["fingerprint"] == load(folder).fingerprint()[:12]


def test_check_notes_where_padding_sets_the_scale_and_ends_well(tmp_path):
    tiny = tiny_cohort()
    images = tiny.views["context"][:]
    images[:7, :3] = -2000
    folder = save(
        Cohort(tiny.cases, {"context": images, "nodule": tiny.views["nodule"]}), tmp_path / "cohort"
    )
    result = call("cohort", "check", folder)
    (note,) = [line.strip() for line in result.stdout.splitlines() if "set by padding" in line]
    assert note.split("  ")[0] == "note" and "context: scale set by padding; 7: --set window=" in note
    assert result.exit_code == 0


def test_course_and_folder_end_with_the_summary(tmp_path):
    write_course(tmp_path / "course", (1, 2, 7))
    result = call("cohort", "course", tmp_path / "course", tmp_path / "a")
    assert result.exit_code == 0
    assert "cases        3 of 3 patients" in result.stdout
    assert "patients     unknown: the layout names no patient" in result.stdout
    csv, _ = write_images(tmp_path / "images")
    result = call("cohort", "folder", csv, tmp_path / "b")
    assert (result.exit_code, "nodule       6 x 7 uint8, with mask" in result.stdout) == (0, True)
    assert call("cohort", "check", tmp_path / "b").exit_code == 0


def test_an_unlabelled_cohort_is_checked_when_asked(tmp_path):
    tiny = tiny_cohort()
    folder = save(Cohort(tiny.cases.drop(columns="malignancy"), tiny.views), tmp_path / "cohort")
    assert call("cohort", "check", folder).exit_code == 2
    result = call("cohort", "check", folder, "--no-labels")
    assert (result.exit_code, "none: the cohort is not labelled" in result.stdout) == (0, True)


def test_phantom_hands_its_options_over_and_ends_with_the_summary(monkeypatch):
    given = {}

    def make(folder, **options):
        given.update(options, folder=folder)
        return tiny_cohort()

    monkeypatch.setattr("lungcls.sources.phantom.making.make", make)
    result = call("cohort", "phantom", "here", "--cases", 7, "--seed", 3, "--jobs", 2)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "tiny")
    assert given == {"folder": "here", "cases": 7, "seed": 3, "jobs": 2, "progress": True}


def test_lidc_index_says_whether_the_index_is_the_shipped_one(monkeypatch):
    from lungcls.sources import annotations

    for equal, code in ((True, 0), (False, 1)):
        found = {"lidc_nodules.csv": True, "lidc_scans.csv": equal}
        monkeypatch.setattr(annotations, "rebuild_index", lambda folder, found=found, **options: found)
        result = call("cohort", "lidc-index")
        assert result.exit_code == code
        word = "equals" if equal else "differs from"
        assert result.stdout.splitlines()[1] == f"lidc_scans.csv: {word} the shipped one"


def test_book_hands_its_options_over_and_its_errors_on(monkeypatch):
    class BookError(RuntimeError):
        pass

    given = {}

    def build(**options):
        given.update(options)
        if options["profile"] == "broken":
            raise BookError("01_data_inspection: cell 3: NameError")
        return "_build/html/index.html"

    module = types.SimpleNamespace(build=build, BookError=BookError)
    monkeypatch.setattr("lungcls.report.build.book", module, raising=False)
    monkeypatch.setitem(sys.modules, "lungcls.report.build.book", module)
    parameters = ["-p", "epochs", "3", "-p", "views", '["nodule"]']
    result = call("book", "--profile", "smoke", "--only", "01,02", *parameters)
    assert (result.exit_code, result.stdout) == (0, "book: _build/html/index.html\n")
    assert given == {
        "profile": "smoke",
        "only": "01,02",
        "force": False,
        "cohort": "phantom",
        "seed": 0,
        "parameters": {"epochs": 3, "views": ["nodule"]},
        "html_only": False,
        "pdf": False,
    }
    result = call("book", "--profile", "broken")
    assert (result.exit_code, result.stderr) == (1, "lungcls: error: 01_data_inspection: cell 3: NameError\n")


def test_book_arguments_exist_in_the_builder():
    import inspect

    from lungcls.report.build import book

    named = {"profile", "only", "force", "cohort", "seed", "parameters", "html_only"}
    assert named <= set(inspect.signature(book.build).parameters)


def test_an_interrupt_is_clean(tmp_path, monkeypatch):
    csv, _ = write_images(tmp_path / "images")
    before = sorted(tmp_path.rglob("*"))

    def interrupt(path, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("lungcls.sources.folder.read_image", interrupt)
    result = call("cohort", "folder", csv, tmp_path / "cohort")
    assert (result.exit_code, result.stderr) == (130, "lungcls: error: interrupted\n")  # 1 is a finding
    assert sorted(tmp_path.rglob("*")) == before


def test_version_and_usage():
    assert call("--version").stdout == f"lungcls, version {__version__}\n"
    assert call("cohort", "phantom", "x").exit_code == 2  # --cases is missing
    assert call("cohort", "nothing").exit_code == 2


def test_the_version_is_the_distributions():
    from importlib.metadata import version

    assert version("lungcls") == __version__


def test_the_command_line_imports_nothing_heavy():
    code = "import sys, json, lungcls.cli; json.dump(sorted(sys.modules), sys.stdout)"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {"numpy", "pandas", "tensorflow", "keras", "matplotlib", "sklearn"} & set(loaded)
