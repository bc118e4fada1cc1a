"""Keys: what changes them, and what must not."""

import ast
import os
from pathlib import Path

import numpy as np
import pytest

import lungcls
from lungcls import keys
from lungcls.cohort import load
from lungcls.errors import InputError
from lungcls.files import whole_text

PACKAGE = Path(lungcls.__file__).parent
SOURCE = '"""Doc."""\n\ndef f(x):\n    """Doc."""\n    return x + 1\n'


def test_docstrings_comments_and_layout_do_not_count():
    other = '"""Another."""\n# why\ndef f( x ):\n    return (x + 1)\n'
    assert keys.code_digest(SOURCE) == keys.code_digest(other)


def test_code_counts():
    assert keys.code_digest(SOURCE) != keys.code_digest(SOURCE.replace("+ 1", "+ 2"))
    assert keys.code_digest('def f():\n    """Doc."""\n') == keys.code_digest("def f():\n    pass\n")


def test_every_module_that_training_imports_is_hashed():
    # What these do is in the key as values or fingerprints.
    plain = {"errors", "files", "cohort", "backend", "keys", "runs", "splitting", "weights"}
    seen, waiting = set(), ["recipe"]
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lungcls"):
                names = [node.module.split(".")[1]] if "." in node.module else [a.name for a in node.names]
                waiting += [n for n in names if (PACKAGE / f"{n}.py").exists() and n not in seen | plain]
    assert seen == set(keys.MODULES)


def test_engine_names_versions_without_importing_keras():
    found = keys.engine()
    assert found["backend"].split()[0] in ("tensorflow", "jax", "torch")
    assert found["keras"][0] == "3"


def test_a_fingerprint_is_computed_once(saved, tmp_path, monkeypatch):
    cohort = load(saved)
    assert keys.cohort_fingerprint(cohort, tmp_path / "kept") == cohort.fingerprint()
    monkeypatch.setattr(type(cohort), "fingerprint", lambda self: pytest.fail("read again"))
    keys.cohort_fingerprint(load(saved), tmp_path / "kept")


def test_a_fingerprint_follows_content_and_choice(saved, tmp_path):
    before = keys.cohort_fingerprint(load(saved), tmp_path / "kept")
    assert keys.cohort_fingerprint(load(saved).select([0, 1]), tmp_path / "kept") != before
    images = np.load(saved / "context.npy")
    images[0, 0, 0] += 1
    np.save(saved / "context.npy", images)
    os.utime(saved / "context.npy", ns=(1, 1))
    assert keys.cohort_fingerprint(load(saved), tmp_path / "kept") == load(saved).fingerprint() != before


def test_differences_are_said_in_words():
    old = {"code": {"training": "a", "models": "b"}, "settings": {"epochs": 3}, "keras": "3.1", "cohort": "a"}
    new = {"code": {"training": "c", "models": "b"}, "settings": {"epochs": 4}, "keras": "3.2", "cohort": "b"}
    assert keys.differences(old, new) == ["code of training", "epochs 3, now 4", "keras 3.1, now 3.2",
                                          "another cohort"]
    assert keys.differences(old, old) == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        whole_text(tmp_path / "file" / "below", "text")
    whole_text(tmp_path / "new" / "a.csv", "text")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["file", "a.csv"]
