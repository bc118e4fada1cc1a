"""What the parameters of a chapter may be: a wrong one is one line in its first cell, before any work."""

import ast
from importlib.resources import files
import json
import os
import re

from lungcls.cohorts.cohort import VIEWS, load
from lungcls.errors import InputError
from lungcls.preprocessing.geometry import center_crop
from lungcls.profiles import PROFILES


def _number(low, high, kind):
    words = f"a {'whole ' if kind is int else ''}number from {low} to {high}"
    return words, lambda value: type(value) in (int, kind) and low <= value <= high


RANGES = json.loads((files("lungcls") / "report" / "parameters.json").read_text(encoding="utf-8"))
SHARED = ("profile", "cohort", "seed")  # what every chapter declares
RULES = {  # what is expected, in words and as a test
    "profile": (f"one of {', '.join(PROFILES)}", lambda value: value in list(PROFILES)),
    "cohort": (
        "'phantom' or a folder with cases.csv",
        lambda value: value == "phantom" or os.path.isfile(f"{value}/cases.csv"),
    ),
    "views": (
        f"some of {', '.join(VIEWS)}",
        lambda value: set() < set(re.findall(r"\w+", str(value))) <= set(VIEWS),
    ),
    "cutoff": (
        "'mean' or a number from 0 to 1",
        lambda value: value == "mean" or _number(0, 1, float)[1](value),
    ),
    "numbers": (
        "a list of whole numbers from 1 to 20",
        lambda value: type(value) is list and value and all(map(_number(1, 20, int)[1], value)),
    ),
    "weights": (
        "imagenet, none, or the path of a file or a folder",
        lambda value: value in ("imagenet", "none") or (type(value) is str and os.path.exists(value)),
    ),
    "runs": ("a text", lambda value: type(value) is str),
}
for _kind, _name in ((int, "whole numbers"), (float, "numbers")):
    RULES |= {name: _number(*ends, _kind) for name, ends in RANGES[_name].items()}


def check(name, value):
    """Refuse a value that a parameter of that name cannot have; a name without a rule may have any."""
    words, fits = RULES.get(name, ("", lambda value: True))
    if not fits(value):
        raise InputError(f"{name}: found {value!r}, expected {words}")


def check_parameters(names, *own):
    """Check a chapter's parameters in its `globals()`; `own` are those it declares beside `SHARED`."""
    declared = (*SHARED, *own)
    injected = next((cell for cell in names.get("In", ()) if cell.startswith("# Parameters\n")), "")
    for name in (node.targets[0].id for node in ast.parse(injected).body):  # papermill only warns
        if name not in declared:
            raise InputError(f"parameter {name!r} is not declared, expected one of: {', '.join(declared)}")
    for name in declared:
        check(name, names[name])
    if "crop" in own and names["cohort"] != "phantom":
        center_crop(load(names["cohort"]).images("nodule")[:1], names["crop"])  # one that fits
