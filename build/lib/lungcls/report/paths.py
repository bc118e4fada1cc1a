"""Where the checkout is that holds the book, its notebooks and results, and how its YAML files are read."""

from pathlib import Path

import yaml

from lungcls.errors import InputError

PARTS = ("_config.yml", "_toc.yml", "notebooks", "book")  # a checkout has all of them


def find_checkout(start=None):
    """Find the checkout that a folder (by default the working directory) is in."""
    start = Path(start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if all((folder / part).exists() for part in PARTS):
            return folder
    raise InputError(f"{start}: not in a checkout of lungcls, expected a folder with {', '.join(PARTS)}")


def read_yaml(path):
    """Read names and values from a YAML file of the book."""
    try:
        content = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError, UnicodeError) as error:
        raise InputError(f"{path}: not a readable YAML file ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: a {type(content).__name__}, expected names and values")
    return content
