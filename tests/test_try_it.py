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


def fewer_nodules(before, after):
    assert 0.4 < len(after["every"]) / len(before["every"]) < 0.6 and after["share"] > before["share"]


def same_start(before, after):
    assert before["agreed"].overlap < after["agreed"].overlap == 1


def patients_shared(before, after):
    shares = [
        one["splits"].shared_patients(one["real"], one["split"]).loc["test", "share"]
        for one in (before, after)
    ]
    assert shares[0] == 0 and shares[1] > 0.8


def nearly_blind(before, after):
    plain, many = (one["guess"]["upsample_plus"] for one in (before, after))
    assert plain["by the copies"] - plain["blindly"] > 0.1 > 0.05 > many["by the copies"] - many["blindly"]


def more_is_lost(before, after):
    (shift, _, lost), (larger, _, more) = (one["table"]["randaugment"] for one in (before, after))
    assert larger > 1.2 * shift and more > lost


CARDS = [
    ("01_data_inspection", "least_readers=1", "least_readers=3", fewer_nodules),
    ("01_data_inspection", "seed + 1", "seed", same_start),
    ("02_preprocessing", "gain=gain", "gain=2", paler),
    ("02_preprocessing", "zoomed.shape[1:], crop=crop", "zoomed.shape[1:], crop=40", no_padding),
    ("03_balancing", 'protocol="patient"', 'protocol="report"', patients_shared),
    ("03_balancing", "plus=200", "plus=5000", nearly_blind),
    ("03_balancing", '"operations": 2', '"operations": 4', more_is_lost),
    ("15_another_hospital", "group=AGREED", 'group="two readers or more"', level),
    ("15_another_hospital", 'OURS, "curve"', '"diameter", "curve"', ruler_fits),
]


@pytest.mark.parametrize("chapter, old, new, check", CARDS, ids=[f"{c[0]}-{c[3].__name__}" for c in CARDS])
def test_the_change_does_what_the_card_says(chapter, old, new, check):
    text = (FOLDER / f"{chapter}.py").read_text(encoding="utf-8")
    cards = re.findall(r"# ```\{admonition\} Try it\n(.*?)# ```\n", text, re.DOTALL)
    assert any(new.split()[-1] in card for card in cards)
    check(*walk(chapter, old, new))
