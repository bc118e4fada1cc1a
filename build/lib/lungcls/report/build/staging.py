"""Stage the book: put what jupyter-book reads into one folder, under the paths it has in git.

Executed copies take the place of their sources, so that links, downloads and launch
buttons point at files that are in git; the configuration gets the computed numbers and,
where it is known, the repository's address.
"""

import base64
import os
import re
import shutil

import nbformat
import yaml

from lungcls.errors import InputError
from lungcls.report.build import gallery, interactive
from lungcls.report.build.execution import digest_of, read, with_prose, without_repeated
from lungcls.report.paths import read_yaml
from lungcls.report.wording import text

REPOSITORY = "LUNGCLS_REPOSITORY"  # https://host/owner/name, or with @branch
IMAGE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")


def stage(checkout, *, copies, numbers):
    """Make `_build/stage` of a checkout anew; list what was left out because it has not been executed."""
    folder = checkout / "_build" / "stage"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "notebooks").mkdir(parents=True)
    shutil.copytree(checkout / "book", folder / "book")
    for path in checkout.glob("CHANGELOG.md"):  # the page on changes includes it
        shutil.copy(path, folder)
    interactive.place(folder / "book")
    left_out = [f"notebooks/{path.stem}" for path, copy in copies.items() if not copy.exists()]
    if not gallery.place(checkout, folder / "book" / "gallery"):
        (folder / "book" / "gallery.md").unlink()
        left_out.append("book/gallery")
    for path, copy in ((path, copy) for path, copy in copies.items() if copy.exists()):
        notebook = without_repeated(with_prose(read(copy), read(path)))
        _extract_images(notebook, folder / "notebooks")
        _mark_simulated(notebook)
        nbformat.write(notebook, folder / "notebooks" / path.name)
    _write_yaml(folder / "_toc.yml", without(read_yaml(checkout / "_toc.yml"), left_out))
    numbers = {name: _to_files(text, folder / "book") for name, text in numbers.items()}
    _write_yaml(folder / "_config.yml", configure(read_yaml(checkout / "_config.yml"), numbers))
    return left_out


def _displays(notebook):
    """The displays of a notebook that have a MyST form."""
    displays = (one.get("data", {}) for cell in notebook.cells for one in cell.get("outputs", []))
    return [data for data in displays if "text/markdown" in data]


def _extract_images(notebook, folder):
    """Write the images of figure directives to files, so that pages stay light."""
    for data in _displays(notebook):
        data["text/markdown"] = _to_files(data["text/markdown"], folder)


def _mark_simulated(notebook):
    """Say under the title that a page has simulated images, where a caption says so."""
    mark = text("badge-simulated", n="").partition("(")[0]
    if any(mark in data["text/markdown"] for data in _displays(notebook)):
        title, _, rest = notebook.cells[0].source.partition("\n")
        notebook.cells[0].source = f"{title}\n\n{text('sentence-page-simulated')}\n{rest}"


def _to_files(text, folder):
    """Write the images of a text into `figures` in its page's folder, and name the files instead."""

    def to_file(match):
        png = base64.b64decode(match[1])
        name = f"figures/{digest_of(png)[:16]}.png"
        (folder / "figures").mkdir(exist_ok=True)
        (folder / name).write_bytes(png)
        return name

    return IMAGE.sub(to_file, text)


def without(contents, chapters):
    """Drop chapters (files without suffix) from a table of contents, and parts that are left empty."""
    if isinstance(contents, list):
        kept = [item for item in contents if item.get("file") not in chapters]
        return [item for item in (without(item, chapters) for item in kept) if item]
    if not isinstance(contents, dict):
        return contents
    kept = {}
    for name, value in contents.items():
        value = without(value, chapters) if isinstance(value, list) else value
        if value == [] and "file" not in contents and "root" not in contents:
            return {}
        if value != []:
            kept[name] = value
    return kept


def configure(config, numbers, repository=None):
    """Complete `_config.yml` with numbers for ``{{ name }}`` and the address of the repository."""
    parse = config.get("parse", {})
    config = {**config, "parse": {**parse, "myst_substitutions": dict(numbers)}}
    repository = os.environ.get(REPOSITORY, "") if repository is None else repository
    if not repository:
        return config
    address = re.fullmatch(r"(https://[^/@\s]+/[^/@\s]+/[^/@\s]+?)(?:\.git)?(?:@([^@\s]+))?", repository)
    if not address:
        raise InputError(f"{REPOSITORY}: found {repository!r}, expected https://host/owner/name[@branch]")
    hosts = {"colab_url": "https://colab.research.google.com", "binderhub_url": "https://mybinder.org"}
    return config | {
        "repository": {"url": address[1], "branch": address[2] or "main", "path_to_book": ""},
        "launch_buttons": {"notebook_interface": "jupyterlab", **hosts},
        "html": {**config.get("html", {}), "use_repository_button": True},
    }


def _write_yaml(path, content):
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
