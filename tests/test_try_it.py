"""Every *Try it* card: the change that it names, made in its cell, has the effect that it promises."""

from pathlib import Path
import re

import nbformat
import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"


def walk(chapter, old, new):
    """Run what a reader sees of a chapter, up to the changed cell; return its names before and after.

    Hidden cells draw, so only those with imports are run.
    """
    names = {}
    for cell in nbformat.read(FOLDER / f"{chapter}.ipynb", as_version=4).cells:
        tags = cell.metadata.get("tags", [])
        hidden = any(tag.startswith("hide") for tag in tags)
        if (
            cell.cell_type != "code"
            or "google.colab" in cell.source
            or (hidden and "import " not in cell.source)
        ):
            continue
        exec(cell.source, names)
        names |= {"profile": "smoke"} if "parameters" in tags else {}
        if old in cell.source and not hidden and "parameters" not in tags:
            before = dict(names)
            exec(cell.source.replace(old, new), names)
            return before, names
    raise AssertionError(f"{chapter}: no visible cell has {old!r}")


def paler(before, after):
    assert np.ptp(before["sharp"]) > 0.9 and 0.35 < np.ptp(after["sharp"]) < 0.65


def no_padding(before, after):
    assert before["after"] > 0.9 and after["after"] < 0.05


def level(before, after):
    gaps = {name: row["value"] for name, row in after["agreed"]["less diameter"].items()}
    assert all(abs(gaps[name]) < 0.02 for name in ("our model", "CNN (from scratch)"))
    assert before["agreed"].loc["our model", "less diameter"]["value"] < -0.02


def ruler_fits(before, after):
    fits = [
        ((one["low"] <= one["probability"]) & (one["probability"] <= one["high"])).all()
        for one in (before["curves"]["all"], after["curves"]["all"])
    ]
    assert fits == [False, True]


def a_cell_a_pixel(before, after):
    assert after["maps"].values.shape == after["images"].shape[:3] != before["maps"].values.shape


def opposites(before, after):
    malignant, benign = before["maps"].values[before["maps"].classes == 1], after["maps"].values
    benign = benign[before["maps"].classes == 1]
    assert len(benign) and (malignant * benign == 0).all() and (malignant > 0).any() and (benign > 0).any()


def two_draws_agree_less(before, after):
    same, fewer = (names["agreement"].mean() for names in (before, after))
    assert fewer < same - 0.1


def cosine_sees_directions(before, after):
    assert (before["rows"] == after["rows"]).all()
    assert after["distances"] == pytest.approx(before["distances"], abs=1e-6)


def five_classes_are_harder(before, after):
    searches = ["network", "diameter alone", "random order"]
    gaps = (before["means"] - after["means"])["value"].xs("precision at 5", level=1)
    assert (gaps[searches] > 0.1).all()


CARDS = [
    ("02_preprocessing", "gain=gain", "gain=2", paler),
    ("02_preprocessing", "zoomed.shape[1:], crop=crop", "zoomed.shape[1:], crop=40", no_padding),
    ("07_explainability", "images)", 'images, layer="block1_relu")', a_cell_a_pixel),
    ("07_explainability", "images)", "images, classes=0)", opposites),
    ("07_explainability", "samples=400", "samples=100", two_draws_agree_less),
    ("08_retrieval", "vectors[queries]", "9 * vectors[queries]", cosine_sees_directions),
    ("08_retrieval", 'task="binary")', 'task="multiclass")', five_classes_are_harder),
    ("15_another_hospital", "group=AGREED", 'group="two readers or more"', level),
    ("15_another_hospital", 'OURS, "curve"', '"diameter", "curve"', ruler_fits),
]


@pytest.mark.parametrize("chapter, old, new, check", CARDS, ids=[f"{c[0]}-{c[3].__name__}" for c in CARDS])
def test_the_change_does_what_the_card_says(chapter, old, new, check):
    text = (FOLDER / f"{chapter}.py").read_text(encoding="utf-8")
    cards = re.findall(r"# ```\{admonition\} Try it\n(.*?)# ```\n", text, re.DOTALL)
    assert any(new.split()[-1] in card for card in cards)
    check(*walk(chapter, old, new))
