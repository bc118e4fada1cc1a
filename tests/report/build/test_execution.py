"""The key of an executed notebook, and prose that is newer than its outputs."""

import json

import nbformat

from lungcls.report.build import execution


class Cases:
    """What stands for a cohort."""

    def fingerprint(self):
        return "cases"


def test_package_source_is_part_of_the_key(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.setattr("lungcls.__file__", str(tmp_path / "__init__.py"))
    keys = {execution.surroundings(tmp_path, Cases())["package"]}
    for name in ("new.py", "data/table.csv"):
        (tmp_path / name).write_text("1", encoding="utf-8")
        keys.add(execution.surroundings(tmp_path, Cases())["package"])
    (tmp_path / "new.py").rename(tmp_path / "renamed.py")
    keys.add(execution.surroundings(tmp_path, Cases())["package"])
    assert len(keys) == 4
    (tmp_path / "new.pyc").write_text("1", encoding="utf-8")
    assert execution.surroundings(tmp_path, Cases())["package"] in keys


def test_a_recorded_result_is_part_of_the_key(tmp_path):
    results = tmp_path / "book" / "results" / "lidc"
    results.mkdir(parents=True)
    before = execution.surroundings(tmp_path, Cases())["results"]
    (results / "found.json").write_text("{}", encoding="utf-8")
    found = execution.surroundings(tmp_path, Cases())["results"]
    (results / "found.json").write_text("[]", encoding="utf-8")
    assert len({before, found, execution.surroundings(tmp_path, Cases())["results"]}) == 3


def test_prose_is_new_and_outputs_are_old():
    new = nbformat.v4
    first, last = new.new_code_cell("a = 1", metadata={"tags": ["parameters"]}), new.new_code_cell("a")
    source = new.new_notebook(cells=[new.new_markdown_cell("new"), first, last])
    injected = new.new_code_cell("a = 2", metadata={"tags": ["injected-parameters"]})
    shown = new.new_code_cell("a", metadata={"papermill": {"x": 1}})
    shown.outputs = [new.new_output("stream", text="2")]
    ran = new.new_notebook(cells=[new.new_markdown_cell("old"), new.new_code_cell("a = 1"), injected, shown])
    ran.metadata["papermill"] = {"input_path": "somewhere"}
    merged = execution.with_prose(ran, source)
    assert [cell.source for cell in merged.cells] == ["new", "a = 1", "a = 2", "a"]
    assert merged.cells[3].outputs[0].text == "2"
    assert "papermill" not in json.dumps(merged)
    source.cells[2].source = "a + 1"  # executed code is never shown under other code
    assert [cell.source for cell in execution.with_prose(ran, source).cells] == ["old", "a = 1", "a = 2", "a"]


def test_a_cell_that_only_repeats_the_parameters_is_left_out():
    new = nbformat.v4
    declared = new.new_code_cell('a = 1  # one\nb = "x"', metadata={"tags": ["parameters"]})
    tags = {"tags": ["injected-parameters"]}
    for source, kept in (("# Parameters\na = 1", 2), ("# Parameters\na = 2", 3), ('c = "x"', 3)):
        injected = new.new_code_cell(source, metadata=tags)
        notebook = new.new_notebook(cells=[declared, injected, new.new_code_cell("a")])
        assert len(execution.without_repeated(notebook).cells) == kept
