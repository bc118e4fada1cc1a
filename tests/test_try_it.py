"""Every *Try it* card: the change that it names, made in its cell, has the effect that it promises."""

from functools import cache
from pathlib import Path
import re

import nbformat
import numpy as np
import pytest

from lungcls import runs
from lungcls.report.results import confidence_tables, tables
from lungcls.runs import settings

FOLDER = Path(__file__).parents[1] / "notebooks"


@cache
def walk(chapter):
    """Run what a reader sees of a chapter; return its names before and after the change of each card.

    Hidden cells draw, so only those with imports are run.
    """
    changes = {(old, new) for name, old, new, _ in CARDS if name == chapter}
    names, found = {}, {}
    for cell in nbformat.read(FOLDER / f"{chapter}.ipynb", as_version=4).cells:
        tags = cell.metadata.get("tags", [])
        hidden = any(tag.startswith("hide") for tag in tags)
        if (
            cell.cell_type != "code"
            or "google.colab" in cell.source
            or (hidden and "import " not in cell.source)
            or len(found) == len(changes)
        ):
            continue
        exec(cell.source, names)
        names |= {"profile": "smoke"} if "parameters" in tags else {}
        for old, new in changes - set(found):
            if old in cell.source and not hidden and "parameters" not in tags:
                before, after = dict(names), dict(names)
                exec(cell.source.replace(old, new), after)
                found[old, new] = before, after
    return found


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


def trained_anew(before, after):
    old, new = before["run"], after["run"]
    assert old.config["settings"]["dropout"] == settings.Settings().dropout  # the run that other chapters use
    assert old.id != new.id and new.history["loss"].iloc[-1] > old.history["loss"].iloc[-1]


def chance(before, after):
    run, data = before["run"], before["data"]
    assert runs.score(run, against="majority", data=data).loc["AUC", "majority"] == 0.5
    assert runs.score(run, against="diameter", data=data).loc["AUC", "diameter"] != 0.5


def too_sure(before, after):
    found = [calibration_of(names["run"], names["study"]) for names in (before, after)]
    assert (found[1] > found[0]).all() and (found[0] > 1).all()


def calibration_of(run, study):
    """The temperature of each fold of test patients."""
    result = tables.result_of(run.predictions, study.cohort)
    return confidence_tables.tested(result, task="multiclass", seed=0).temperatures


def smaller(before, after):
    assert after["chosen"].sum() < before["chosen"].sum()


CARDS = [
    ("02_preprocessing", "gain=gain", "gain=2", paler),
    ("02_preprocessing", "zoomed.shape[1:], crop=crop", "zoomed.shape[1:], crop=40", no_padding),
    ("04_model_comparison", "dropout=0.3", "dropout=0.6", trained_anew),
    (
        "04_model_comparison",
        'runs.score(run, against="diameter"',
        'runs.score(run, against="majority"',
        chance,
    ),
    ("09_confidence", 'model="efficientnetb4"', 'model="mobilenet"', too_sure),
    ("09_confidence", "level=level", "level=0.5", smaller),
    ("15_another_hospital", "group=AGREED", 'group="two readers or more"', level),
    ("15_another_hospital", 'OURS, "curve"', '"diameter", "curve"', ruler_fits),
]


@pytest.mark.parametrize("chapter, old, new, check", CARDS, ids=[f"{c[0]}-{c[3].__name__}" for c in CARDS])
def test_the_change_does_what_the_card_says(chapter, old, new, check):
    text = (FOLDER / f"{chapter}.py").read_text(encoding="utf-8")
    cards = re.findall(r"# ```\{admonition\} Try it\n(.*?)# ```\n", text, re.DOTALL)
    assert any(new.split()[-1] in card for card in cards)
    assert (old, new) in walk(chapter), f"{chapter}: no visible cell has {old!r}"
    check(*walk(chapter)[old, new])
