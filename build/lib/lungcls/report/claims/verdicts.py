"""Verdicts on the report's statements from what is recorded: printed in a table, and as sentences."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lungcls.cohorts.cohort import TASKS
from lungcls.errors import InputError
from lungcls.report.claims import estimates, evidence, measures, rule, scores, statements
from lungcls.report.claims.evidence import STAGES
from lungcls.report.results import networks, tables
from lungcls.report.results.score_tables import TASKS as TASK_NAMES
from lungcls.report.wording import MINUS, captioned, count, text
from lungcls.runs import grid

FORMS = {"CNN": "with its padding", "padding filled": "padding filled"}
FORMS |= {"fixed-size crop": "fixed-size crop", "padding alone": "padding alone, no lung"}
WITHOUT = {"padding filled": "With the padding filled"}
WITHOUT |= {"padding alone": "With the padding alone, and no lung,"}


# --- What is recorded ---------------------------------------------------------------------------


def recorded(folder, *, seed=0):
    """Take everything recorded below a folder as evidence: the study's folds, runs of one split, measures."""
    groups = networks.out_of_fold(Path(folder) / "study") + networks.recorded(Path(folder) / "lidc")
    return sources(groups, measures.of_lidc(seed=seed) | measures.recorded(folder), seed=seed)


def sources(groups, measured, *, seed):
    """Take groups of runs whose splits keep patients together as evidence, all seeds and folds at once."""
    apart = [one for one in groups if one.runs[0].config["settings"]["protocol"] == "patient"]
    answers = [_answers(group, measured, seed) for group in apart]
    spread = evidence.spread_between(*answers)
    return [replace(one, spread=spread) for one in answers]


def _answers(group, measured, seed):
    backbone, found = networks.stand_in(group.runs), {}
    for run in sorted(group.runs, key=lambda run: run.config["seed"]):
        if name := network_of(run, backbone):
            seeds = found.setdefault(name, {})
            if run.config["seed"] in seeds:
                twice = f"a second run of {' '.join(name)} with the seed {run.config['seed']}"
                raise InputError(f"{run.id}: found {twice}, expected one")
            trainings = len(getattr(run, "runs", [run]))
            result = tables.result_of(run.predictions, group.cohort)
            seeds[run.config["seed"]] = result.assign(trainings=trainings)
    results = {name: list(seeds.values()) for name, seeds in found.items()}
    views = {run.config["view"] for run in group.runs}
    known = {"name": group.name, "full": "full_slice" in views, "seed": seed}
    return evidence.Answers(results | evidence.both_views(results), measured, **known)


def network_of(run, backbone):
    """Name a run by task, view and network; None if its weights are random or a larger one is changed."""
    model, stage, change = run.config["model"], run.config["stage"], networks.variant(run)
    change = change or ("window" if run.config["settings"].get("window") else "")
    if (stage != "scratch" and not run.config["weights"]["digest"]) or (change and model != "cnn"):
        return None
    plain = STAGES[stage] if model in ("cnn", backbone) else grid.title(model, stage)
    view = "nodule" if run.config["view"] == "nodule" else "wide"
    return run.config["task"], view, change or plain


# --- Facts for pages ----------------------------------------------------------------------------


def verdict_facts(known, *, more=None):
    """Decide the report's statements from :func:`sources`, as texts that pages name."""
    found = statements.estimates(*known, more=more)
    facts = {f"statement_{number}": estimates.written_together(given) for number, given in found.items()}
    facts |= _counts(rule.decide(statements.CLAIMS, found), found)
    facts["verdicts_without_padding"] = without_padding(known)
    return facts | {"worth_of_padding": worth_of_padding(known)}


def _counts(table, found):
    """How many statements get which verdict, after Holm's adjustment over all statements."""
    on = [number for number, given in found.items() if any(one.networks and not one.lacks for one in given)]
    counts = {name: table["verdict"] == name for name in rule.VERDICTS}
    counts |= {"taken back": table["verdict"] != table["before Holm"], "on networks": table.index.isin(on)}
    counts["on networks decided"] = table.loc[on, "verdict"].isin(rule.DECIDED)
    by_proxy = table.index.map({claim.number: bool(claim.proxy) for claim in statements.CLAIMS})
    counts |= {f"{name} by proxy": counts[name] & by_proxy for name in rule.DECIDED}
    sums = {f"claims_{name.replace(' ', '_')}": count(rows.sum()) for name, rows in counts.items()}
    return sums | {"claims": count(len(table))}


def _padding(known, task, form, other):
    """Compare a zoomed form of the CNN with another network, from the source with most cases."""
    pair = (task, "nodule", form), (task, *other)
    given = [one for of in known if not (one := statements.compared(pair)(of)[0]).lacks]
    return max(given, key=lambda one: (one.full, one.n)) if given else None


def without_padding(known):
    """Compare the views in zoomed forms that hide the readers' box, as a MyST table or a sentence."""
    rows = []
    for task, form in ((task, form) for task in TASKS for form in FORMS):
        if one := _padding(known, task, form, ("wide", "CNN")):
            verdict = rule.statement([one])[0]
            rows.append(
                [TASK_NAMES[task], FORMS[form], estimates.written(one), one.source, str(one.n), verdict]
            )
    if not any(row[1] != FORMS["CNN"] for row in rows):
        return "No network on a zoomed view without the readers' box is recorded."
    return captioned(rows, "tab-results-without-padding", texts=6)


def worth_of_padding(known):
    """Say what the CNN gains or loses without the padding of the zoomed nodule, and with nothing else."""
    lines = []
    for form, words in WITHOUT.items():
        given = {name: _padding(known, task, form, ("nodule", "CNN")) for task, name in TASK_NAMES.items()}
        given = {name: one for name, one in given.items() if one}
        gains = [f"{estimates.written(one, percent=True)} in the {name} task" for name, one in given.items()]
        if given:
            values = {"words": words, "group": next(iter(given.values())).source}
            lines.append(text("sentence-worth-of-padding", gains=" and ".join(gains), **values))
    return " ".join(lines) or "No network on zoomed nodules with other padding is recorded on real CT."


def comparison_facts(known):
    """Compare changes of the CNN, and networks on the two views: what chapters 5 and 6 open with."""
    windows = known[-1]
    full, base = next(one for one in known if one.full), ("binary", "nodule", "CNN")
    moves = [windows.compare(scores.f1, (*base[:2], name), base) for name in grid.ABLATIONS]
    values = [100 * one.value for one in moves]
    pairs = [(("binary", "nodule", name), (task, view, name)) for task, view, name in full.results]
    gains = [full.compare(scores.auc, *pair) for pair in pairs if pair[1][:2] == ("binary", "wide")]
    least, most = (choose(gains, key=lambda one: one.value) for choose in (min, max))
    return {
        "attempts_moves": f"{min(values):+.1f} to {max(values):+.1f}".replace("-", MINUS),
        "attempts_reach": f"{100 * np.mean([np.diff(one.ends) / 2 for one in moves]):.0f}",
        "views_gain_least": estimates.written(least),
        "views_gain_most": estimates.written(most),
    }
