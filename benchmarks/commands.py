"""Measure the time and memory of each command that the book tells its readers to run.

    python benchmarks/commands.py                       # all but the slow ones
    python benchmarks/commands.py --only book,book_full

Every command runs in a fresh copy of the checkout with an empty cache, one after the
other, so that `make html` finds what `make book` has executed. Memory is the largest sum
over the command's processes of what is theirs alone plus their part of what they share
(PSS). Results go to `book/results/timings.json`; commands that are not measured keep
their old figures.
"""

import argparse
import json
import os
from pathlib import Path
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import psutil

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "book" / "results" / "timings.json"
PERIOD_S = 0.2  # between two looks at the memory

# name: command, what it does. In the order of the table.
COMMANDS = {
    "env": ("make env", "makes the environment, downloads included"),
    "test": ("make test", "runs all tests"),
    "book_smoke": ("make book PROFILE=smoke", "makes the book in its smallest size"),
    "book": ("make book", "makes the book"),
    "book_full": ("make book PROFILE=full", "makes the book in the report's size"),
    "html": ("make html", "renders the pages again after an edit of the text"),
    "papermill": (
        "papermill notebooks/01_data_inspection.ipynb out.ipynb -p profile smoke",
        "executes one notebook in its smallest size",
    ),
    "phantom": ("lungcls cohort phantom my_phantom --cases 600", "draws a phantom cohort"),
    "check": ("lungcls cohort check my_phantom", "checks every pixel of it"),
    "lidc_index": ("lungcls cohort lidc-index", "makes the annotation index again and compares"),
}
SLOW = ("env", "book_full")  # measured when asked for


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="names, separated by commas: " + ", ".join(COMMANDS))
    options = parser.parse_args()
    names = options.only.split(",") if options.only else [name for name in COMMANDS if name not in SLOW]
    if unknown := [name for name in names if name not in COMMANDS]:
        parser.error(f"--only: found {unknown[0]!r}, expected some of {', '.join(COMMANDS)}")
    with tempfile.TemporaryDirectory() as folder:
        checkout = copy(Path(folder) / "lungcls", with_environment="env" not in names)
        for name in [name for name in COMMANDS if name in names]:
            seconds, peak = measure(COMMANDS[name][0], checkout)
            print(f"{name:12}{seconds:9.1f} s{peak / 1e9:8.2f} GB", flush=True)
            record(name, seconds, peak)


def copy(folder, *, with_environment):
    """Copy what git knows or would take, and link to the environment that is there."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    if with_environment:
        (folder / ".venv").mkdir()
        for part in (ROOT / ".venv").iterdir():
            if part.name != ".made":
                (folder / ".venv" / part.name).symlink_to(part)
        (folder / ".venv" / ".made").touch()  # as if `make env` had just run
    return folder


def measure(command, checkout):
    """Run a command; return its seconds and the largest memory of its processes in bytes."""
    environment = os.environ | {
        "PATH": f"{checkout / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "LUNGCLS_CACHE": str(checkout / ".cache"),
    }
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        child = psutil.Popen(
            ["bash", "-c", command], cwd=checkout, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        peak = 0
        while child.poll() is None:
            peak = max(peak, memory(child))
            time.sleep(PERIOD_S)
        seconds = time.perf_counter() - start
        if child.returncode:
            log.seek(0)
            said = log.read().decode(errors="replace")
            sys.exit(f"{command}: exit code {child.returncode}\n{said[-3000:]}")
    return seconds, peak


def memory(process):
    """Sum the memory of a process and its descendants, shared pages counted once."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in family:
        try:
            used = member.memory_full_info()
            total += getattr(used, "pss", used.rss)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def record(name, seconds, peak):
    """Put one measurement into the file, in the order of the table."""
    found = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {"commands": {}}
    command, what = COMMANDS[name]
    found["commands"][name] = {
        "command": command,
        "what": what,
        "seconds": round(seconds, 1),
        "peak_bytes": peak,
    }
    measured = {key: found["commands"][key] for key in COMMANDS if key in found["commands"]}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine(), "commands": measured}, indent=1) + "\n"
    OUT.write_text(text, encoding="utf-8")


def machine():
    """Say what it was measured on."""
    memory_gb = psutil.virtual_memory().total / 1e9
    computer = f"{os.cpu_count()} cores and {memory_gb:.0f} GB of memory"
    return f"{computer}, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
