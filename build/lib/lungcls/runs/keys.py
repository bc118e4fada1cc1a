"""What a run's key hashes, and in what two keys differ."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
import json
import os
from pathlib import Path
import re
import sys

import numpy as np

from lungcls.cohorts.case_table import table_text
from lungcls.errors import InputError
from lungcls.files import code_digests, sha, whole_text


def code(model):
    """Digests of the modules that shape the runs of a model, by their imports."""
    return code_digests("runs.ensembles" if model == "ensemble" else "runs.networks")


def engine():
    """Name what computes, backend and Keras, with their versions; neither is imported."""
    name = backend_name()
    try:
        return {"backend": f"{name} {version(name)}", "keras": version("keras")}
    except PackageNotFoundError as error:
        raise InputError(f"KERAS_BACKEND: {name} is not installed, expected a backend that is") from error


def backend_name():
    """The Keras backend of this process: "tensorflow", "jax" or "torch"."""
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend()
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    path = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()) / "keras.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("backend", "tensorflow")
    except (OSError, ValueError):
        return "tensorflow"


def cohort_fingerprint(cohort, folder):
    """A cohort's fingerprint; arrays are read once, then remembered by path, size and time in `folder`."""
    seen = [table_text(cohort.cases)]
    for arrays in (cohort.views, cohort.masks):
        for name, images in sorted(arrays.items()):
            file = getattr(images.array, "filename", None)
            if file is None:
                return cohort.fingerprint()
            stat = os.stat(file)
            rows = hashlib.sha256(np.ascontiguousarray(images.rows)).hexdigest()
            seen.append(
                [name, str(Path(file).resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, rows]
            )
    path = Path(folder) / sha(seen)[:32]
    known = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if not re.fullmatch("[0-9a-f]{64}", known):  # damaged, or not there
        known = cohort.fingerprint()
        whole_text(path, known)
    return known


def differences(old, new):
    """Say in words how the parts of one key differ from another's: "learning_rate 0.001, now 0.0003"."""
    words = []
    for name in [name for name in old if name in new and old[name] != new[name]]:
        if name in ("code", "settings"):
            both = {**old[name], **new[name]}
            changed = [key for key in both if old[name].get(key) != new[name].get(key)]
        if name == "code":
            words.append("code of " + ", ".join(changed))
        elif name == "settings":
            words += [f"{key} {old[name].get(key)}, now {new[name].get(key)}" for key in changed]
        elif name in ("cohort", "split", "weights", "parent"):
            words.append(f"another {name}")
        else:
            words.append(f"{name} {old[name]}, now {new[name]}")
    return words
