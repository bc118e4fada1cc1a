"""The gallery: scripts are run once for what they depend on, and their output stands beside them."""

import pytest
import yaml

from lungcls.report.build import gallery, staging
from lungcls.report.build.execution import BookError

SCRIPT = """\
import os
from pathlib import Path

print("two cases")
Path("scratch.txt").write_text("left behind", encoding="utf-8")
(Path(os.environ["LUNGCLS_GALLERY"]) / "figure.png").write_bytes(b"png")
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one page and one script."""
    (tmp_path / "book" / "gallery").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_config.yml").write_text("title: T\n", encoding="utf-8")
    contents = {"root": "book/first", "chapters": [{"file": "book/gallery"}, {"file": "book/other"}]}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(contents), encoding="utf-8")
    (tmp_path / "book" / "gallery.md").write_text("# Gallery\n", encoding="utf-8")
    write(tmp_path, "one", SCRIPT)
    return tmp_path


def write(checkout, name, text):
    (checkout / "book" / "gallery" / f"{name}.py").write_text(text, encoding="utf-8")


def lines(capsys):
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_output_and_figures_stand_beside_the_staged_script(checkout):
    gallery.run_all(checkout)
    staging.stage(checkout, copies={}, numbers={})
    staged = checkout / "_build" / "stage" / "book" / "gallery"
    assert sorted(path.name for path in staged.iterdir()) == ["figure.png", "one.py", "one.txt"]
    assert (staged / "one.txt").read_text(encoding="utf-8") == "two cases\n"
    assert sorted(path.name for path in (checkout / "book" / "gallery").iterdir()) == ["one.py"]


def test_output_is_used_again_until_something_changes(checkout, capsys, monkeypatch):
    def ran():
        gallery.run_all(checkout)
        return [name for name, *rest in lines(capsys) if rest != ["reused"]]

    write(checkout, "two", "print(2)")
    assert ran() == ["gallery/one", "gallery/two"]
    assert ran() == []
    write(checkout, "two", "print(3)")
    assert ran() == ["gallery/two"]
    (checkout / "requirements.lock").write_text("a==1\n", encoding="utf-8")
    assert ran() == ["gallery/one", "gallery/two"]
    (checkout / "package").mkdir()
    monkeypatch.setattr("lungcls.__file__", str(checkout / "package" / "__init__.py"))
    assert ran() == ["gallery/one", "gallery/two"]
    gallery.run_all(checkout, force=True)
    assert len(lines(capsys)) == 2


def test_what_is_recorded_does_not_make_it_run_again(checkout, capsys):
    gallery.run_all(checkout)
    (checkout / "book" / "results").mkdir()
    (checkout / "book" / "results" / "found.json").write_text("{}", encoding="utf-8")
    gallery.run_all(checkout)
    assert lines(capsys)[-1] == ["gallery/one", "reused"]


def test_a_failing_script_is_one_line_and_keeps_the_last_output(checkout):
    gallery.run_all(checkout)
    write(checkout, "one", 'print("so far")\nraise KeyError("no column")')
    with pytest.raises(BookError, match=r"^gallery/one.py: KeyError: 'no column'$"):
        gallery.run_all(checkout)
    kept = checkout / "_build" / "gallery" / "one" / "one.txt"
    assert kept.read_text(encoding="utf-8") == "two cases\n"
    assert [path.name for path in kept.parents[1].iterdir()] == ["one"]
    write(checkout, "one", "import sys\nsys.exit(3)")
    with pytest.raises(BookError, match=r"^gallery/one.py: ended with exit code 3$"):
        gallery.run_all(checkout)


def test_a_gallery_whose_scripts_were_never_run_is_left_out(checkout):
    assert staging.stage(checkout, copies={}, numbers={}) == ["book/gallery"]
    staged = checkout / "_build" / "stage"
    assert not (staged / "book" / "gallery.md").exists()
    assert yaml.safe_load((staged / "_toc.yml").read_bytes())["chapters"] == [{"file": "book/other"}]
    gallery.run_all(checkout)
    assert staging.stage(checkout, copies={}, numbers={}) == []
    assert (staged / "book" / "gallery.md").exists()
