"""Notebook pairs: the percent script is edited, the .ipynb beside it is made from it.

``python -m lungcls.report.build.pairs notebooks`` makes every .ipynb of a folder again. The
same script gives the same bytes: no output, and cell ids that follow from the content.
"""

import hashlib
from pathlib import Path
import sys


def notebook_text(script):
    """Convert a percent script, whose header names a kernel, to the text of an .ipynb without outputs."""
    import jupytext
    import nbformat

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


def differing(folder):
    """List the scripts of a folder whose .ipynb is missing or not what the script gives, by name."""
    return [path for path in scripts(folder) if not _agrees(path)]


def _agrees(path):
    made = path.with_suffix(".ipynb")
    return made.exists() and made.read_text(encoding="utf-8") == _converted(path)


def _converted(path):
    return notebook_text(path.read_text(encoding="utf-8"))


def scripts(folder):
    """List the percent scripts ``NN_topic.py`` of a folder."""
    return sorted(Path(folder).glob("[0-9][0-9]_*.py"))


def make(folder):
    """Make the .ipynb of every script that has changed; list those written."""
    changed = differing(folder)
    for path in changed:
        path.with_suffix(".ipynb").write_text(_converted(path), encoding="utf-8")
    return [path.with_suffix(".ipynb") for path in changed]


if __name__ == "__main__":
    for made in make(sys.argv[1]):
        print(made)
