"""Runs on the workers of a Dask cluster; without the extra only the refusals."""

import os
import signal
import sys
import threading

from conftest import seen_cohort
import pytest

from lungcls import runs
from lungcls.cohorts.cohort import save
from lungcls.errors import InputError
from lungcls.runs import grid
from lungcls.runs.sharing import cluster


def test_without_the_extra_it_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(InputError, match=r"cluster: .* expected the extra cluster: pip install 'lungcls"):
        with cluster.workers("local:2"):
            pass


@pytest.mark.parametrize(
    "where", ["local:two", "local:1", "slurm:nowhere.toml", "tcp://127.0.0.1:1", "elsewhere"]
)
def test_what_names_no_cluster_is_one_line(where):
    pytest.importorskip("dask_jobqueue")
    with pytest.raises(InputError, match=f"cluster: found '{where}' .* expected local:N, slurm:FILE.toml or"):
        with cluster.workers(where, seconds=2):
            pass


def test_a_lost_worker_loses_no_run(tmp_path):
    """One of two workers is killed while it trains: all runs are there, as they are without a cluster."""
    pytest.importorskip("dask.distributed")
    from dask.distributed import get_client

    cohort = save(seen_cohort(), tmp_path / "cohort")
    cells = [
        grid.Cell("shown", "CNN", "binary", "nodule", "cnn", "scratch", {"dropout": rate, "crop": 32})
        for rate in (0.0, 0.1, 0.2, 0.3)
    ]

    def jobs(store):
        return grid.plan(cohort, cells, profile="smoke", weights="none", store=tmp_path / store)

    killed, first = [], []

    def kill(job):
        if not killed and not first:
            first.append(job.id)  # one run is done: the other worker is in the middle of its own
            pids = list(get_client().run(os.getpid).values())
            killed.append(pids[0])
            threading.Timer(0.2, os.kill, (pids[0], signal.SIGKILL)).start()

    with cluster.workers("local:2") as count:
        assert count == 2
        assert runs.train_all(jobs("spread"), jobs=count, progress=False, ended=kill) == {}
    assert killed
    assert runs.train_all(jobs("here"), jobs=1, progress=False) == {}
    for there, here in zip(jobs("spread"), jobs("here")):
        texts = [(job.folder / "predictions.csv").read_text() for job in (there, here)]
        assert texts[0] == texts[1]
