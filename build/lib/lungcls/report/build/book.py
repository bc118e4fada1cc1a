"""Make the book: execute the notebooks, stage everything, render it with jupyter-book.

All work happens in `_build` of the checkout: `executed/<profile>` holds the executed
copies, `stage` is the folder that jupyter-book sees (executed copies under the paths of
their sources, so that links and downloads point at files that are in git), `html` is the
book, replaced only by a whole one.
"""

from contextlib import contextmanager
from functools import partial
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys

from filelock import FileLock, Timeout

from lungcls.errors import InputError
from lungcls.profiles import get_profile
from lungcls.report.build import execution, gallery
from lungcls.report.build.execution import BookError, execute
from lungcls.report.build.pairs import differing
from lungcls.report.build.pdf import print_book
from lungcls.report.build.staging import stage
from lungcls.report.paths import find_checkout, read_yaml

NETWORKS = "04_model_comparison"  # the chapter that trains networks, which the results page shows
FAULT = re.compile(r"\b(WARNING|ERROR|CRITICAL|SEVERE)\b: ")
# Only docstrings are read, so Keras and TensorFlow, slow and noisy, are never imported.
JUPYTER_BOOK = """
from jupyter_book.cli.main import main
from sphinx.ext.autodoc.mock import mock
with mock(["keras", "tensorflow"]):
    main()
"""
OPEN_REFERENCE = re.compile(r"undefined label|unknown document|cross-reference target not found")


def build(
    *,
    profile="quick",
    only=None,
    force=False,
    cohort="phantom",
    seed=0,
    parameters=None,
    html_only=False,
    pdf=False,
    checkout=None,
):
    """Make the book of a checkout in `_build/html` and return its first page; `only` as in :func:`choose`."""
    from lungcls.sources.opening import open_cohort

    checkout = find_checkout(checkout)
    get_profile(profile)
    chosen = choose(checkout, only)
    if Path(cohort).is_dir():
        cohort = str(Path(cohort).resolve())  # notebooks run in another folder
    given = {"profile": profile, "cohort": cohort, "seed": seed, **(parameters or {})}
    for name in ("_config.yml", "_toc.yml"):
        read_yaml(checkout / name)  # before minutes of work
    for path in [] if html_only else chosen:
        execution.check_parameters(path, given)
    with _alone(checkout / "_build"):
        opened = open_cohort(cohort, profile=profile, seed=seed)
        if not html_only:
            if profile == "full" and any(path.stem == NETWORKS for path in chosen):
                train_grid(opened, profile=profile, seed=seed)
            _execute_all(checkout, chosen, profile, given, execution.surroundings(checkout, opened), force)
            gallery.run_all(checkout, force=force)
        copies = {path: executed_copy(checkout, profile, path.stem) for path in choose(checkout)}
        if copies and not any(copy.exists() for copy in copies.values()):
            found = f"no notebook has been executed in profile {profile}"
            raise InputError(f"{found}, expected `make book` first")
        left_out = stage(checkout, copies=copies, numbers=_numbers(checkout, opened, copies))
        for chapter in left_out:
            print(f"left out {chapter}: not executed yet", flush=True)
        page = render(checkout, lenient=bool(left_out))
        if pdf:
            print_book(_one_page(checkout), page.parent)
        return page


def choose(checkout, only=None):
    """List the notebooks of a checkout, all or those that `only` names ("01,02", or full names)."""
    every = sorted((checkout / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if only is None:
        return every
    names = only.split(",") if isinstance(only, str) else list(only)
    chosen = set()
    for name in map(str.strip, names):
        found = {path for path in every if name in (path.stem, path.stem[:2])}
        if not found:
            listed = ", ".join(path.stem for path in every) or "none"
            raise InputError(f"only: no notebook {name!r}, expected numbers or names of: {listed}")
        chosen |= found
    return sorted(chosen)


@contextmanager
def _alone(folder):
    """Hold the build folder; wait for another build in it to end."""
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        print("another build is running: waiting for it to end", flush=True)
        held = lock.acquire()
    with held:
        yield


def train_grid(cohort, *, profile, seed):
    """Train every network that the report compares; the chapters then find their own in the store."""
    from lungcls.runs import grid, study

    cells = grid.grid_of(cohort.views, profile=profile)
    failed = study.train_all(grid.plan(cohort, cells, profile=profile, seed=seed))
    if failed:
        raise BookError("; ".join(f"{name}: {why}" for name, why in failed.items()))


def _execute_all(checkout, chosen, profile, parameters, around, force):
    """Execute notebooks one after the other, with a line each."""
    for script in differing(checkout / "notebooks"):
        print(f"note: {script.stem}.ipynb is not what {script.name} gives, see `make notebooks`")
    for path in chosen:
        out = executed_copy(checkout, profile, path.stem)
        key = execution.key_of(path, parameters, around)
        aside = checkout / "_build" / "failed" / path.name
        make = partial(execute, path, out, parameters=parameters, key=key, aside=aside)
        execution.once(path.stem, not force and execution.stored_key(out) == key, make)


def executed_copy(checkout, profile, name):
    """Return the path of a notebook's executed copy."""
    return checkout / "_build" / "executed" / profile / f"{name}.ipynb"


def _numbers(checkout, cohort, copies):
    """Collect the numbers that prose pages name."""
    from lungcls.report import checklists, facts

    chapter = next((copy for path, copy in copies.items() if path.stem == NETWORKS), None)
    parameters = execution.parameters_of(chapter) if chapter else None
    shown = checklists.labels_shown(copies.values())
    made = {path.stem: execution.read(copy) for path, copy in copies.items() if copy.exists()}
    seconds = {name: one.metadata.get("lungcls", {}).get("seconds", 0) for name, one in made.items()}
    results = checkout / "book" / "results"
    return facts.collect(cohort, results=results, parameters=parameters, shown=shown, seconds=seconds)


def render(checkout, *, lenient=False):
    """Run jupyter-book on the stage, `lenient` to open references; put the HTML in place when it is whole."""
    folder = checkout / "_build"
    ran = _jupyter_book(folder, "-n", "--keep-going", *([] if lenient else ["-W"]))
    log = folder / "jupyter-book.log"
    log.write_text(ran.stdout, encoding="utf-8")
    faults = faults_in(ran.stdout, folder / "stage", checkout)
    faults = [fault for fault in faults if not (lenient and OPEN_REFERENCE.search(fault))]
    made = folder / "stage" / "_build" / "html"
    if ran.returncode or (lenient and faults) or not (made / "index.html").exists():
        for fault in faults[1:]:
            print(fault, flush=True)
        first = faults[0] if faults else "jupyter-book failed"
        raise BookError(f"{first} (all of it: {log})")
    _replace(made, folder / "html")
    return folder / "html" / "index.html"


def _jupyter_book(folder, *options):
    """Run jupyter-book on the stage of a build folder."""
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", "stage", *options]
    kept = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, cwd=folder, env=os.environ | {"NO_COLOR": "1"}, **kept)


def _one_page(checkout):
    """Render the staged book once more, as one page."""
    made = checkout / "_build" / "stage" / "_build" / "singlehtml"
    ran, page = (
        _jupyter_book(checkout / "_build", "--builder", "singlehtml"),
        made / "book" / "introduction.html",
    )
    if ran.returncode or not page.exists():
        raise BookError(f"pdf: {(ran.stdout.strip().splitlines() or ['no page'])[-1]}")
    return page


def faults_in(log, *folders):
    """List the warnings and errors of a jupyter-book log, with paths below any of the folders."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log)
    for folder in folders:
        plain = plain.replace(f"{folder}{os.sep}", "")
    return [line.strip() for line in plain.splitlines() if FAULT.search(line)]


def _replace(made, place):
    """Put a folder in the place of another."""
    old = place.with_name(".html-old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        os.replace(place, old)
    os.replace(made, place)
    shutil.rmtree(old, ignore_errors=True)
