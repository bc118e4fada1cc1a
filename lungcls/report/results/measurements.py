"""Numbers of the book that were measured once and recorded in `book/results`."""

import json
from pathlib import Path

import pandas as pd

from lungcls.errors import InputError
from lungcls.report.results.external import another_hospital, diagnoses
from lungcls.report.results.tables import with_interval
from lungcls.report.wording import MINUS, SPACE, captioned, count, duration, percent, text


def read(folder, name):
    """Read a recorded measurement, a JSON file of a folder."""
    path = Path(folder) / name
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a recorded measurement")
    return json.loads(path.read_text(encoding="utf-8"))


def collect(folder):
    """Write every recorded measurement of a folder, each file by the function of its name."""
    found = {}
    imports, others = (dicom_import, dicom_agreement), (best_model, leakage_price, audit_limits)
    for write in (timings, speed, phantom_calibration, *imports, *others, diagnoses, another_hospital):
        found |= write(read(folder, f"{write.__name__}.json"))
    found |= search_facts(read(Path(folder) / "search", "head.json"))
    return found | window_facts(read(folder, "windowing.json"))


def search_facts(found):
    """Write what a search for settings is worth (`benchmarks/search.py`)."""
    scores = {row["score"]: row for row in found["scores"]}
    values = {"inner": "inner, best", "outer": "outer, best", "default": "outer, default"}
    values |= {"diameter": "outer, diameter"}
    gaps = {"gap": "gap, best", "gap_default": "gap, default", "gain": "best less default"}
    gaps |= {"gain_diameter": "best less diameter"}
    facts = {f"search_{short}": with_interval(scores[name], decimals=3) for short, name in values.items()}
    for short, name in gaps.items():
        facts[f"search_{short}"] = with_interval(scores[name], sign=True, decimals=3)
    cost, trials = found["cost"], pd.DataFrame(found["trials"]).groupby("fold").size()
    facts |= {"search_n": count(scores["inner, best"]["n"]), "search_fits": count(cost["fits"])}
    facts |= {"search_folds": str(len(trials)), "search_trials": str(trials.max())}
    return facts | {"search_seconds_a_fit": f"{60 * cost['processor_minutes'] / cost['fits']:.0f}"}


def timings(found):
    """Write the measured time and memory of each command (`benchmarks/commands.py`)."""
    facts, rows = {"timing_machine": found["machine"]}, []
    for name, measured in found["commands"].items():
        time, memory = duration(measured["seconds"]), f"{measured['peak_bytes'] / 1e9:.1f}{SPACE}GB"
        facts |= {f"time_{name}": time, f"memory_{name}": memory}
        rows.append([f"`{measured['command']}`", measured["what"], time, memory])
    heads = ["command", "what it does", "time", "memory"]
    return facts | {"commands": captioned(rows, "tab-commands", heads=heads, texts=2)}


def speed(found):
    """Write what became faster (`benchmarks/speed.py`): processor time before and now."""
    rows = []
    for row in found["rows"].values():
        before, now = row["seconds"]
        times = [f"{seconds:.1f}{SPACE}s" for seconds in (before, now)]
        rows.append([row["what"], row["before"], row["now"], *times, f"{before / now:.1f}"])
    heads = ["what", "before", "now", "time before", "time now", "times as fast"]
    return {"speed": captioned(rows, "tab-speed", heads=heads, texts=3, commit=found["before"])}


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
    heads = ["trained on", "tested on", *bands], ["measured on the window", "phantom", "real"]
    mine, other = (appearance[source] for source in ("phantom", "real"))
    seen = [[name, f"{mine[name]:.3f}", f"{other[name]:.3f}"] for name in other]
    return {
        "phantom_auc": captioned(rows, "tab-phantom-auc", heads=heads[0], texts=2),
        "phantom_looks": captioned(seen, "tab-phantom-looks", heads=heads[1]),
        "phantom_gap_all": f"{abs(less[0]):.3f}",
        "phantom_gap_largest": f"{abs(less[-1]):.3f}",
        "phantom_gap_largest_pooled": f"{abs(pooled[-1]):.3f}",
        "phantom_apart": f"{network['telling apart']:.2f}",
        "phantom_calibration_cases": count(found["cases"]),
        "phantom_calibration_epochs": count(network["epochs"]),
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


def dicom_agreement(found):
    """Write how far an import of original files agrees with others (`benchmarks/dicom_agreement.py`)."""
    whole = ("cases", "series", "slices", "same_slice", "most_moved_px", "padded")
    shares = ("least_correlation", "most_in_another_slice", "least_dice")
    facts = {f"dicom_agreement_{name}": count(found[name]) for name in whole}
    return facts | {f"dicom_agreement_{name}": f"{found[name]:.4f}" for name in shares}


def windowing(found):
    """Lay out what padding and metal do to tissue (`benchmarks/windowing.py`): a row a tissue and scale."""
    rows = {}
    for source, measured in found["sources"].items():
        for tissue, scales in measured["grey"].items():
            for scale, kinds in scales.items():
                cells = {kind: _middle(row) for kind, row in kinds.items()}
                rows[source, tissue, scale] = {"slices": kinds["neither"]["slices"]} | cells
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["images", "tissue", "scale"])


def window_facts(found):
    """Write the grey level of the lung, with and without padding (`benchmarks/windowing.py`)."""
    lung = found["sources"]["cut slices"]["grey"]["lung"]["min-max"]
    facts = {"window_slices": count(lung["neither"]["slices"])}
    names = {"plain": "neither", "padded": "padding"}
    return facts | {f"window_lung_{name}": _middle(lung[kind]) for name, kind in names.items()}


def _middle(row):
    return "{median:.2f} [{low:.2f}, {high:.2f}]".format(**row)


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


def best_model(found):
    """Write what the best model reaches and adds to the diameter (`benchmarks/best_model.py`)."""
    shown = {
        "auc": ("binary", "AUC"),
        "f1": ("binary", "F1 (weighted)"),
        "kappa": ("multiclass", "quadratic weighted kappa"),
    }
    diameter = found["scores"]["binary"]["diameter"]["AUC"]["value"]
    facts = {"best_cases": count(found["cases"]), "best_diameter_auc": f"{100 * diameter:.1f}"}
    facts["best_variants"] = count(variants(found["screening"]))
    for name, (task, score) in shown.items():
        row = found["scores"][task]["recipe"][score]
        facts[f"best_{name}"] = with_interval(row, percent=True)
        for bar, short in {"diameter, fitted rule": "gain", "radiomics": "over_radiomics"}.items():
            gain = found["differences"][task][f"recipe less {bar}"][score]
            facts[f"best_{name}_{short}"] = with_interval(gain, percent=True, sign=True)
    return facts


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
    cells = [[name, *(_difference(price[name, *score]) for score in PRICED.values())] for name in names]
    draws = f" The network: {network['draws']} draws." if trained else ""
    values = {"draws": matched["draws"], "network": draws}
    recall = ("diameter alone", "binary", "recall (malignant)")
    known = ("patient's other labels", "binary", "AUC")
    shown = list(PRICED.values())[:3]  # AUC and F1, which share a scale
    seeing = [name for name in names if "context" in name and (name, *shown[0]) not in trained]
    return {
        "leakage_price": captioned(cells, "tab-leakage-price", heads=["predictor", *PRICED], **values),
        **{f"leakage_{name}": count(matched[name]) for name in ("draws", "train", "test")},
        **_protocol(found["protocol"]),
        "leakage_shared": percent(matched["shared"]),
        "leakage_cases": count(found["cases"]),
        "leakage_patients": count(found["patients"]),
        "leakage_known_auc": f"{price[known]['with']:.2f}",
        "leakage_plain_recall": _difference(_by_score(found["price"]["plain"]["scores"])[recall]),
        "leakage_matched_recall": _difference(price[recall]),
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


def _difference(row):
    numbers = (f"{row[key]:+.3f}".replace("-", MINUS) for key in ("difference", "low", "high"))
    return "{} [{}, {}]".format(*numbers)


def _protocol(found):
    """The report's printed values beside the draws of each predictor under its protocol."""
    by, rows = _by_score(found["scores"]), []
    names = list(dict.fromkeys(name for name, *_ in by))
    for task, score in dict.fromkeys((task, score) for _, task, score in by):
        drawn = [by[name, task, score] for name in names]
        printed = f"{100 * drawn[0]['printed']:.2f}"
        rows.append([f"{task}: {score}", printed, *map(_drawn, drawn)])
    heads = ["score", "report", *names]
    return {
        "leakage_protocol": captioned(rows, "tab-leakage-protocol", heads=heads, draws=found["draws"]),
        "leakage_protocol_draws": count(found["draws"]),
        "leakage_protocol_test": count(found["test"]),
        "leakage_protocol_shared": percent(found["shared"]["mean"]),
    }


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
    first = next(iter(found["cohorts"].values()))
    return {
        "audit_limits": captioned(rows, "tab-audit-limits", heads=["", *columns]),
        "audit_correlation": f"{found['correlation']}",
        "audit_most": f"{max(most):.3f}",
        "audit_cases": count(first["cases"]),
        "audit_seconds": duration(first["audit"]["processor_seconds"]),
        "audit_memory": f"{first['audit']['peak_bytes'] / 1e6:.0f}{SPACE}MB",
    }
