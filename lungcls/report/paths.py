"""Make the book: execute the notebooks, stage everything, render it with jupyter-book.

All work happens in `_build` of the checkout: `executed/<profile>` holds the executed
copies, `stage` is the folder that jupyter-book sees (executed copies under the paths of
their sources, so that links and downloads point at files that are in git), `html` is the
book, replaced only by a whole one.
"""

from pathlib import Path

from lungcls.errors import InputError

PARTS = ("_config.yml", "_toc.yml", "notebooks", "book")  # a checkout has all of them


def find_checkout(start=None):
    """Find the checkout that a folder (by default the working directory) is in."""
    start = Path(start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if all((folder / part).exists() for part in PARTS):
            return folder
    raise InputError(f"{start}: not in a checkout of lungcls, expected a folder with {', '.join(PARTS)}")
