"""Where the checkout is that holds the book: its notebooks, pages and recorded results."""

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
