"""Which characteristics a phantom nodule shows: those of one reader, seen by another.

The label of a nodule comes from all its readers. If its image were rendered from the
same readings, the image would give the label away. Each nodule is therefore rendered
from one of its readers, drawn at random, and each of that reader's eight
characteristics is replaced by what *another* reader might have said of such a nodule.

Four readers saw every scan, and the draw is among the four. Where it falls on one who did
not mark the nodule, the image shows it as passed over: faint. Real nodules that few readers
marked are fainter, above all large ones, and large ones are far more often benign. How many
marked a nodule is a fact of it, like its outline, and no score: what those few said stays
hidden.
"""

from collections import Counter
from functools import cache
from itertools import chain, permutations
from zlib import crc32

import numpy as np
import pandas as pd

from lungcls.sources import annotations

VALUES = 6  # largest value of any characteristic (calcification: 6 is absent)
READERS = 4  # of each scan, whether they marked the nodule or not
PASSED_OVER = 0  # subtlety of a nodule that the reader drawn did not mark


def rendered_characteristics(cases, *, seed):
    """Draw the eight characteristics (int) that each case's nodule shows in its image, by `case_id`.

    In LIDC's scales, but subtlety 0 where the reader drawn did not mark the nodule; the other seven
    then come from one who did. A row depends on `seed` and its own case only.
    """
    columns = [[text.split() for text in cases[name]] for name in annotations.CHARACTERISTICS]
    rows, passed_over = [], []
    for case_id, *readings in zip(cases["case_id"], *columns, strict=True):
        rng = np.random.default_rng([seed, crc32(case_id.encode()), crc32(b"readers")])
        reader = rng.integers(len(readings[0]))
        values = [int(reading[reader]) for reading in readings]
        chances = rng.random(len(annotations.CHARACTERISTICS))
        rows.append(list(map(_seen_by_another, annotations.CHARACTERISTICS, values, chances)))
        passed_over.append(rng.random() * READERS >= len(readings[0]))
    index = pd.Index(cases["case_id"], name="case_id")
    shown = pd.DataFrame(rows, columns=list(annotations.CHARACTERISTICS), index=index)
    shown.loc[passed_over, "subtlety"] = PASSED_OVER
    return shown


def _seen_by_another(name, value, chance):
    """What another reader says of a characteristic to which one gave a value; `chance` in 0..1 draws it."""
    return 1 + int(np.searchsorted(_up_to(name)[value - 1], chance, side="right"))


@cache
def _up_to(name):
    shares = np.cumsum(between_readers(name), axis=1)
    return shares / shares[:, -1:]  # exactly 1 at the end: no draw falls beyond


@cache
def between_readers(name):
    """Shares of a second reader's values of a characteristic, a row for each value of the first: (6, 6).

    Over all ordered pairs of readers of one nodule; for a value that nobody gives, those of all readers.
    """
    counts = np.zeros((VALUES, VALUES))
    pairs = chain.from_iterable(permutations(text.split(), 2) for text in _read_twice()[name])
    for (first, second), count in Counter(pairs).items():
        counts[int(first) - 1, int(second) - 1] = count
    seen = counts.sum(axis=1, keepdims=True)
    return np.where(seen > 0, counts / np.maximum(seen, 1), counts.sum(axis=0) / counts.sum())


@cache
def _read_twice():
    return annotations.nodules(scans_per_patient=None, least_readers=2, aggregation="ceil_mean")
