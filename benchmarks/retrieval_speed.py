"""Seconds and memory of an exact search among many embeddings, beside scikit-learn's.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/retrieval_speed.py

One batch of queries on one core, for the lengths of embeddings that the networks of the book
have. The best of several rounds, so that other work on the machine counts little; memory is
what a search takes at its peak, beyond the embeddings.
"""

import argparse
import json
from pathlib import Path
import subprocess
import sys
import time
import tracemalloc

import numpy as np

LENGTHS = {"CNN": 64, "MobileNet": 1024, "EfficientNetB2": 1408, "ResNet50": 2048}
NEIGHBOURS = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", help="JSON file for the numbers")
    parser.add_argument("--one", nargs=2, metavar=("WHO", "LENGTH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return print(json.dumps(measure(options.one[0], int(options.one[1]), options)))
    rows = []
    print(f"{options.queries} queries among {options.cases} cases, {NEIGHBOURS} nearest, one thread")
    print(f"{'network':16}{'numbers':>8}{'who':>14}{'seconds':>9}{'processor s':>12}", end="")
    print(f"{'embeddings MB':>14}{'search MB':>10}")
    for network, length in LENGTHS.items():
        for who in ("lungcls", "scikit-learn"):
            command = [
                sys.executable,
                __file__,
                "--one",
                who,
                str(length),
                "--cases",
                str(options.cases),
                "--queries",
                str(options.queries),
                "--rounds",
                str(options.rounds),
            ]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            rows.append({"network": network, "numbers": length, "who": who, **found})
            print(
                f"{network:16}{length:8}{who:>14}{found['seconds']:9.2f}{found['processor_seconds']:12.2f}"
                f"{found['embeddings_mb']:14.0f}{found['search_mb']:10.0f}",
                flush=True,
            )
        same = len({row["answers"] for row in rows[-2:]}) == 1
        print(f"{'':16}{'':8}{'same answers' if same else 'other answers':>14}")
    if options.out:
        Path(options.out).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measure(who, length, options):
    """Time one searcher in this process."""
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((options.cases, length), dtype=np.float32)
    queries = rng.standard_normal((options.queries, length), dtype=np.float32)
    queries += gallery[: options.queries]
    find = searcher(who, gallery)
    find(queries[:2])  # imports, threads
    times = []
    for _ in range(options.rounds):
        start = time.perf_counter(), time.process_time()
        rows = find(queries)
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, processor = (min(column) for column in zip(*times))
    tracemalloc.start()  # slows down a little: apart from the timing
    rows = find(queries)
    peak = tracemalloc.get_traced_memory()[1]
    return {
        "seconds": wall,
        "processor_seconds": processor,
        "embeddings_mb": gallery.nbytes / 1e6,
        "search_mb": peak / 1e6,
        "answers": int((rows * np.arange(1, NEIGHBOURS + 1)).sum()),
    }


def searcher(who, gallery):
    """A function from queries to the rows of their nearest cases."""
    if who == "lungcls":
        from lungcls.explain import retrieval

        patients = np.arange(len(gallery)) // 3
        return lambda queries: retrieval.nearest_cases(
            queries,
            gallery,
            k=NEIGHBOURS,
            gallery_patients=patients,
            query_patients=-np.ones(len(queries), int),
        )[0]
    from sklearn.neighbors import NearestNeighbors

    fitted = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine", algorithm="brute").fit(gallery)
    return lambda queries: fitted.kneighbors(queries, return_distance=False)


if __name__ == "__main__":
    main()
