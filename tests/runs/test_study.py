"""The live table."""

import io
import subprocess
import sys

import pandas as pd

from lungcls.runs.study import Progress, summary, train_all


def test_a_terminal_sees_the_table_redrawn(trained, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress([trained[2]], 1, True) as board:
        board.ended(trained[2].id, 2.0, None)
        board._draw()
    text = "done 1, running 0, left 0; to go: nothing"
    assert sys.stderr.getvalue() == f"{text}\n\x1b[1F\x1b[J{text}\n"


def test_a_run_that_is_there_ends_at_once(trained):
    seen = []
    assert train_all([trained[2]], progress=False, ended=seen.append) == {} and seen == [trained[2]]


def test_the_summary_counts_and_estimates():
    rows = [("a", "done", 5, 5), ("b", "running", 5, 10), ("c", "left", 0, 5), ("d", "left", 0, 5)]
    table = pd.DataFrame(rows, columns=["run", "state", "epoch", "epochs"])
    text = summary(table, seconds=[60, 80], jobs=2)
    assert text == "done 1, running 1, left 2; to go: 88 s\n  b  epoch 5 of at most 10"
    assert "to go: ?" in summary(table, seconds=[], jobs=2)
    assert "to go: nothing" in summary(table[:1], seconds=[], jobs=2)


def test_a_worker_whose_parent_was_gone_before_it_looked_ends():
    words = "import time; from lungcls.runs import training; training._end_with({}); time.sleep(60)"
    ran = subprocess.run([sys.executable, "-c", words.format(2**22 + 1)])  # no process has that number
    assert ran.returncode == 1
