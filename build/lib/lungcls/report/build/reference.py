"""Pages of the API reference: one a room, made from the names that its face offers.

``python -m lungcls.report.build.reference book/api`` writes the pages that have changed. Each says what
belongs in the room, lists its names in a table, and shows the documentation of each.
"""

from importlib import import_module
import inspect
from pathlib import Path
import sys

import lungcls
from lungcls.report.build.pairs import write_changed


def page(room):
    """Write the page of a room as MyST around one block of reStructuredText."""
    full = f"lungcls.{room}"
    face = import_module(full)
    names = getattr(face, "__all__", [])
    lines = [f".. automodule:: {full}", ""]
    lines += [".. autosummary::", "   :nosignatures:", ""] if names else []
    lines += [f"   {name}" for name in names] + [""]
    lines += [f".. {_directive(getattr(face, name))}:: {full}.{name}" for name in names]
    return "\n".join([f"# `{full}`", "", "```{eval-rst}", *lines, "```", ""])


def _directive(value):
    return "autoclass" if inspect.isclass(value) else "autofunction" if callable(value) else "autodata"


def pages(folder):
    """Texts of all pages by path, one a room of the package."""
    return {Path(folder) / f"{room}.md": page(room) for room in lungcls.__all__}


if __name__ == "__main__":
    for written in write_changed(pages(sys.argv[1])):
        print(written)
