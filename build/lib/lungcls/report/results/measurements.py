"""Numbers of the book that were measured once and recorded in `book/results`."""

from functools import partial
from importlib.resources import files
import json
from operator import itemgetter
from pathlib import Path

import pandas as pd

from lungcls.errors import InputError
from lungcls.report.printed import quoted
from lungcls.report.results.external import chosen
from lungcls.report.results.tables import with_interval
from lungcls.report.wording import MINUS, SPACE, captioned, count, duration, percent, text

FACTS = json.loads((files("lungcls") / "report/results/recorded_facts.json").read_text(encoding="utf-8"))
REPORT = "the report"  # among the files of `FACTS`: what is quoted from it
FORMS = {
    "as it is": str,
    "count": count,
    "size": lambda rows: count(len(rows)),
    "percent": percent,
    "rest": lambda share: percent(1 - share),
    "ratio": lambda pair: percent(pair[0] / pair[1]),
    "part": lambda rows: percent(rows[0]["value"] / sum(row["value"] for row in rows)),
    "printed": lambda number: f"{number}{SPACE}%",
    "times 100": lambda share: f"{100 * share:.1f}",
    **{f"{places} decimals": f"{{:.{places}f}}".format for places in (2, 3, 4)},
    "duration": duration,
    "MB": lambda size: f"{size / 1e6:.0f}{SPACE}MB",
    "interval": with_interval,
    "interval 3": partial(with_interval, decimals=3),
    "percent interval": partial(with_interval, percent=True),
    "signed": partial(with_interval, sign=True),
    "signed 3": partial(with_interval, sign=True, decimals=3),
    "points": partial(with_interval, sign=True, percent=True),
    "turned 3": lambda row: FORMS["signed 3"](
        {"value": -row["difference"], "low": -row["high"], "high": -row["low"]}
    ),
    "least": lambda rows: FORMS["signed 3"](min(rows, key=itemgetter("difference"))),
    "most": lambda rows: FORMS["signed 3"](max(rows, key=itemgetter("difference"))),
    "range": "{low:.2f} to {high:.2f}".format_map,
    "median": "{median:.2f} [{low:.2f}, {high:.2f}]".format_map,
}


def read(folder, name):
    """Read a recorded measurement, a JSON file of a folder."""
    path = Path(folder) / name
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a recorded measurement")
    return json.loads(path.read_text(encoding="utf-8"))


def collect(folder):
    """Write every recorded measurement of a folder: tables by functions, numbers by `FACTS`."""
    found = {}
    for write in (timings, speed, phantom_calibration, dicom_import, leakage_price, audit_limits):
        found |= write(read(folder, f"{write.__name__}.json"))
    found["best_variants"] = count(variants(read(folder, "best_model.json")["screening"]))
    for name, facts in FACTS.items():
        found |= written(quoted.load() if name == REPORT else read(folder, name), facts)
    return found


def written(found, facts):
    """Write facts of a record: each is a name of `FORMS`, and the steps that lead to its value."""
    return {name: FORMS[form](_led_to(found, steps)) for name, (form, *steps) in facts.items()}


def _led_to(found, steps):
    """Follow steps: a name or place; the values of the one row; [those of all rows]; or [several names]."""
    for step in steps:
        if isinstance(step, dict):
            (found,) = chosen(found, step)
        elif isinstance(step, list):
            several = isinstance(step[0], dict)
            found = chosen(found, step[0]) if several else [found[name] for name in step]
        else:
            found = found[step]
    return found


def timings(found):
    """Write the measured time and memory of each command (`benchmarks/commands.py`)."""
    rows = []
    for one in found["commands"].values():
        time, memory = duration(one["seconds"]), f"{one['peak_bytes'] / 1e9:.1f}{SPACE}GB"
        rows.append([f"`{one['command']}`", one["what"], time, memory])
    return {"commands": captioned(rows, "tab-commands", texts=2)}


def speed(found):
    """Write what became faster (`benchmarks/speed.py`): processor time before and now."""
    rows = []
    for row in found["rows"].values():
        before, now = row["seconds"]
        times = [f"{seconds:.1f}{SPACE}s" for seconds in (before, now)]
        rows.append([row["what"], row["before"], row["now"], *times, f"{before / now:.1f}"])
    return {"speed": captioned(rows, "tab-speed", texts=3, commit=found["before"])}


def phantom_calibration(found):
    """Write the comparison of the phantom with real images (`benchmarks/phantom_calibration.py`)."""
    network, appearance = found["network"], found["appearance"]
    bands = list(network["auc"]["real to real"])
    rows, (real, phantom) = [], (network["auc"][pair] for pair in ("real to real", "phantom to phantom"))
    for pair, measured in network["auc"].items():
        means = [f"{measured[band]['mean of folds']:.3f} ({measured[band]['pooled']:.3f})" for band in bands]
        rows.append([*pair.split(" to "), *means])
    less = [phantom[band]["mean of folds"] - real[band]["mean of folds"] for band in bands]
    pooled = [phantom[band]["pooled"] - real[band]["pooled"] for band in bands]
    apart = [f"{a:+.3f} ({b:+.3f})".replace("-", MINUS) for a, b in zip(less, pooled)]
    rows.append(["phantom less real", "", *apart])
    intervals = (phantom[band]["95 % interval"] for band in bands)
    ends = [f"[{low:+.3f}, {high:+.3f}]".replace("-", MINUS) for low, high in intervals]
    rows.append(["95 % interval, pooled", "", *ends])
    sizes = (f"{count(real[band]['malignant'])} of {count(real[band]['cases'])}" for band in bands)
    rows.append(["malignant of all", "", *sizes])
    heads = ["trained on", "tested on", *bands]
    mine, other = (appearance[source] for source in ("phantom", "real"))
    seen = [[name, f"{mine[name]:.3f}", f"{other[name]:.3f}"] for name in other]
    return {
        "phantom_auc": captioned(rows, "tab-phantom-auc", heads=heads, texts=2),
        "phantom_looks": captioned(seen, "tab-phantom-looks"),
        "phantom_gap_all": f"{abs(less[0]):.3f}",
        "phantom_gap_largest": f"{abs(less[-1]):.3f}",
        "phantom_gap_largest_pooled": f"{abs(pooled[-1]):.3f}",
    }


def dicom_import(found):
    """Write what an import of DICOM series takes (`benchmarks/dicom_import.py`)."""
    rows = pd.DataFrame(found["rows"])[["jobs", "series", "headers"]].astype(str)
    rows["processor time"] = [f"{row['processor_seconds']:.1f}{SPACE}s" for row in found["rows"]]
    rows["largest memory"] = [f"{row['peak_mib']}{SPACE}MiB" for row in found["rows"]]
    frame, slices = rows.rename(columns={"jobs": "workers"}), found["slices_a_series"]
    half, whole = (row for row in found["rows"] if (row["jobs"], row["headers"]) == (1, "read"))
    more = (whole["processor_seconds"] - half["processor_seconds"]) / (whole["series"] - half["series"])
    laid = captioned(frame, "tab-dicom-import", slices=slices)
    return {"dicom_import": laid, "dicom_series_time": f"{more:.1f}{SPACE}s"}


def windowing(found):
    """Lay out what padding and metal do to tissue (`benchmarks/windowing.py`): a row a tissue and scale."""
    rows = {}
    for source, measured in found["sources"].items():
        for tissue, scales in measured["grey"].items():
            for scale, kinds in scales.items():
                cells = {kind: FORMS["median"](row) for kind, row in kinds.items()}
                rows[source, tissue, scale] = {"slices": kinds["neither"]["slices"]} | cells
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["images", "tissue", "scale"])


def windowed_slices(found):
    """Say which slices these are, and what was put into them."""
    original, cut = (found["sources"][name] for name in ("original slices", "cut slices"))
    ends = {name.replace(" ", "_"): "{} to {}".format(*ends) for name, ends in found["tissues"].items()}
    levels = " and ".join(map(str, original["padding as stored"]))
    values = {"slices": original["slices"], "series": original["series"], "levels": levels, **ends}
    values |= {"cut": count(cut["slices"]), "patients": cut["patients"], "padding": found["padding_hu"]}
    values |= {"pixels": found["metal_pixels"], "metal": count(found["metal_hu"])}
    return text("sentence-windowing", **{name: f"{one}".replace("-", MINUS) for name, one in values.items()})


# --- The best model -----------------------------------------------------------------------


def variants(screening):
    """Count the variants that were compared while the best model was made."""
    return len(screening["tries"]) + sum(screening["also looked at"].values())


# --- Leakage ----------------------------------------------------------------------------


# Scores of the price that the page shows, by the head of their column.
PRICED = {
    "AUC": ("binary", "AUC"),
    "F1 (weighted), binary": ("binary", "F1 (weighted)"),
    "F1 (weighted), scores": ("multiclass", "F1 (weighted)"),
    "weighted kappa, scores": ("multiclass", "quadratic weighted kappa"),
}


def leakage_price(found):
    """Write what test patients in training are worth (`benchmarks/leakage_price.py`)."""
    matched, network = found["price"]["matched"], found["price"].get("network", {"scores": []})
    price, trained = _by_score(matched["scores"] + network["scores"]), _by_score(network["scores"])
    names = list(dict.fromkeys(name for name, *_ in price))
    cells = [[name, *(FORMS["signed 3"](price[name, *score]) for score in PRICED.values())] for name in names]
    draws = f" The network: {network['draws']} draws." if trained else ""
    values = {"draws": matched["draws"], "network": draws}
    shown = list(PRICED.values())[:3]  # AUC and F1, which share a scale
    seeing = [name for name in names if "context" in name and (name, *shown[0]) not in trained]
    return {
        "leakage_price": captioned(cells, "tab-leakage-price", heads=["predictor", *PRICED], **values),
        "leakage_protocol": _protocol(found["protocol"]),
        "leakage_largest": f"{max(price[name, *score]['high'] for name in seeing for score in shown):.3f}",
        "leakage_network": _of_network(network, trained),
    }


def _by_score(rows):
    return {(row["predictor"], row["task"], row["score"]): row for row in rows}


def _of_network(measured, trained):
    """Say in words what the price of the network is."""
    if not trained:
        return "was not tried."
    names = dict.fromkeys(name for name, *_ in trained)
    cells = [trained[name, *score] for name in names for score in PRICED.values()]
    apart = sum(cell["low"] > 0 or cell["high"] < 0 for cell in cells)
    widest = max(cells, key=lambda cell: cell["high"] - cell["low"])
    leaving = f"{apart or 'none'} {'leave' if apart > 1 else 'leaves'} out 0"
    values = {end: f"{widest[end]:+.3f}".replace("-", MINUS) for end in ("low", "high")}
    values |= {"apart": leaving, "intervals": len(cells), "draws": measured["draws"]}
    return text("sentence-leakage-network", **values)


def _protocol(found):
    """The report's printed values beside the draws of each predictor under its protocol."""
    by, rows = _by_score(found["scores"]), []
    names = list(dict.fromkeys(name for name, *_ in by))
    for task, score in dict.fromkeys((task, score) for _, task, score in by):
        drawn = [by[name, task, score] for name in names]
        printed = f"{100 * drawn[0]['printed']:.2f}"
        rows.append([f"{task}: {score}", printed, *map(_drawn, drawn)])
    heads = ["score", "report", *names]
    return captioned(rows, "tab-leakage-protocol", heads=heads, draws=found["draws"])


def _drawn(row):
    mean, low, high = (f"{100 * row[name]:.1f}" for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}], {percent(row['share below printed'])}"


def audit_limits(found):
    """Write which changed copies the audit sees (`benchmarks/audit_limits.py`)."""
    columns = {}
    for name, cohort in found["cohorts"].items():
        columns |= {f"{name}, {view.replace('_', ' ')}": one for view, one in cohort["views"].items()}
    most = [one["nearest other patient"]["most"] for one in columns.values()]
    rows = [["most of different patients", *(f"{number:.3f}" for number in most)]]
    for change in next(iter(columns.values()))["seen"]:
        rows.append([f"{change}: seen", *(percent(one["seen"][change]) for one in columns.values())])
    laid = captioned(rows, "tab-audit-limits", heads=["", *columns])
    return {"audit_limits": laid, "audit_most": f"{max(most):.3f}"}
