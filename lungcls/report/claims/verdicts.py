"""Verdicts on the report's statements on networks, from recorded runs."""

from collections import namedtuple

import pandas as pd

from lungcls.cohorts.cohort import TASKS
from lungcls.errors import InputError
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.claims import estimates, evidence, ledger as claims
from lungcls.report.results import networks, tables
from lungcls.report.results.score_tables import TASKS as TASK_NAMES
from lungcls.report.wording import MINUS, captioned, text
from lungcls.runs import grid

IN_SHORT = {claims.OPEN: "open", claims.UNTESTED: "–"}
STAGES = {"scratch": "CNN", "transfer_learning": "TL", "fine_tuning": "FT"}
FORMS = {"CNN": "with its padding", "padding filled": "padding filled"}
FORMS |= {"fixed-size crop": "fixed-size crop", "padding alone": "padding alone, no lung"}
WITHOUT = {"padding filled": "With the padding filled"}
WITHOUT |= {"padding alone": "With the padding alone, and no lung,"}


def answers(group, *, seed):
    """Take a group's answers to the test cases, by task, view and network as the ledger names runs."""
    backbone, found = networks.stand_in(group), {}
    for run in (run for run in group.runs if run.config["seed"] == seed):
        model, stage, change = run.config["model"], run.config["stage"], networks.variant(run)
        if (stage != "scratch" and not run.config["weights"]["digest"]) or (change and model != "cnn"):
            continue
        network = change or (STAGES[stage] if model in ("cnn", backbone) else grid.title(model, stage))
        name = f"{run.config['task']} {'nodule' if run.config['view'] == 'nodule' else 'wide'} {network}"
        if name in found:
            raise InputError(f"{run.id}: found a second run of {name} with the seed {seed}, expected one")
        found[name] = tables.result_of(run.predictions, group.cohort)
    return found | both_views(found)


def both_views(results):
    """Average the networks of the two views wherever both are there, as "binary both CNN"."""
    found = {}
    for task, network in ((task, network) for task in TASKS for network in STAGES.values()):
        pair = [f"{task} {view} {network}" for view in ("nodule", "wide")]
        if set(pair) <= set(results):
            found[f"{task} both {network}"] = evidence.together(*map(results.get, pair), task=task)
    return found


def on_networks(ledger):
    """Leave only the claims that are tested by answers of networks."""

    def of_answers(test):
        return "first" in test and test["score"].split(",")[0] not in evidence.MAP_VALUES

    kept = [claim for claim in ledger["claims"] if claim["tests"] and all(map(of_answers, claim["tests"]))]
    return ledger | {"claims": kept}


Decided = namedtuple("Decided", "results found table")  # from the runs of one group and seed


def decide(ledger, group, *, training, seed):
    """Decide claims from a group's runs of one `training` seed; `seed` is that of the resamples."""
    results = answers(group, seed=training)
    found = evidence.collect(ledger, measures={}, results=results, seed=seed)
    return Decided(results, found, claims.decide(ledger, found))


def verdict_facts(groups, *, seed=0):
    """Decide the report's statements on networks from recorded runs; the first group gives estimates."""
    ledger, first, seeds = on_networks(claims.load()), groups[0], networks.seeds_of(groups[0].runs)
    main, *again = [decide(ledger, first, training=one, seed=seed) for one in seeds]
    others = {f"seed {one}": decided.table for one, decided in zip(seeds[1:], again, strict=True)}
    tested = main.table.index[main.table["verdict"] != claims.UNTESTED]
    facts = {
        "verdicts_counts": _counts(main.table.loc[tested], seeds[0]),
        "verdicts_firm": _firm(main.table, list(others.values())),
        "verdicts_stand_in": _stand_ins(first),
        "verdicts_untested": _untested(main.table),
        "verdicts_without_padding": without_padding(first, seed=seed),
        "worth_of_padding": worth_of_padding(first, seed=seed),
    }
    if not len(tested):
        return facts | {"verdicts_table": "These records decide none of the statements on networks."}
    for group in groups[1:]:
        training = networks.seeds_of(group.runs)[0]
        others[group.name] = decide(ledger, group, training=training, seed=seed).table
    known = {claim["number"]: claim for claim in ledger["claims"]}
    rows = {no: _row(known[no], main, others, first, seed) for no in known if no in tested}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("no.").reset_index().astype(str)
    values = _said_of(first) | {"open": claims.OPEN, "of": len(tested), "stands": facts["verdicts_stand_in"]}
    laid = captioned(frame, "tab-results-verdicts", texts=len(frame.columns), **values)
    return facts | {"verdicts_table": laid}


def _said_of(group):
    return {"group": group.name, **group.sizes, "seed": networks.seeds_of(group.runs)[0]}


def without_padding(group, *, seed):
    """Compare the views in zoomed forms that hide the readers' box, as a MyST table or a sentence."""
    found, margin = answers(group, seed=networks.seeds_of(group.runs)[0]), claims.load()["margin"]
    rows = []
    for task, form in ((task, form) for task in TASKS for form in FORMS):
        pair = f"{task} nodule {form}", f"{task} wide CNN"
        if set(pair) <= set(found):
            one = evidence.of_runs(found, *pair, score="F1 (weighted)", seed=seed)
            verdict, gain = claims.outcome(one, "above 0", margin=margin)[0], estimates.written(one)
            rows.append([TASK_NAMES[task], FORMS[form], gain + _one_answer(found, pair), verdict])
    if not any(row[1] != FORMS["CNN"] for row in rows):
        return "No network on a zoomed view without the readers' box is recorded."
    heads = ["task", "zoomed view", "weighted F1, less the wide view", "the zoomed view is better"]
    views = {run.config["view"] for run in group.runs}
    wide = next(VIEW_NAMES[view] for view in ("full_slice", "context") if view in views)
    values = {"wide": wide, **_said_of(group)}
    return captioned(rows, "tab-results-without-padding", heads=heads, texts=4, **values)


def worth_of_padding(group, *, seed):
    """Say what the CNN gains or loses without the padding of the zoomed nodule, and with nothing else."""
    found, lines = answers(group, seed=networks.seeds_of(group.runs)[0]), []
    for form, words in WITHOUT.items():
        gains = []
        for task, name in TASK_NAMES.items():
            pair = f"{task} nodule {form}", f"{task} nodule CNN"
            if set(pair) <= set(found):
                gain = evidence.of_runs(found, *pair, score="F1 (weighted)", seed=seed)
                gains.append(f"{estimates.written(gain, percent=True)} in the {name} task")
        values = {"words": words, "group": group.name, "gains": " and ".join(gains)}
        lines += [text("sentence-worth-of-padding", **values)] if gains else []
    return " ".join(lines) or "No network on zoomed nodules with other padding is recorded on real CT."


def _counts(tested, training):
    """How many of the decided claims get which verdict, before and after Holm's adjustment."""
    plain, held = (tested[name].value_counts() for name in ("verdict", "verdict (Holm)"))
    names = {"hold": claims.HOLDS, "fail": claims.FAILS, "open": claims.OPEN}
    values = {name: plain.get(verdict, 0) for name, verdict in names.items()}
    values |= {f"{name}_kept": held.get(names[name], 0) for name in ("hold", "fail")}
    return text("sentence-verdicts", of=len(tested), seed=training, **values)


def _firm(table, others):
    """Name the verdicts that outlive the adjustment and are the same with every seed that decides them."""
    kept = []
    for number, row in table[table["verdict (Holm)"].isin((claims.HOLDS, claims.FAILS))].iterrows():
        decided = [other.loc[number, "verdict"] for other in others]
        decided = [verdict for verdict in decided if verdict != claims.UNTESTED]
        if set(decided) <= {row["verdict"]}:
            kept.append(f"{number} ({row['verdict']}, {1 + len(decided)} seed{'s' if decided else ''})")
    return text("sentence-firm", claims="; ".join(kept)) if kept else text("sentence-none-firm")


def _stand_ins(group):
    """Say what stands in the place of the report's backbone and of its full slices."""
    backbone, views = networks.stand_in(group), {run.config["view"] for run in group.runs}
    lines = []
    if backbone not in (None, grid.BACKBONE):
        mine, reports = (grid.title(name, "scratch") for name in (backbone, grid.BACKBONE))
        weights = {networks.weights_of(run)[0] for run in group.runs if run.config["model"] == backbone}
        name = f"{mine} ({'; '.join(sorted(weights))})"
        lines.append(f"{name} stands in the place of the report's {reports}")
    if "context" in views and "full_slice" not in views:
        lines.append(f"the {VIEW_NAMES['context']} stands in the place of its {VIEW_NAMES['full_slice']}")
    sentence = ", and ".join(lines)
    return text("sentence-stand-in", stands=sentence[0].upper() + sentence[1:]) if sentence else ""


def _row(claim, main, others, group, seed):
    number, tests = claim["number"], claim["tests"]
    names = dict.fromkeys(test[side] for test in tests for side in ("first", "second") if side in test)
    estimate = estimates.written_together(main.found[number], tests) + _one_answer(main.results, names)
    pairs = ([test["first"].split()[0], test["second"].split()[0]] for test in tests if "second" in test)
    if any(first != second for first, second in pairs):
        estimate += f". Between majority classes: {_blind(group, seed):+.2f}".replace("-", MINUS)
    row = main.table.loc[number]
    verdicts = {"verdict": row["verdict"], "after Holm": row["verdict (Holm)"]}
    verdicts |= {name: table.loc[number, "verdict"] for name, table in others.items()}
    verdicts = {name: IN_SHORT.get(verdict, verdict) for name, verdict in verdicts.items()}
    return {"the report states": claim["statement"], "estimate": estimate, **verdicts}


def _one_answer(results, names):
    same = [name for name in names if results[name]["y_pred"].nunique() == 1]
    return f". One answer to all: {', '.join(same)}" if same else ""


def _blind(group, seed):
    """Accuracy of the largest class in the binary task less that in the multi-class one."""
    right, options = {}, {"seed": seed, "names": ["majority"]}
    for task in TASKS:
        found, _ = tables.baseline_predictions(group.cohort, group.parts, task=task, **options)
        test = tables.result_of(*found.values(), group.cohort)
        right[task] = (test["y_pred"] == test["y_true"]).mean()
    return right["binary"] - right["multiclass"]


def _untested(decided):
    rows = decided.loc[decided["verdict"] == claims.UNTESTED, "why"]
    reasons = "; ".join(f"{number} ({why})" for number, why in rows.items())
    return f"Not decided by these records: {reasons}." if reasons else "The records decide all of them."
