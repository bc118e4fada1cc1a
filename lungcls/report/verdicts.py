"""Verdicts on the report's statements from recorded runs, and how estimates are written in a ledger."""

import pandas as pd

from lungcls import study
from lungcls.cohort import TASKS
from lungcls.report import claims, evidence, gathered, tables
from lungcls.report.choice import VIEW_NAMES
from lungcls.report.wording import MINUS, count, table

STAGES = {"scratch": "CNN", "transfer_learning": "TL", "fine_tuning": "FT"}
PARTS = {"patient": "patients together", "report": "report's split"}


# --- How estimates are written ------------------------------------------------------------


def certain(one):
    """Say whether an estimate is a count of everything there is."""
    return one["low"] == one["high"] and not one["same"]


def written(one, *, sign=True, percent=False):
    """Write an estimate: +0.08 [+0.01, +0.15], or a count.

    Parameters
    ----------
    one : mapping
        From :func:`lungcls.report.claims.estimate`.
    sign, percent : bool
        As for :func:`lungcls.report.tables.with_interval`.

    Returns
    -------
    str
    """
    if certain(one):
        return f"{one['value']:.3g}".replace("-", MINUS) + " (counted)"
    same = " (same answer to all)" if one["same"] else ""
    return tables.with_interval(one, sign=sign, percent=percent) + same


def written_together(given, tests):
    """Write the estimates of a claim: two as they are, of more the least and the greatest.

    Parameters
    ----------
    given : sequence of mapping
        From :func:`lungcls.report.claims.estimate`.
    tests : sequence of mapping
        The claim's, in the same order.

    Returns
    -------
    str
    """
    if len(given) <= 2 or all(map(certain, given)):
        return "; ".join(written(one, sign="second" in test) for one, test in zip(given, tests))
    least, most = (choose(one["value"] for one in given) for choose in (min, max))
    return f"{least:+.2f} to {most:+.2f} ({len(given)} comparisons)".replace("-", MINUS)


# --- Verdicts from recorded runs ----------------------------------------------------------


def answers(group, *, seed):
    """Take a group's answers to the test cases, by the names that the ledger has for runs.

    Parameters
    ----------
    group : lungcls.report.gathered.Group
    seed : int
        Of the trainings.

    Returns
    -------
    dict of str to DataFrame
        By task, view and network. TL and FT are the report's backbone, or the EfficientNet that
        stands in for it; networks that should be pretrained and are not have no name.
    """
    runs = [run for run in group.runs if run.config["seed"] == seed]
    runs = [run for run in runs if run.config["stage"] == "scratch" or run.config["weights"]["digest"]]
    backbone, found = stand_in(group), {}
    for run in runs:
        change, stage = gathered.variant(run), run.config["stage"]
        plain = run.config["model"] in ("cnn", backbone)
        name = change or (STAGES[stage] if plain else study.title(run.config["model"], stage))
        view = "nodule" if run.config["view"] == "nodule" else "wide"
        found[f"{run.config['task']} {view} {name}"] = tables.result_of(run.predictions, group.cohort)
    for task in TASKS:
        for network in STAGES.values():
            pair = [found.get(f"{task} {view} {network}") for view in ("nodule", "wide")]
            if all(one is not None for one in pair):
                found[f"{task} both {network}"] = evidence.together(*pair, task=task)
    return found


def stand_in(group):
    """Name the pretrained EfficientNet of a group: the report's if it is there, else the least.

    Parameters
    ----------
    group : lungcls.report.gathered.Group

    Returns
    -------
    str or None
    """
    models = {run.config["model"] for run in group.runs if run.config["weights"]["digest"]}
    mine = sorted(model for model in models if model.startswith("efficientnet"))
    return study.BACKBONE if study.BACKBONE in mine else next(iter(mine), None)


def on_networks(ledger):
    """Leave only the claims that are tested by answers of networks.

    Parameters
    ----------
    ledger : dict
        From :func:`lungcls.report.claims.load`.

    Returns
    -------
    dict
    """
    kept = [claim for claim in ledger["claims"] if claim["tests"] and all(map(_of_answers, claim["tests"]))]
    return ledger | {"claims": kept}


def _of_answers(test):
    return "first" in test and test["score"].split(",")[0] not in evidence.MAP_VALUES


def verdict_facts(groups, *, seed=0):
    """Decide the report's statements on networks from recorded runs.

    Parameters
    ----------
    groups : sequence of lungcls.report.gathered.Group
        The first one gives the estimates.
    seed : int, default 0
        Of the resamples.

    Returns
    -------
    dict of str to str
        `verdicts_table`; `verdicts_untested`, a sentence; the counts `verdicts_tested`,
        `verdicts_hold`, `verdicts_fail` and `verdicts_open`.
    """
    ledger, first = on_networks(claims.load()), groups[0]
    trainings = sorted({run.config["seed"] for run in first.runs})
    every = {(group.runs[0].config["settings"]["protocol"], training): _decided(ledger, group, training, seed)
             for group in groups for training in sorted({run.config["seed"] for run in group.runs})}  # fmt: skip
    protocol = first.runs[0].config["settings"]["protocol"]
    found, decided = every[protocol, trainings[0]]
    tested = decided[decided["verdict"] != claims.UNTESTED]
    rows = {claim["number"]: _row(claim, found, decided, every, protocol, trainings)
            for claim in ledger["claims"] if claim["number"] in tested.index}  # fmt: skip
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("no.").reset_index().astype(str)
    backbone = stand_in(first)
    return {
        "verdicts_table": table(
            frame, name="tab-results-verdicts", texts=len(frame.columns),
            caption=f"The report's statements on networks, decided from the recorded runs on {first.name}, n = "
            f"{count(len(first.test))} test cases of {count(first.test['patient_id'].nunique())} patients; of more "
            "than two comparisons the least and the greatest difference. What is estimated, most often a difference of "
            "weighted F1, and the rule of the verdicts stand in {doc}`../notebooks/12_claims`; the last columns have the "
            "verdicts with another seed of the training and on the report's split. TL and FT: " + (study.title(backbone, "scratch") if backbone else "none") + "; the wide view: "
            + ", ".join(sorted({VIEW_NAMES[run.config["view"]] for run in first.runs} - {VIEW_NAMES["nodule"]})) + "."),
        "verdicts_untested": _untested(decided),
        "verdicts_tested": count(len(tested)),
    } | {f"verdicts_{name}": count((tested["verdict"] == verdict).sum())
         for name, verdict in (("hold", claims.HOLDS), ("fail", claims.FAILS), ("open", claims.OPEN))}  # fmt: skip


def _decided(ledger, group, training, seed):
    found = evidence.collect(ledger, measures={}, results=answers(group, seed=training), seed=seed)
    return found, claims.decide(ledger, found)


def _row(claim, found, decided, every, protocol, trainings):
    number = claim["number"]
    row = {"the report states": claim["statement"], "estimate": written_together(found[number], claim["tests"]),
           "verdict": decided.loc[number, "verdict"], "after Holm": decided.loc[number, "verdict (Holm)"]}  # fmt: skip
    others = {f"seed {training}": every[protocol, training][1] for training in trainings[1:]}
    others |= {PARTS[kind]: table for (kind, _), (_, table) in every.items() if kind != protocol}
    return row | {name: "–" if (said := table.loc[number, "verdict"]) == claims.UNTESTED else said
                  for name, table in others.items()}  # fmt: skip


def _untested(decided):
    lines = [f"{number} ({row['why']})" for number, row in decided[decided["verdict"] == claims.UNTESTED].iterrows()]
    return f"Not decided by these records: {'; '.join(lines)}." if lines else "The records decide all of them."
