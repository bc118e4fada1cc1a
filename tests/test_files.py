"""Digests of the package's own source follow its imports."""

import hashlib
import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

import lungcls
from lungcls import files
from lungcls.errors import InputError

PACKAGE = Path(lungcls.__file__).parent
ENTRY = "runs.training"


@pytest.fixture
def copied(tmp_path):
    """A copy of the package's source whose files may be edited."""
    return Path(
        shutil.copytree(PACKAGE, tmp_path / "lungcls", ignore=shutil.ignore_patterns("__pycache__", "*.csv"))
    )


def digests(package):
    files._digest.cache_clear()
    return files.code_digests(ENTRY, package=package)


def edit(package, name, text):
    path = package.joinpath(*name.split(".")).with_suffix(".py")
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_an_edit_in_each_file_that_is_reached_counts(copied):
    before = digests(copied)
    assert len(before) > 10 and ENTRY in before and not [name for name in before if name.endswith("__init__")]
    for name in before:
        edit(copied, name, "\nEDITED = 1\n")
        after = digests(copied)
        assert {one for one in before if before[one] != after[one]} == {name}
        before = after


def test_edits_elsewhere_and_of_words_do_not_count(copied):
    before = digests(copied)
    others = {
        ".".join(path.relative_to(copied).with_suffix("").parts) for path in copied.rglob("*.py")
    } - set(before)
    assert {"cli.runs", "runs.__init__"} <= others
    for name in others:
        edit(copied, name, "\nEDITED = 1\n")
    edit(copied, ENTRY, "\n# a comment\n")
    assert digests(copied) == before


def test_a_docstring_does_not_count_and_code_does(tmp_path):
    def digest(text):
        (tmp_path / "one.py").write_text(text, encoding="utf-8")
        files._digest.cache_clear()
        return files.code_digests("one", package=tmp_path)["one"]

    source = '"""Doc."""\n\ndef f(x):\n    """Doc."""\n    return x + 1\n'
    assert digest(source) == digest('"""Other."""\n# why\ndef f( x ):\n    return (x + 1)\n')
    assert digest(source) != digest(source.replace("+ 1", "+ 2"))


def test_a_digest_is_of_bytes_or_of_what_json_writes():
    assert files.sha(b'{"a": 1}') == files.sha({"a": 1}) == hashlib.sha256(b'{"a": 1}').hexdigest()
    assert files.sha({"a": 1, "b": 2}) == files.sha({"b": 2, "a": 1}) != files.sha({"a": 2, "b": 1})


def test_an_import_in_a_function_is_followed(tmp_path):
    (tmp_path / "one.py").write_text("def f():\n    from lungcls import two\n", encoding="utf-8")
    (tmp_path / "two.py").write_text("x = 1\n", encoding="utf-8")
    assert set(files.code_digests("one", package=tmp_path)) == {"one", "two"}


def test_a_name_that_is_no_utf_8_can_be_written(tmp_path):
    files.whole_text(tmp_path / "a.json", "caf\udce9")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "caf\\udce9"


def test_a_folder_that_somebody_else_filled_meanwhile_stays(tmp_path):
    place = tmp_path / "new"
    with pytest.raises(InputError, match="new: already there"), files.whole_folder(place) as scratch:
        (scratch / "mine").touch()
        place.mkdir()
        (place / "theirs").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "theirs"]


def test_a_file_is_whole_or_not_there_and_what_a_kill_left_is_swept(tmp_path):
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    (tmp_path / f".a.csv-{int(dead.stdout)}-").touch()
    (tmp_path / f".a.csv-{os.getpid()}-1").touch()  # of a process that lives
    files.whole_text(tmp_path / "a.csv", "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".a.csv-{os.getpid()}-1", "a.csv"]
    with pytest.raises(KeyError), files.whole_file(tmp_path / "b.csv") as part:
        part.touch()
        raise KeyError
    assert not list(tmp_path.glob("*b.csv*"))


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), OSError("5 of 9 bytes were written")]
)
def test_what_stops_a_writer_is_one_line_that_names_the_file(tmp_path, error):
    expected = f"{tmp_path}/a: cannot be written \\({error.strerror or error}\\)"
    with pytest.raises(InputError, match=expected), files.whole_file(tmp_path / "a"):
        raise error
    with pytest.raises(InputError, match=expected), files.whole_folder(tmp_path / "a"):
        raise error
    with pytest.raises(FileNotFoundError), files.whole_folder(tmp_path / "a"):
        open(tmp_path / "input")
    assert not any(tmp_path.iterdir())
