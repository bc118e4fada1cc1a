"""Commands on runs: train, explain, list, show, remove; `predict` has a file of its own."""

from contextlib import nullcontext
from pathlib import Path

import click

from lungcls.cli.shared import COVARIATES, FOLDER, FORCE, SEED as SEEDS, STORE, default_store
from lungcls.errors import InputError


def _checked(store):
    if not Path(store).is_dir() and Path(store) != default_store():
        raise InputError(f"{store}: no such folder, expected a run store")
    return store


COHORT = click.option("--cohort", "folder", type=FOLDER, required=True, help="A cohort's folder.")
SOURCES = "imagenet (of a backbone by default), none, a file, or a folder of files named by backbone."
WEIGHTS = click.option("--weights", type=FOLDER, help=SOURCES)
PROFILE = click.option("--profile", default="quick", show_default=True, help="Sizes: smoke, quick or full.")
SEED = click.option("--seed", type=SEEDS, default=0, show_default=True)
GROUPS = click.Choice(["table 1", "candidates", "ablations", "zoomed view"])
PART = "Only this part of the grid; can be repeated. The last is in the profile full only."
SHARD = "Only every N-th run, from the I-th: for a job array whose tasks share the store."
CLUSTER = "Train on Dask workers: local:N, slurm:FILE.toml or a scheduler's address."
SET = click.option("--set", "pairs", metavar="KEY=VALUE", multiple=True, help="One setting; can be repeated.")


@click.command()
@COHORT
@click.option("--recipe", help="best-binary or best-multiclass: our best model, in place of the next four.")
@click.option("--task", help="binary or multiclass.")
@click.option("--view", help="full_slice, nodule or context, or two: full_slice+nodule.")
@click.option("--model", help="cnn, mobilenet, resnet50, efficientnetb0 to b7 or ensemble.")
@click.option("--stage", help="scratch, transfer_learning or fine_tuning.")
@WEIGHTS
@click.option("--profile", help="Sizes: smoke, quick or full; by default quick, of a recipe full.")
@SEED
@click.option("--fold", type=click.IntRange(min=0), help="Test on this fold instead of the split.")
@SET
@STORE
def train(folder, profile, pairs, **request):
    """Train one run, or say that it is there; an interrupted one goes on."""
    from lungcls.runs import planning, settings, store, training

    request |= {} if profile is None else {"profile": profile}
    job = planning.plan_run(folder, settings=settings.parse(pairs), **request)
    if job.folder.exists():
        click.echo("already trained")
    else:
        for name, why in store.earlier(job.store, job.config).items():
            click.echo(f"{name} is another run: {'; '.join(why)}")
    show_run(training.train_job(job, progress=True))


def shard(context, option, text):
    """Turn the text of --shard into a slice of the runs."""
    if text is None:
        return slice(None)
    first, _, of = text.partition("/")
    if not (first.isdecimal() and of.isdecimal() and 1 <= int(first) <= int(of)):
        raise InputError(f"--shard: found {text!r}, expected I/N with I from 1 to N, such as 2/8")
    return slice(int(first) - 1, None, int(of))


@click.command()
@COHORT
@WEIGHTS
@PROFILE
@SEED
@click.option("--view", "views", multiple=True, help="Of Table 1, in place of the cohort's; can be repeated.")
@click.option("--backbone", default="efficientnetb2", show_default=True, help="Of Table 1.")
@click.option("--group", "groups", multiple=True, type=GROUPS, help=PART)
@click.option("--jobs", type=click.IntRange(min=1), help="Runs side by side; by default one a core.")
@click.option("--shard", metavar="I/N", callback=shard, help=SHARD)
@click.option("--cluster", metavar="WHERE", help=CLUSTER)
@click.option("--record", type=FOLDER, help="Copy the runs, without their networks, into this folder.")
@SET
@STORE
def study(folder, profile, views, backbone, groups, jobs, record, pairs, shard, cluster, **options):
    """Train the whole grid: Table 1, the other candidates and the ablations."""
    from lungcls.cohorts.cohort import load
    from lungcls.runs import grid, recorded, settings
    from lungcls.runs.sharing import cluster as clusters
    from lungcls.runs.study import train_all

    cells = grid.grid_of(views or load(folder).views, profile=profile, backbone=backbone)
    cells = [cell for cell in cells if not groups or cell.group in groups]
    if not cells:
        raise InputError(f"group: found no run of {', '.join(groups)} in profile {profile}, expected another")
    if options["weights"] not in (None, "none") and all(cell.stage == "scratch" for cell in cells):
        raise InputError(f"weights: found {options['weights']!r} for networks from scratch, expected none")
    cells = cells[shard]
    if cluster and jobs:
        raise InputError("--jobs: found with --cluster, whose workers count, expected one of the two")
    if record and Path(record).exists() and not Path(record).is_dir():
        raise InputError(f"{record}: no folder, expected one for the records")
    requested = grid.plan(folder, cells, profile=profile, overrides=settings.parse(pairs), **options)
    with clusters.workers(cluster) if cluster else nullcontext(jobs) as jobs:
        failed = train_all(requested, jobs=jobs)
    for cell, job in zip(cells, requested, strict=True):
        state = f"failed: {failed[job.id]}" if job.id in failed else job.config["weights"]["label"]
        click.echo(f"{cell.name:<22} {job.id:<58} {state}")
    if record:
        done = [grid.find(job) for job in requested if job.id not in failed]
        recorded.record_all(done, load(folder), record)
    if failed:
        raise click.exceptions.Exit(1)


@click.command()
@COHORT
@click.option("--space", type=FOLDER, required=True, help="A TOML file with a line a setting.")
@click.option("--task", required=True, help="binary or multiclass.")
@click.option("--view", required=True, help="full_slice, nodule or context.")
@click.option("--model", required=True, help="cnn, mobilenet, resnet50 or efficientnetb0 to b7.")
@click.option("--stage", help="scratch or transfer_learning.")
@click.option("--trials", type=int, default=20, show_default=True, help="Settings to try in an outer fold.")
@click.option("--minutes", type=float, help="Begin no trial after that time; the same command goes on.")
@click.option("--inner", type=int, default=5, show_default=True, help="Inner folds.")
@click.option("--sampler", default="tpe", show_default=True, help="tpe, random or grid.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Fits side by side.")
@WEIGHTS
@PROFILE
@SEED
@SET
@STORE
def search(folder, pairs, **options):
    """Search for better settings by nested cross-validation, and say what the search is worth.

    In the TOML file two numbers are a range, more values or words a choice. A search that was killed goes on.
    """
    from lungcls.runs import settings
    from lungcls.runs.searching import nested

    found = nested.search(folder, settings=settings.parse(pairs), **options)
    for name, row in found.scores.iterrows():
        click.echo(f"{name:<20} {row.value:6.3f} [{row.low:.3f}, {row.high:.3f}]  n {row.n:.0f}")
    for name, share in found.importance.items():
        click.echo(f"importance {name:<18} {share:.2f}")
    for fold, row in found.best.iterrows():
        chosen = row.drop(["trial", "inner", "outer", "run"])
        values = ", ".join(f"{key} {shown(value)}" for key, value in chosen.items())
        click.echo(f"fold {fold}: inner {row.inner:.3f}, outer {row.outer:.3f}, {values}  {row.run}")


def shown(value):
    """A number to three digits, a word as it is."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@click.group("runs")
def runs_group():
    """List, show and remove runs."""


@runs_group.command("list")
@STORE
def list_runs(store):
    """List the runs with their weights, test scores and state."""
    from lungcls.runs import store as runs

    found = runs.list_runs(_checked(store))
    for run in found:
        try:
            scores, why = runs.scores(run), runs.stale_because(run)
        except InputError as error:  # the others can be shown
            click.echo(f"{run.id:<58} damaged: {error}")
            continue
        state = f"stale: {'; '.join(why)}" if why else "up to date"
        texts = [f"{name} {scores[name]:.3f}" for name in ("accuracy", "F1 (macro)") if name in scores]
        click.echo(f"{run.id:<58} {run.weights:<14} {'  '.join(texts) or 'no test case'}  {state}")
    click.echo(f"{len(found)} runs in {store}")


@runs_group.command()
@click.argument("run")
@click.option("--cohort", "folder", type=FOLDER, help="Its cohort, to score it beside the next three.")
@click.option("--against", default="diameter", show_default=True, help="A baseline, such as radiomics.")
@click.option("--radiomics", type=click.Choice(["ours", "flash"]), help="Whose: flash needs an extra.")
@COVARIATES
@STORE
def show(run, folder, against, radiomics, covariates, store):
    """Show a RUN: its settings, scores, versions, and why it is stale if it is.

    With its cohort also beside a baseline or, with --covariates, with and without columns of the cohort.
    """
    from lungcls.runs import store as runs

    found = runs.find(store, run)
    if runs.is_sealed(found):
        runs.verify(found)
    show_run(found, everything=True)
    if folder:
        against = {"ours": "radiomics", "flash": "radiomics_flash"}.get(radiomics, against)
        show_beside(found, folder, against, covariates)
    elif radiomics or covariates:
        raise InputError("cohort: found none, expected that of the run, for a baseline or covariates")


@runs_group.command()
@click.argument("run", required=False)
@click.option("--stale", is_flag=True, help="All runs of other versions of the package.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@STORE
def remove(run, stale, yes, dry_run, store):
    """Remove a RUN of the store, or all stale ones."""
    from lungcls.runs import store as runs

    if (run is None) != stale:
        raise InputError("runs remove: expected the name of a run, or --stale")
    stored = runs.list_runs(_checked(store)) if stale else [runs.find_in(store, run)]
    chosen = [one for one in stored if not stale or runs.stale_because(one)]
    for found in chosen:
        click.echo(f"{'would remove' if dry_run else 'to remove'}: {found.id}")
    if dry_run or not chosen:
        return
    if not yes:
        click.confirm(f"Remove {len(chosen)} runs from {store}?", abort=True)
    for found in chosen:
        runs.remove(found)
        click.echo(f"removed {found.id}")


@click.command()
@click.argument("run")
@click.argument("folder", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The NPZ file to write.")
@FORCE
@click.option("--layer", help="Whose maps; by default those of the last convolution.")
@click.option("--view", help="On which input, of a run of two views.")
@STORE
def explain(run, folder, out, force, layer, view, store):
    """Write the Grad-CAM maps of a RUN on the cohort in FOLDER, with their coordinates."""
    from lungcls.explain import explanation
    from lungcls.runs import store as runs

    found = runs.find(store, run)
    maps = explanation.export(found, folder, out, layer=layer, view=view, force=force)
    zero = f"; {maps.zero.sum()} are 0 everywhere" if maps.zero.any() else ""
    made = f"{len(maps.values)} maps of {maps.layer} ({maps.why}) in {out}"
    click.echo(f"{found.id} ({found.weights}): {made}{zero}")


@click.group("weights")
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


def show_run(run, *, everything=False):
    """Print a run's weights, scores and state; everything adds settings and versions."""
    from lungcls.runs import store as runs

    why = runs.stale_because(run)
    rows = [("weights", run.weights), ("parent", run.config["parent"] or "none")]
    rows += [("state", f"stale: {'; '.join(why)}" if why else "up to date")]
    for part in ("validation", "test"):
        scores = runs.scores(run, part)
        texts = [f"{name} {value:.3f}" for name, value in scores.items() if name != "n"]
        rows.append((part, ", ".join([f"n {scores['n']}", *texts])))
    if everything:
        rows += [(name, run.config[name]) for name in ("cohort", "split")]
        rows += list(run.config["settings"].items()) + list(run.environment.items())
    click.echo(run.id)
    for name, value in rows:
        click.echo(f"  {name.replace('_', ' '):<16} {value}")
    click.echo(f"  {'folder':<16} {run.folder}")


def show_beside(run, folder, against, covariates):
    """Print a run's scores less those of a baseline, or with covariates less without."""
    from lungcls.cohorts.cohort import load
    from lungcls.runs import evaluation

    data, names = load(folder), (run.id, against)
    if covariates:
        parts = evaluation.with_covariates(run, covariates, data=data)
        table = evaluation.paired(parts["both"], parts["run"], task=run.config["task"], seed=0)
        names = f"with {', '.join(covariates)}", "without"
    else:
        table = evaluation.score(run, against=against, data=data)
        renamed = {"value": "first", against: "second", "difference_low": "low", "difference_high": "high"}
        table = table.drop(columns=["low", "high"]).rename(columns=renamed)
    click.echo(f"{names[0]} less {names[1]}")
    for name, row in table.loc[list(evaluation.SCORES[run.config["task"]])].iterrows():
        change = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
        click.echo(f"  {name:<24} {row['first']:.3f} less {row['second']:.3f}: {change}  n {row['n']:.0f}")


COMMANDS = (train, study, search, runs_group, explain, weights_group)
