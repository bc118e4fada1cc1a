"""Networks as ONNX: the same answers from a file with one input and any number of images."""

import json
import sys

import numpy as np
import pytest

from lungcls import runs
from lungcls.errors import InputError
from lungcls.runs.sharing import onnx_export


def test_without_the_extra_it_is_one_line(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"export: .* expected the extra onnx: pip install 'lungcls"):
        runs.export(trained[3], tmp_path / "a.onnx")


@pytest.mark.parametrize("name", ["best-binary", "best-multiclass", "trained"])
def test_the_file_answers_as_the_run(name, trained, tmp_path):
    ort = pytest.importorskip("onnxruntime")
    run = trained[3] if name == "trained" else runs.pretrained(name)
    apart = runs.export(run, tmp_path / "a.onnx")
    assert 0 < apart <= onnx_export.TOLERANCE or name == "trained"
    session = ort.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["image"]
    assert [one.name for one in session.get_outputs()] == ["probabilities"]
    size, classes = run.config["settings"]["image_size"], 5 if run.config["task"] == "multiclass" else 1
    for n in (1, 7):
        (found,) = session.run(None, {"image": np.zeros((n, size, size, 1), np.float32)})
        assert found.shape == (n, classes)
    about = session.get_modelmeta().custom_metadata_map
    assert about["run"] == run.id and json.loads(about["settings"]) == run.config["settings"]
    assert "research only" in about["use"]


def test_a_file_that_answers_otherwise_is_not_written(trained, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match="ONNX answers .* from Keras, expected at most"):
        runs.export(trained[3], tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_what_onnx_cannot_say_is_one_line(trained, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnx_export, "_write", lambda model, part: part.write_bytes(b"no graph"))
    with pytest.raises(InputError, match=f"{trained[3].id}: cannot be written as ONNX"):
        runs.export(trained[3], tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())
