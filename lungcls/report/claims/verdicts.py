"""Verdicts on the report's statements on networks, from recorded runs."""

from dataclasses import dataclass

import pandas as pd

from lungcls.cohorts.cohort import TASKS
from lungcls.errors import InputError
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.claims import estimates, evidence, ledger as claims
from lungcls.report.results import networks, tables
from lungcls.report.results.score_tables import TASKS as TASK_NAMES
from lungcls.report.wording import MINUS, count, table
from lungcls.runs import grid

IN_SHORT = {claims.OPEN: "open", claims.UNTESTED: "–"}
STAGES = {"scratch": "CNN", "transfer_learning": "TL", "fine_tuning": "FT"}
FORMS = {
    "CNN": "with its grey bands",
    "bands filled": "bands filled",
    "square of fixed size": "square of fixed size",
    "bands alone": "bands alone, no lung",
}
WITHOUT = {"bands filled": "With the grey bands filled", "bands alone": "With the bands alone, and no lung,"}


def answers(group, *, seed):
    """Take a group's answers to the test cases, by task, view and network as the ledger names runs."""
    backbone, found = networks.stand_in(group), {}
    for run in (run for run in group.runs if run.config["seed"] == seed):
        model, stage, change = run.config["model"], run.config["stage"], networks.variant(run)
        if (stage != "scratch" and not run.config["weights"]["digest"]) or (change and model != "cnn"):
            continue
        name = change or (STAGES[stage] if model in ("cnn", backbone) else grid.title(model, stage))
        name = f"{run.config['task']} {'nodule' if run.config['view'] == 'nodule' else 'wide'} {name}"
        if name in found:
            raise InputError(f"{run.id}: found a second run of {name} with the seed {seed}, expected one")
        found[name] = tables.result_of(run.predictions, group.cohort)
    return found | both_views(found)


def both_views(results):
    """Average the networks of the two views wherever both are there, as "binary both CNN"."""
    found = {}
    for task in TASKS:
        for network in STAGES.values():
            pair = [results.get(f"{task} {view} {network}") for view in ("nodule", "wide")]
            if all(one is not None for one in pair):
                found[f"{task} both {network}"] = evidence.together(*pair, task=task)
    return found


def on_networks(ledger):
    """Leave only the claims that are tested by answers of networks."""
    kept = [claim for claim in ledger["claims"] if claim["tests"] and all(map(_of_answers, claim["tests"]))]
    return ledger | {"claims": kept}


def _of_answers(test):
    return "first" in test and test["score"].split(",")[0] not in evidence.MAP_VALUES


@dataclass(frozen=True)
class Decided:
    """Claims decided from the runs of one group and seed."""

    results: dict
    found: dict
    table: pd.DataFrame


def decide(ledger, group, *, training, seed):
    """Decide claims from a group's runs of one `training` seed; `seed` is that of the resamples."""
    results = answers(group, seed=training)
    found = evidence.collect(ledger, measures={}, results=results, seed=seed)
    return Decided(results, found, claims.decide(ledger, found))


def verdict_facts(groups, *, seed=0):
    """Decide the report's statements on networks from recorded runs; the first group gives estimates."""
    ledger, first = on_networks(claims.load()), groups[0]
    main, *again = [decide(ledger, first, training=one, seed=seed) for one in _seeds(first)]
    others = {f"seed {training}": one.table for training, one in zip(_seeds(first)[1:], again)}
    firm = _firm(main.table, list(others.values()))
    others |= {
        group.name: decide(ledger, group, training=_seeds(group)[0], seed=seed).table for group in groups[1:]
    }
    tested = main.table.index[main.table["verdict"] != claims.UNTESTED]
    stands = _stand_ins(first)
    facts = {
        "verdicts_counts": _counts(main.table.loc[tested], _seeds(first)[0]),
        "verdicts_firm": firm,
        "verdicts_stand_in": stands,
        "verdicts_untested": _untested(main.table),
        "verdicts_without_bands": without_bands(first, seed=seed),
        "worth_of_bands": worth_of_bands(first, seed=seed),
    }
    if not len(tested):
        return facts | {"verdicts_table": "These records decide none of the statements on networks."}
    rows = {
        claim["number"]: _row(claim, main, others, first, seed)
        for claim in ledger["claims"]
        if claim["number"] in tested
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("no.").reset_index().astype(str)
    patients = count(first.test["patient_id"].nunique())
    return facts | {
        "verdicts_table": table(
            frame,
            name="tab-results-verdicts",
            texts=len(frame.columns),
            caption=f"The report's statements on networks, decided from the recorded runs on {first.name}, n = "
            f"{count(len(first.test))} test cases of {patients} patients, seed {_seeds(first)[0]}, with 95 % intervals over "
            "patients, which hold no spread between trainings; of more than two comparisons of one score the least and the "
            "greatest. What is estimated, and the rule of the verdicts, stand in {doc}`../notebooks/12_claims`. *Open*: "
            f"{claims.OPEN}. *After Holm*: adjusted over the {len(tested)} statements of this table. Verdicts in the "
            f"columns behind it are not adjusted. {stands}",
        )
    }


def without_bands(group, *, seed):
    """Compare the views in zoomed forms that hide the readers' box, as a MyST table or a sentence."""
    found, margin, training = answers(group, seed=_seeds(group)[0]), claims.load()["margin"], _seeds(group)[0]
    rows = []
    for task, form in ((task, form) for task in TASKS for form in FORMS):
        pair = f"{task} nodule {form}", f"{task} wide CNN"
        if all(name in found for name in pair):
            one = evidence.of_runs(found, *pair, score="F1 (weighted)", seed=seed)
            verdict = claims.outcome(one, "above 0", margin=margin)[0]
            rows.append(
                [TASK_NAMES[task], FORMS[form], estimates.written(one) + _one_answer(found, pair), verdict]
            )
    if not any(row[1] != FORMS["CNN"] for row in rows):
        return "No network on a zoomed view without the readers' box is recorded."
    heads = ["task", "zoomed view", "weighted F1, less the wide view", "the zoomed view is better"]
    wide = next(
        VIEW_NAMES[view]
        for view in ("full_slice", "context")
        if any(run.config["view"] == view for run in group.runs)
    )
    return table(
        pd.DataFrame(rows, columns=heads),
        name="tab-results-without-bands",
        texts=4,
        caption=f"The CNN on the zoomed nodule less the CNN on the {wide}, {group.name}, seed {training}, on "
        f"{count(len(group.test))} test cases with 95 % intervals over patients: with the grey bands, whose "
        "width is the readers' measure of size, in forms that hide it, and with nothing else. Not "
        "adjusted.",
    )


def worth_of_bands(group, *, seed):
    """Say what the CNN gains or loses without the grey bands of the zoomed nodule, and with nothing else."""
    found, lines = answers(group, seed=_seeds(group)[0]), []
    for form, words in WITHOUT.items():
        pairs = {name: (f"{task} nodule {form}", f"{task} nodule CNN") for task, name in TASK_NAMES.items()}
        gains = {
            name: evidence.of_runs(found, *pair, score="F1 (weighted)", seed=seed)
            for name, pair in pairs.items()
            if set(pair) <= set(found)
        }
        if gains:
            said = " and ".join(
                f"{estimates.written(gain, percent=True)} in the {name} task" for name, gain in gains.items()
            )
            lines.append(f"{words} the weighted F1 of the CNN on {group.name} changes by {said} (points).")
    return " ".join(lines) or "No network on zoomed nodules with other bands is recorded on real CT."


def _seeds(group):
    return sorted({run.config["seed"] for run in group.runs})


def _counts(tested, training):
    """How many of the decided claims get which verdict, before and after Holm's adjustment."""
    plain, held = tested["verdict"].value_counts(), tested["verdict (Holm)"].value_counts()
    hold, fail, still = (plain.get(verdict, 0) for verdict in (claims.HOLDS, claims.FAILS, claims.OPEN))
    kept = [held.get(verdict, 0) for verdict in (claims.HOLDS, claims.FAILS)]
    return (
        f"Of {len(tested)} statements on networks, {hold} hold with the seed {training}, {fail} do not, and {still} "
        f"cannot be told from so many cases. Holm's adjustment over the {len(tested)} leaves {kept[0]} of those "
        f"that hold and {kept[1]} of those that do not."
    )


def _firm(table, others):
    """Name the verdicts that outlive the adjustment and are the same with every seed that decides them."""
    kept = []
    for number, row in table[table["verdict (Holm)"].isin((claims.HOLDS, claims.FAILS))].iterrows():
        said = [
            other.loc[number, "verdict"]
            for other in others
            if other.loc[number, "verdict"] != claims.UNTESTED
        ]
        if set(said) <= {row["verdict"]}:
            kept.append(f"{number} ({row['verdict']}, {1 + len(said)} seed{'s' if said else ''})")
    if not kept:
        return "No verdict outlives the adjustment and every seed."
    return f"Verdicts that outlive the adjustment and are the same with every seed that decides them: {'; '.join(kept)}."


def _stand_ins(group):
    """Say what stands in the place of the report's backbone and of its full slices."""
    backbone, views = networks.stand_in(group), {run.config["view"] for run in group.runs}
    lines = []
    if backbone not in (None, grid.BACKBONE):
        lines.append(
            f"{grid.title(backbone, 'scratch')}{_short(group, backbone)} stands in the place of the report's "
            f"{grid.title(grid.BACKBONE, 'scratch')}"
        )
    if "context" in views and "full_slice" not in views:
        lines.append(f"the {VIEW_NAMES['context']} stands in the place of its {VIEW_NAMES['full_slice']}")
    said = ", and ".join(lines)
    return (
        f"{said[0].upper()}{said[1:]}, so these verdicts are not about the report's own networks."
        if lines
        else ""
    )


def _short(group, backbone):
    weights = {networks.weights_of(run)[0] for run in group.runs if run.config["model"] == backbone}
    return f" ({'; '.join(sorted(weights))})"


def _row(claim, main, others, group, seed):
    number, row = claim["number"], main.table.loc[claim["number"]]
    estimate = estimates.written_together(main.found[number], claim["tests"])
    names = dict.fromkeys(
        test[side] for test in claim["tests"] for side in ("first", "second") if side in test
    )
    estimate += _one_answer(main.results, names)
    if any(
        "second" in test and test["first"].split()[0] != test["second"].split()[0] for test in claim["tests"]
    ):
        estimate += f". Between majority classes: {_blind(group, seed):+.2f}".replace("-", MINUS)
    said = {"verdict": row["verdict"], "after Holm": row["verdict (Holm)"]}
    said |= {name: table.loc[number, "verdict"] for name, table in others.items()}
    return {
        "the report states": claim["statement"],
        "estimate": estimate,
        **{name: IN_SHORT.get(verdict, verdict) for name, verdict in said.items()},
    }


def _one_answer(results, names):
    same = [name for name in names if results[name]["y_pred"].nunique() == 1]
    return f". One answer to all: {', '.join(same)}" if same else ""


def _blind(group, seed):
    """Accuracy of the largest class in the binary task less that in the multi-class one."""
    right = {}
    for task in TASKS:
        found, _ = tables.baseline_predictions(
            group.cohort, group.parts, task=task, seed=seed, names=["majority"]
        )
        test = tables.result_of(*found.values(), group.cohort)
        right[task] = (test["y_pred"] == test["y_true"]).mean()
    return right["binary"] - right["multiclass"]


def _untested(decided):
    lines = [
        f"{number} ({row['why']})"
        for number, row in decided[decided["verdict"] == claims.UNTESTED].iterrows()
    ]
    return (
        f"Not decided by these records: {'; '.join(lines)}." if lines else "The records decide all of them."
    )
