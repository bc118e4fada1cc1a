"""Install a wheel in an environment of its own, away from the checkout, and try what it promises.

    python -m build && python benchmarks/wheel.py dist/*.whl
    python benchmarks/wheel.py dist/*.whl --lock requirements.lock      the locked versions

It makes a scan with a nodule, asks a shipped model for a number, a picture and a page, and verifies all.
"""

import argparse
import json
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory

SCAN = """
import nrrd, numpy as np
volume = np.random.default_rng(0).normal(-850, 30, (160, 160, 5))
volume[:20] += 890
place = np.indices((160, 160)) - 79.5
volume[..., 2][np.hypot(*place) < 8] = 40
about = {"space": "left-posterior-superior", "space directions": np.diag([0.7, 0.7, 2.5])}
nrrd.write("scan.nrrd", volume.astype("int16"), about | {"space origin": [0, 0, 0]})
"""


def main():
    """Try the wheel; a command that fails ends with its exit code."""
    options = _options()
    wheel, lock = options.wheel.resolve(), options.lock and options.lock.resolve()
    with TemporaryDirectory() as folder:
        done = [sys.executable, "-m", "venv", "env"]
        _run(folder, *done)
        python, lungcls = (Path(folder, "env", "bin", name) for name in ("python", "lungcls"))
        _run(
            folder,
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            wheel,
            *(["--constraint", lock] if lock else []),
        )
        _run(folder, python, "-c", SCAN)
        asked = [
            "--scan",
            "scan.nrrd",
            "--voxel",
            "80,80,2",
            "--out",
            "a.json",
            "--png",
            "a.png",
            "--html",
            "a.html",
        ]
        _run(folder, lungcls, "predict", "best-binary", *asked)
        answer = json.loads(Path(folder, "a.json").read_text(encoding="utf-8"))
        print({name: answer[name] for name in ("probabilities", "calibrated", "set", "outline_diameter_mm")})
        _run(folder, lungcls, "models", "verify")
        print({name: Path(folder, name).stat().st_size for name in ("a.png", "a.html")})


def _run(folder, *command):
    subprocess.run([str(part) for part in command], cwd=folder, check=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--lock", type=Path, help="a file of versions to keep to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
