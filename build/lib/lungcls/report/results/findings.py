"""The answer on one page: a figure, a table and five sentences, all on real CT.

The report's networks as they end, rebuilt, stand beside baselines on the study's cases; our own model
beside its bars on the whole case list. Which rows there are follows from what is recorded.
"""

import pandas as pd

from lungcls.report.display import figure_text
from lungcls.report.plots import networks as network_plots
from lungcls.report.results import networks, score_tables, tables
from lungcls.report.results.score_tables import DIAMETER, FITTED
from lungcls.report.wording import captioned, count, text
from lungcls.runs import grid

F1, KAPPA = "F1 (weighted)", "quadratic weighted kappa"
HEADS = {("binary", F1): "F1, two classes", ("binary", "AUC"): "AUC, two classes"}
HEADS |= {("multiclass", F1): "F1, scores 1 to 5", ("multiclass", KAPPA): "weighted kappa"}
OURS = {"recipe": "our model", "measures alone": "our model without ImageNet features"}
OURS |= {"radiomics": "radiomic measures", "diameter, fitted rule": "diameter alone"}
ENDS = ["value", "low", "high"]


def findings(scores, best, windows):
    """Write figure, table and numbers of the sentences from `Scores` by task and our model's record.

    `windows` are the binary `Scores` of the networks that learnt from the whole case list.
    """
    blocks = {_head(scores["binary"].group): _study(scores), _head_of_ours(best): _ours(best)}
    sizes = {"n": scores["binary"].group.sizes["cases"], "of": count(best["cases"])}
    less = [one.above.rename(index=score_tables.in_short) for one in (*scores.values(), windows)]
    sizes |= {"windows": windows.group.sizes["cases"], "pixels": _pixels(scores["binary"].group)}
    sizes |= {"train": count((windows.group.parts["split"] == "train").sum())}
    return {
        "findings_table": _table({"the report, on its own test cases": _printed()} | blocks, sizes),
        "findings_figure": _figure(blocks, best["ceiling"], sizes),
    } | _numbers(*blocks.values(), less, best, sizes)


def _head(group):
    return text("findings-study", **group.sizes)


def _head_of_ours(best):
    return text("findings-ours", cases=count(best["cases"]), patients=count(best["patients"]))


def _study(scores):
    """Rows by task and score: networks of the report's kinds as they end, then baselines."""
    runs = scores["binary"].group.runs
    kept = {"cnn", networks.stand_in(runs)}
    others = {grid.title(run.config["model"], "scratch") for run in runs if run.config["model"] not in kept}
    found = {}
    for task, score in HEADS:
        rows = score_tables.ended(scores[task], score)
        mine = [
            name for name in scores[task].networks if name in rows.index and name.split()[0] not in others
        ]
        beside = [name for name in rows.index if name not in scores[task].networks and name != FITTED]
        found[task, score] = rows.loc[[*mine, *beside[::-1]]].rename(index=score_tables.in_short)
    return found


def _ours(best):
    """The same of our own model and its bars."""
    names = {name: title for name, title in OURS.items() if name in best["scores"]["binary"]}
    found = {}
    for task, score in HEADS:
        rows = {title: best["scores"][task][name][score] for name, title in names.items()}
        found[task, score] = pd.DataFrame(rows).T.assign(n=best["cases"])
    return found


def _pixels(group):
    """The side of the images that a group's networks see."""
    (size,) = {run.config["settings"]["image_size"] for run in group.runs}
    return count(size)


def _printed():
    """The report's weighted F1 of its fine-tuned network; it prints no other score, and no interval."""
    found = {}
    for task, score in HEADS:
        rows = score_tables.report_rows(task).set_index("model and view")
        rows = rows[rows.index.str.contains(" FT")].astype(float) / 100
        found[task, score] = rows[[score]].set_axis(["value"], axis=1).reindex(columns=ENDS)
    return found


def _table(blocks, sizes):
    rows = []
    for head, found in blocks.items():
        rows.append([f"**{head}**", *[""] * (1 + len(HEADS))])
        for name in dict.fromkeys(name for one in found.values() for name in one.index):
            known = [one.loc[name] if name in one.index else None for one in found.values()]
            n = next((count(one["n"]) for one in known if one is not None and "n" in one), "–")
            rows.append([name, n, *map(_cell, known)])
    return captioned(rows, "tab-findings", heads=["", "n", *HEADS.values()], **sizes)


def _cell(row):
    if row is None or pd.isna(row["value"]):
        return "–"
    return f"{100 * row['value']:.1f}" if pd.isna(row["low"]) else tables.with_interval(row, percent=True)


def _figure(blocks, ceiling, sizes):
    """Draw the rows, those that the report prints first, and the range of the modelled ceiling."""
    drawn = {head: {HEADS[key]: rows[ENDS] for key, rows in found.items()} for head, found in blocks.items()}
    first, ours = drawn
    stated = {HEADS[key]: rows.rename(lambda name: f"printed: {name}") for key, rows in _printed().items()}
    drawn[first] = {head: pd.concat([stated[head], rows]) for head, rows in drawn[first].items()}
    bands = {HEADS[key]: tuple(ceiling[key[0]][key[1]][end] for end in ENDS[1:]) for key in HEADS}
    figure = network_plots.interval_panels(drawn, reference=DIAMETER, bands={ours: bands})
    return figure_text(figure, name="fig-findings", **sizes)


def _numbers(study, ours, above, best, sizes):
    """The values that the sentences name, as facts; printed is the better of the report's two views."""
    stand_in = next(name for name in study["binary", "AUC"].index if " FT" in name).partition(",")[0]
    rows = {"whole": f"{stand_in}, full slice", "zoomed": f"{stand_in}, zoomed nodule"}
    rows |= {"diameter": DIAMETER, "padding": "padding alone, zoomed nodule"}
    found = {name: tables.with_interval(study["binary", "AUC"].loc[row]) for name, row in rows.items()}
    for task in ("binary", "multiclass"):
        f1 = study[task, F1].loc[list(rows.values())].set_axis(list(rows))
        found |= {f"{name}_f1_{task}": tables.with_interval(f1.loc[name], percent=True) for name in rows}
    zoomed = rows["zoomed"]
    gaps = zip(("zoomed_less", "cnn_less", "windows_less"), above, (zoomed, "CNN, zoomed nodule", zoomed))
    found |= {name: tables.with_interval(one.loc[row], sign=True) for name, one, row in gaps}
    found |= {"ours": tables.with_interval(ours["binary", "AUC"].loc["our model"])}
    found |= {"ruler": tables.with_interval(ours["binary", F1].loc[DIAMETER])}
    found |= {"printed": f"{_printed()['binary', F1]['value'].max():.2f}"}
    less, ruler = best["differences"]["binary"], "recipe less diameter, fitted rule"
    gains = {"gain": less[ruler]["AUC"], "f1_gain": less[ruler][F1]}
    gains |= {"over_radiomics": less["recipe less radiomics"]["AUC"]}
    found |= {name: tables.with_interval(gain, sign=True, decimals=3) for name, gain in gains.items()}
    found |= {"network": stand_in.partition(" ")[0]}
    ceiling = best["ceiling"]["binary"]["AUC"]
    found |= {"ceiling": f"{ceiling['low']:.2f} to {ceiling['high']:.2f}"} | sizes
    return {f"findings_{name}": value for name, value in found.items()}
