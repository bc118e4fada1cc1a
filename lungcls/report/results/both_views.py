"""What both views together add, as recorded by `benchmarks/both_views.py`."""

from functools import partial
from pathlib import Path

from lungcls.report.results import measurements
from lungcls.report.results.external import rows_of
from lungcls.report.results.tables import with_interval
from lungcls.report.wording import count, percent

JOINED = {"mean": ("mean of logits", "nodule"), "stacking": ("stacking", "nodule stacked alone")}
TUNED = "FT"  # EfficientNetB4, fine-tuned
TURNED = ["difference", "high", "low"]  # of a difference the other way round
AUC = {"task": "binary", "score": "AUC", "size": "all"}


def collect(folder):
    """Write what is recorded of both views together: joined late, averaged, and in one network."""
    read = partial(measurements.read, Path(folder) / "both_views")
    writers = (slices, averages, two_inputs)
    return {name: text for write in writers for name, text in write(read(f"{write.__name__}.json")).items()}


def slices(found):
    """Write what joining adds to the zoomed nodule, least and most over networks, and whose errors differ."""
    facts = {}
    for name, (method, against) in JOINED.items():
        table = rows_of(found["rows"], "network", method=method, against=against, **AUC)
        ends = {"least": table["difference"].idxmin(), "most": table["difference"].idxmax()}
        facts |= {f"both_{name}_{end}": _signed(table.loc[network]) for end, network in ends.items()}
    (one,) = (one for one in found["overlaps"] if (one["task"], one["network"]) == ("binary", TUNED))
    only = {name: one["shares"][f"only the {name}"]["value"] for name in ("first", "second")}
    facts |= {"both_n": count(one["n"]), "both_only_slice": percent(only["second"])}
    return facts | {"both_slice_right": percent(only["second"] / sum(only.values()))}


def averages(found):
    """Write what two networks on the zoomed nodule gain, above either of them and above two views."""
    wanted = {"cohort": "full slices", "view": "nodule", "network": TUNED} | AUC
    above = {against: row for against, row in rows_of(found["rows"], "against", **wanted).iterrows()}
    turned = dict(zip(("difference", "low", "high"), -above["two networks on the nodule"][TURNED]))
    names = {"both_twins_gain": above["the first"], "both_twins_better": above["MobileNet"]}
    return {name: _signed(row) for name, row in (names | {"both_twins_above_views": turned}).items()}


def two_inputs(found):
    """Write what a network with two inputs, its backbones frozen, gains over the same one on the nodule."""
    row = rows_of(found["rows"], "network", against="nodule", **AUC).loc["MobileNet TL"]
    return {"both_inputs_gain": _signed(row), "both_inputs_n": count(row["n"])}


def _signed(row):
    return with_interval(row, sign=True, decimals=3)
