"""Staging: contents without what is missing, configuration with what was computed."""

import pytest

from lungcls.errors import InputError
from lungcls.report.build import staging


def test_the_repository_gives_launch_buttons():
    config = {"title": "T", "parse": {"a": 1}, "html": {"b": 2}}
    bare = staging.configure(config, {"n": "1"}, "")
    assert bare == {"title": "T", "parse": {"a": 1, "myst_substitutions": {"n": "1"}}, "html": {"b": 2}}
    full = staging.configure(config, {}, "https://github.com/someone/lungcls.git")
    assert full["repository"]["url"] == "https://github.com/someone/lungcls"
    assert full["repository"]["branch"] == "main"
    assert full["html"] == {"b": 2, "use_repository_button": True}
    with pytest.raises(InputError, match="LUNGCLS_REPOSITORY: found 'someone/lungcls'"):
        staging.configure(config, {}, "someone/lungcls")


def test_chapters_without_their_files_leave_the_contents():
    contents = {
        "root": "book/a",
        "parts": [
            {"caption": "One", "chapters": [{"file": "n/1", "sections": [{"file": "n/2"}]}, {"file": "n/3"}]},
            {"caption": "Two", "chapters": [{"file": "n/4"}]},
        ],
    }
    left = staging.without(contents, ["n/2", "n/4"])
    chapters = [{"file": "n/1"}, {"file": "n/3"}]
    assert left == {"root": "book/a", "parts": [{"caption": "One", "chapters": chapters}]}
    assert staging.without(contents, []) == contents


def test_the_images_of_a_page_become_files_beside_it(tmp_path):
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
    for name in ("_toc.yml", "_config.yml"):
        (tmp_path / name).write_text("{}\n")
    staging.stage(
        tmp_path, copies={}, numbers={"shown": "```{figure} data:image/png;base64,QUJD\n```", "n": "7"}
    )
    staged = tmp_path / "_build" / "stage"
    [image] = (staged / "book" / "figures").iterdir()
    assert image.read_bytes() == b"ABC"
    config = (staged / "_config.yml").read_text()
    assert f"figures/{image.name}" in config and "base64" not in config
