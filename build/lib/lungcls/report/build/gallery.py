"""Run the short scripts of the gallery, so that the book shows each with what it prints.

A script `book/gallery/NAME.py` runs in a folder of its own. What it prints becomes NAME.txt, and figures
that it saves in the folder which LUNGCLS_GALLERY names lie beside it. The output is used again while the
script, the package, the lock and Python are the same.
"""

from functools import partial
import os
from pathlib import Path
import shutil
import subprocess
import sys
from tempfile import TemporaryDirectory
import time

from lungcls.report.build.execution import BookError, code_surroundings, digest_of, once

FIGURES = "LUNGCLS_GALLERY"  # environment variable: the folder that a script may save figures in
KEY = ".key"


def scripts(checkout):
    """List the scripts of the gallery of a checkout, by name."""
    return sorted((checkout / "book" / "gallery").glob("*.py"))


def outputs(checkout, script):
    """Return the folder of a script's output."""
    return checkout / "_build" / "gallery" / script.stem


def run_all(checkout, *, force=False):
    """Run the scripts whose output is not there yet for what they depend on, with a line each."""
    around = code_surroundings(checkout) if scripts(checkout) else {}
    for script in scripts(checkout):
        out = outputs(checkout, script)
        key = digest_of(script.name, script.read_bytes(), around)
        known = not force and (out / KEY).exists() and (out / KEY).read_bytes() == key.encode()
        once(f"gallery/{script.stem}", known, partial(run, script, out, key))


def run(script, out, key):
    """Run one script into a folder, whole or not at all; return the seconds."""
    start, environment = time.perf_counter(), os.environ | {"PYTHONWARNINGS": "ignore", "MPLBACKEND": "agg"}
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent) as scratch:
        made, work = Path(scratch) / "made", Path(scratch) / "work"
        made.mkdir()
        work.mkdir()
        options = {"cwd": work, "env": environment | {FIGURES: str(made.resolve())}, "encoding": "utf-8"}
        ran = subprocess.run([sys.executable, str(script.resolve())], capture_output=True, **options)
        if ran.returncode:
            lines = ran.stderr.strip().splitlines() or [f"ended with exit code {ran.returncode}"]
            raise BookError(f"gallery/{script.name}: {lines[-1]}")
        (made / f"{script.stem}.txt").write_text(ran.stdout, encoding="utf-8")
        (made / KEY).write_text(key, encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        os.replace(made, out)
    return time.perf_counter() - start


def place(checkout, folder):
    """Copy the outputs beside the staged scripts; False where a script was never run."""
    made = [outputs(checkout, script) for script in scripts(checkout)]
    for out in (out for out in made if out.exists()):
        shutil.copytree(out, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(KEY))
    return all(out.exists() for out in made)
