"""Slices a second of the phantom on one core, and where the time goes.

Steps are measured in processor time, which other work on the machine disturbs little.

    OMP_NUM_THREADS=1 python benchmarks/phantom_speed.py --cases 200
"""

import argparse
from collections import defaultdict
from contextlib import contextmanager
import json
from pathlib import Path
import tempfile
import time

from lungcls.cohorts import cohort as cohorts
from lungcls.sources import views
from lungcls.sources.phantom import anatomy, characteristics, making, nodule, scanner

STEPS = {
    "anatomy, a patient": (anatomy, "draw"),
    "anatomy, a slice": (anatomy, "render"),
    "nodule": (nodule, "add"),
    "readers": (characteristics, "rendered_characteristics"),
    "scanner": (scanner, "scan"),
    "views": (views, "cut_views"),
    "loading": (cohorts, "load"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--out", help="JSON file for the numbers")
    options = parser.parse_args()
    making.report_cases()  # read once a process, whatever the number of cases
    with tempfile.TemporaryDirectory() as folder, timed(STEPS) as spent:
        start, wall = time.process_time(), time.perf_counter()
        making.make(Path(folder) / "c", cases=options.cases, seed=0, jobs=1, progress=False)
        total, wall = time.process_time() - start, time.perf_counter() - wall
    spent["writing and the rest"] = total - sum(spent.values())
    print(
        f"{options.cases} cases, all views, one process: {total:.1f} s, {options.cases / total:.1f} slices/s"
    )
    print(f"  (by the clock {wall:.1f} s, {options.cases / wall:.1f} slices/s)")
    for step, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {step:22}{1000 * seconds / options.cases:8.1f} ms a slice{100 * seconds / total:7.1f} %")
    if options.out:
        numbers = {
            "cases": options.cases,
            "processor_seconds": round(total, 2),
            "seconds": round(wall, 2),
            "ms_a_slice": {},
        }
        numbers["ms_a_slice"] = {step: round(1000 * s / options.cases, 2) for step, s in spent.items()}
        Path(options.out).write_text(json.dumps(numbers, indent=1) + "\n")


@contextmanager
def timed(steps):
    """Replace functions by ones that add up their time; put them back at the end."""
    spent, kept = defaultdict(float), {}

    def watch(step, function):
        def run(*args, **options):
            start = time.process_time()
            try:
                return function(*args, **options)
            finally:
                spent[step] += time.process_time() - start

        return run

    for step, (module, name) in steps.items():
        kept[step] = getattr(module, name)
        setattr(module, name, watch(step, kept[step]))
    try:
        yield spent
    finally:
        for step, (module, name) in steps.items():
            setattr(module, name, kept[step])


if __name__ == "__main__":
    main()
