"""Train the jobs of a grid side by side, with a live table.

What is done, running and left, and the time to go.
"""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
import json
import os
import sys
import threading
import time
import zipfile

from filelock import FileLock, Timeout
import numpy as np
import pandas as pd

from lungcls.errors import InputError
from lungcls.runs import training
from lungcls.workers import watched


def train_all(requested, *, jobs=None, progress=True, ended=None):
    """Train the jobs that are not done, side by side, with a live table.

    The work goes through joblib: within ``joblib.parallel_config(backend=...)`` it runs on that backend, for
    example on a cluster that shares the folders.

    Parameters
    ----------
    requested : sequence of Job
        As from :func:`lungcls.runs.plan`.
    jobs : int, optional
        Processes; by default one for each of the cores, shared by the threads of a run.
    progress : bool, default True
        Show what is done, running and left.
    ended : callable, optional
        Called with each job when its run is there.

    Returns
    -------
    dict of str to str
        Why, by id, for each run that failed; empty if all are done.

    Examples
    --------
    >>> from lungcls import runs
    >>> runs.train_all([])
    {}
    """
    from joblib import Parallel, delayed, parallel_config

    asked = {job.id: job for job in requested}
    left = [job for job in asked.values() if not job.folder.exists()]
    threads = max((job.config["settings"]["threads"] for job in left), default=1)
    jobs = jobs or max(1, (os.cpu_count() or 1) // threads)
    failed, ended = {}, ended or (lambda job: None)
    for job in asked.values():
        if job.folder.exists():
            ended(job)
    if not left:
        return failed
    with Progress(requested, jobs, progress) as table, parallel_config(**_worker_options(threads)):
        pool = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs)
        for job_id, seconds, why in pool(delayed(_attempt)(job) for job in left):
            if why is not None:
                failed[job_id] = why
            else:
                ended(asked[job_id])
            table.ended(job_id, seconds, why)
    return failed


def _worker_options(threads):
    """Start workers of our own with that many threads; leave a backend that the user chose."""
    from joblib.parallel import get_active_backend

    own = type(get_active_backend()[0]).__name__ == "LokyBackend"
    return {"backend": "loky", "inner_max_num_threads": threads, **watched()} if own else {}


def _attempt(job):
    """Train one run in a worker; a failure is a line, and the others go on."""
    started = time.monotonic()
    try:
        training.train_job(job)
        why = None
    except InputError as error:
        why = str(error)
    return job.id, time.monotonic() - started, why


# --- Work that depends on what came before ------------------------------------------------


def drive(steps, work, *, jobs):
    """Do the work that generators hand out, side by side, and send each the answer to its own.

    One job at a time is done in this process. An error goes back to the generator whose work it was; what it
    does not catch ends all.
    """
    from joblib.externals.loky import ProcessPoolExecutor

    with ThreadPoolExecutor(1) if jobs == 1 else ProcessPoolExecutor(jobs, **watched()) as pool:
        waiting = {}

        def go_on(step, resume):
            with suppress(StopIteration):
                waiting[pool.submit(work, resume())] = step

        for step in steps:
            go_on(step, partial(next, step))
        while waiting:
            for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                step, error = waiting.pop(done), done.exception()
                go_on(step, partial(step.throw, error) if error else partial(step.send, done.result()))


# --- The live table ---------------------------------------------------------------------


def states(requested):
    """Say of each job how far it is."""
    rows = []
    for job in dict((job.id, job) for job in requested).values():
        done = job.folder.exists()
        state = "done" if done else "running" if _is_running(job) else "left"
        epochs = job.config["settings"]["epochs"]
        rows.append((job.id, state, epochs if done else epochs_kept(job), epochs))
    return pd.DataFrame(rows, columns=["run", "state", "epoch", "epochs"])


def _is_running(job):
    if not job.lock.exists():
        return False
    try:
        with FileLock(job.lock, timeout=0):
            return False
    except Timeout:
        return True


def epochs_kept(job):
    """Count the whole epochs that a run which is not done could go on from."""
    try:
        with np.load(job.work / "checkpoint.npz") as saved:
            return len(json.loads(str(saved["history"])))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return 0


def summary(table, *, seconds, jobs):
    """Write the live table as text."""
    count = table["state"].value_counts().reindex(["done", "running", "left"], fill_value=0)
    running = table[table["state"] == "running"]
    todo = count["left"] + (1 - running["epoch"] / running["epochs"]).sum()
    to_go = duration(np.mean(seconds) * todo / max(1, min(jobs, todo))) if len(seconds) else "?"
    lines = [
        f"done {count['done']}, running {count['running']}, left {count['left']}; "
        f"to go: {to_go if todo else 'nothing'}"
    ]
    lines += [f"  {row.run}  epoch {row.epoch} of at most {row.epochs}" for row in running.itertuples()]
    return "\n".join(lines)


def duration(seconds):
    """Write a time as "12 s" or "3 min"."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Progress:
    """Writes the live table: redrawn each second on a terminal, else a line a run."""

    def __init__(self, requested, jobs, show):
        self.requested, self.jobs, self.show = requested, jobs, show
        self.live = show and sys.stderr.isatty()
        self.seconds, self.drawn, self.over = [], 0, threading.Event()

    def __enter__(self):
        if self.live:
            self.thread = threading.Thread(target=self._redraw, daemon=True)
            self.thread.start()
        elif self.show:
            self._write(self._text())
        return self

    def __exit__(self, *error):
        if self.live:
            self.over.set()
            self.thread.join()
            self._draw()

    def ended(self, job_id, seconds, why):
        """Note that a run has ended."""
        self.seconds.append(seconds)
        if self.show and not self.live:
            state = f"failed: {why}" if why else f"done in {duration(seconds)}"
            self._write(f"{job_id}: {state}\n{self._text().splitlines()[0]}")

    def _redraw(self):
        while not self.over.wait(1):
            self._draw()

    def _draw(self):
        text = self._text()
        self._write(f"\x1b[{self.drawn}F\x1b[J{text}" if self.drawn else text)
        self.drawn = text.count("\n") + 1

    def _text(self):
        return summary(states(self.requested), seconds=self.seconds, jobs=self.jobs)

    def _write(self, text):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
