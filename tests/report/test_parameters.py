"""Parameters of the chapters: declared ones pass, and any other is one line in the first cell that runs."""

import ast
from pathlib import Path

import nbformat
import pytest

from lungcls.errors import InputError
from lungcls.report import parameters

CHAPTERS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def first_cells(path):
    """Sources of the cell of parameters, and of the cell after it."""
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    at = next(i for i, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", []))
    return code[at].source, code[at + 1].source


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_first_cell_checks_each_parameter(path):
    declared, first = first_cells(path)
    names = {}
    exec(declared, names)
    given = [node.targets[0].id for node in ast.parse(declared).body]
    assert set(given) <= set(parameters.RULES)
    exec(first, names)  # the defaults pass
    for name in given:
        with pytest.raises(InputError, match=rf"^{name}: found \{{'x': 1\}}, expected .+$"):
            exec(first, names | {name: {"x": 1}})
    injected = {"In": ["", declared, "# Parameters\nseed = 1\nchanges = {'CNNN': 1}\n"]}
    with pytest.raises(InputError, match=r"^parameter 'changes' is not declared, expected one of: profile, "):
        exec(first, names | injected)


WRONG = {
    "seed": ("abc", 1.5, True, -1, 2**32, None),
    "sample": (-1, 0, 1e3),
    "neighbours": (999, 0),
    "n_splits": (0, "10"),
    "level": (1.5, 0, float("nan")),
    "cohort": ("nowhere", "", 5, "\0", "a" * 5000, ["phantom"]),
    "profile": ("fast", ["quick"], None),
    "views": ([], "", ["lesion"], 3),
    "cutoff": ("median", 2, True),
    "numbers": ([], [0], [2.5], 4, "2 3"),
    "runs": (None, 1),
}


@pytest.mark.parametrize("name, value", [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_wrong_value_is_one_line(name, value):
    with pytest.raises(InputError) as found:
        parameters.check(name, value)
    assert str(found.value).startswith(f"{name}: found {value!r}, expected ") and "\n" not in str(found.value)


def test_what_fits_passes(saved):
    fits = {"cohort": str(saved), "seed": 2**32 - 1, "level": 0.9, "gain": 10, "cutoff": 0.3}
    fits |= {"views": "nodule, context", "numbers": [2, 3], "another": object()}
    for name, value in fits.items():
        parameters.check(name, value)
