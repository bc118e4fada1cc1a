"""Notebook pairs: the percent script is edited, the .ipynb beside it is made from it.

``python -m lungcls.report.build.pairs notebooks`` makes every .ipynb of a folder again. The
same script gives the same bytes: no output, and cell ids that follow from the content.
"""

import hashlib
from pathlib import Path
import sys

import jupytext
import nbformat


def notebook_text(script):
    """Convert a percent script, whose header names a kernel, to the text of an .ipynb without outputs."""
    notebook = jupytext.reads(script, fmt="py:percent")
    if "kernelspec" not in notebook.metadata:
        raise ValueError("script: no kernelspec in the jupytext header, expected python3")
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # cells have ids
    seen = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def scripts(folder):
    """List the percent scripts ``NN_topic.py`` of a folder."""
    return sorted(Path(folder).glob("[0-9][0-9]_*.py"))


def _made(folder):
    """Texts of all .ipynb of a folder by path, as their scripts give them."""
    read = ((path, path.read_text(encoding="utf-8")) for path in scripts(folder))
    return {path.with_suffix(".ipynb"): notebook_text(script) for path, script in read}


def differing(folder):
    """List the scripts of a folder whose .ipynb is missing or not what the script gives, by name."""
    return [path.with_suffix(".py") for path in _changed(_made(folder))]


def make(folder):
    """Make the .ipynb of every script that has changed; list those written."""
    return write_changed(_made(folder))


def _changed(texts):
    there = {path: path.read_text(encoding="utf-8") for path in texts if path.exists()}
    return sorted(path for path, text in texts.items() if there.get(path) != text)


def write_changed(texts):
    """Write the texts (by path) that differ from what is there; list their paths."""
    changed = _changed(texts)
    for path in changed:
        path.write_text(texts[path], encoding="utf-8")
    return changed


if __name__ == "__main__":
    for made in make(sys.argv[1]):
        print(made)
