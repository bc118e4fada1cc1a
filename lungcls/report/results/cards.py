"""Numbers and tables of the model card and the datasheet, from recorded runs and annotations."""

import pandas as pd

from lungcls.cohorts.cohort import SCORE_NAMES, to_binary
from lungcls.metrics import size_matched
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.results import networks, score_tables, tables
from lungcls.report.wording import SPACE, captioned, count, duration, percent, plain, text
from lungcls.runs import grid
from lungcls.runs.settings import STAGES
from lungcls.runs.sharing import shipped
from lungcls.sources import annotations

PARTS = ("train", "validation", "test")
SETTINGS = (
    "image_size contrast gain crop balancing plus augmentation copies unfreeze_from dropout batch_size "
    "epochs patience optimizer learning_rate schedule weight_decay"
).split()
SCORE = "AUC"


def collect(folder, *, seed=0):
    """Write what the model card (mitchell2019) and the datasheet (gebru2021) say in numbers."""
    group = networks.recorded(folder)[0]
    plain = [run for run in group.runs if not networks.variant(run)]
    rows = networks.by_network([run for run in plain if run.config["task"] == "binary"])
    return {
        "card_details": _details(plain),
        "card_settings": _settings(plain),
        "card_versions": _versions(group.runs),
        "card_sizes": _sizes(rows, group, seed),
        "card_beyond": _beyond(rows, group, seed),
        **_shipped(),
        "sheet_parts": _parts(group),
        "sheet_lacking": count(len(group.cohort) - len(group.parts)),
    } | _scans(group.cohort.cases)


# --- Model card -------------------------------------------------------------------------------


def _shipped():
    """The models that ship with the package, from their cards."""
    rows, cards = [], [shipped.released(name).card for name in shipped.NAMES]
    for card in cards:
        inside, outside = (card["scores"][where] for where in ("inside", "outside"))
        shared = [name for name in inside if name in outside and isinstance(inside[name], dict)][0]
        found = [tables.with_interval(scores[shared]) for scores in (inside, outside)]
        needs = text("sentence-needs-imagenet") if "extends" in card else "–"
        rows.append([f"`{card['name']}`", score_tables.TASKS[card["task"]], needs, *found])
    sizes = {f"n_{where}": count(cards[0]["scores"][where]["n"]) for where in ("inside", "outside")}
    head = (shipped.DATA / shipped.NAMES[1] / shipped.HEAD).stat().st_size
    return {
        "card_shipped": captioned(rows, "tab-card-shipped", texts=3, **sizes),
        "shipped_cases": count(cards[0]["training"]["cases"]),
        "shipped_patients": count(cards[0]["training"]["patients"]),
        "shipped_head": f"{head / 1e6:.1f}{SPACE}MB",
    }


def _kinds(found):
    """Runs by network and stage."""
    kinds = {}
    order = sorted(found, key=lambda run: (run.config["model"], STAGES.index(run.config["stage"]), run.id))
    for run in order:
        kinds.setdefault(grid.title(run.config["model"], run.config["stage"]), []).append(run)
    return kinds


def _details(found):
    rows = []
    for name, members in _kinds(found).items():
        sizes = sorted({run.environment["parameters"] for run in members})
        time = sum(run.environment["processor_seconds"] for run in members)
        views = ", ".join(dict.fromkeys(VIEW_NAMES[run.config["view"]] for run in members))
        span = "–".join(dict.fromkeys((count(sizes[0]), count(sizes[-1]))))
        origin = networks.weights_of(members[0])
        rows.append([name, origin, views, span, count(len(members)), duration(time)])
    return captioned(rows, "tab-card-details", texts=3)


def _settings(found):
    columns = {}
    for name, members in _kinds(found).items():
        kinds = [run.config["settings"] for run in members]
        values = (dict.fromkeys(_written(kind[key]) for kind in kinds) for key in SETTINGS)
        columns[name] = [" or ".join(each) for each in values]
    frame = pd.DataFrame(columns, index=[f"`{key}`" for key in SETTINGS]).rename_axis("setting")
    return captioned(frame.reset_index(), "tab-card-settings")


def _written(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def _versions(found):
    """The versions and machines that the runs were made with."""
    used = {}
    for run in found:
        for name, version in run.environment["packages"].items():
            used.setdefault(name, {})[version] = None
    machines = (run.environment for run in found)
    platforms = dict.fromkeys(f"{one['platform']}, Python {one['python']}" for one in machines)
    packages = ", ".join(f"{name} {' and '.join(versions)}" for name, versions in used.items())
    return f"{packages}; {'; '.join(platforms)}."


def _results(rows, group, seed):
    """Baselines and the first run of each row, by what a table calls them."""
    known = tables.required_results(group.cohort, group.parts, task="binary", seed=seed)
    results = {("diameter alone", "–"): known["diameter alone"]}
    for (view, name, _), members in rows.items():
        results[name, VIEW_NAMES[view]] = tables.result_of(members[0].predictions, group.cohort)
    return results


def _sizes(rows, group, seed):
    """AUC by diameter, and among nodules of like diameter."""
    diameters = group.cohort.cases.set_index("case_id")["diameter_mm"]
    cells = []
    for (name, view), result in _results(rows, group, seed).items():
        given = (result["y_true"], result["p_malignant"], diameters.loc[result["case_id"]])
        options = {"patients": result["patient_id"], "seed": seed}
        by_size = size_matched.stratified_auc(*given, **options)
        by_size = by_size[by_size["size"] != "all"]
        matched = size_matched.matched_auc(*given, **options)
        found = [row for table in (by_size, matched.iloc[:1]) for _, row in table.iterrows()]
        cells.append([name, view, *map(tables.with_interval, found)])
    heads = ["model", "view", *by_size["size"], "like size"]
    columns = zip(by_size["size"], by_size["n"], by_size["malignant"], strict=True)
    sizes = "; ".join(f"{size} {count(n)} ({count(malignant)})" for size, n, malignant in columns)
    return captioned(cells, "tab-card-sizes", heads=heads, texts=2, sizes=sizes)


def _beyond(rows, group, seed):
    """Count the networks that order the cases better than their diameter does, constant ones apart."""
    ranking = {key: members for key, members in rows.items() if not score_tables.says_one(members[0])}
    results = {f"{name}, {view}": result for (name, view), result in _results(ranking, group, seed).items()}
    found = tables.differences(results, "diameter alone, –", task="binary", score=SCORE, seed=seed)
    above, below = found.index[found["low"] > 0], found.index[found["high"] < 0]
    sizes = {"n": len(found), "above": len(above), "below": len(below), "cases": len(group.test)}
    sizes["open"] = sizes["n"] - sizes["above"] - sizes["below"]
    named = f" Better: {'; '.join(above)}." if len(above) else ""
    return text("sentence-card-beyond", **{name: count(n) for name, n in sizes.items()}) + named


# --- Datasheet --------------------------------------------------------------------------------


def _parts(group):
    """What is in each part of the recorded split, and in the whole list."""
    listed = group.cohort.cases.merge(group.parts, on="case_id", how="left")
    columns = {name: listed[listed["split"] == name] for name in PARTS} | {"whole list": listed}
    frame = pd.DataFrame({name: _described(cases) for name, cases in columns.items()}).rename_axis("")
    return captioned(frame.reset_index(), "tab-sheet-parts", protocol=group.protocol)


def _described(cases):
    scores, readers = cases["malignancy"], cases["ratings"].str.split().str.len()
    diameters = cases["diameter_mm"].quantile([0.05, 0.5, 0.95])
    return {
        "cases": count(len(cases)),
        "patients": count(cases["patient_id"].nunique()),
        **{f"score {score}": count((scores == score).sum()) for score in SCORE_NAMES},
        "malignant (scores 4 and 5)": percent(to_binary(scores).mean()),
        "diameter in mm, median (middle 90 %)": "{1:.1f} ({0:.1f}–{2:.1f})".format(*diameters),
        "read by one reader": percent((readers == 1).mean()),
    }


def _scans(cases):
    """What is known of the scans behind a case list."""
    scans = annotations.scans().merge(cases[["scan_id"]].drop_duplicates(), on="scan_id")
    names = ("pixel_spacing_mm", "slice_thickness_mm")
    spacing, thickness = (scans[name].quantile([0, 0.5, 1]) for name in names)
    return {
        "sheet_spacing": "{1:.2f}{s}mm (from {0:.2f} to {2:.2f})".format(*spacing, s=SPACE),
        "sheet_thickness": "{1:g}{s}mm (from {0:g} to {2:g})".format(*thickness, s=SPACE),
        "sheet_contrast": percent(scans["contrast_used"].mean()),
    }


def cohort_sheet(cohort):
    """Write what a cohort's `cohort.json` says, as a MyST table."""
    stated = {name: words for name, words in cohort.info.items() if isinstance(words, str)}
    stated |= {f"view {name}": words for name, words in cohort.info.get("views", {}).items()}
    rows = [[plain(name.replace("_", " ")), plain(str(words))] for name, words in stated.items()]
    rows = rows or [["name", plain(cohort.name)]]
    return captioned(rows, "tab-sheet-cohort", texts=2)
