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


def test_a_crop_fits_the_images(saved):
    names = {"profile": "smoke", "cohort": str(saved), "seed": 0, "crop": 8}
    parameters.check_parameters(names, "crop")
    with pytest.raises(InputError, match="^crop: found 9 x 9 pixels with images of 8 x 8, expected"):
        parameters.check_parameters(names | {"crop": 9}, "crop")


def test_what_fits_passes(saved):
    fits = {"cohort": str(saved), "seed": 2**32 - 1, "level": 0.9, "gain": 10, "cutoff": 0.3}
    fits |= {"views": "nodule, context", "numbers": [2, 3], "another": object()}
    for name, value in fits.items():
        parameters.check(name, value)
