"""Find pretrained weights, and say honestly when there are none."""

from dataclasses import dataclass
import hashlib
import os
from pathlib import Path
import shutil
import threading
import urllib.request
import warnings

from lungcls.errors import InputError

RANDOM = "random init"
KERNELS = {  # numbers in the kernels of each backbone without its top: no two have as many
    "mobilenet": 3_185_088,
    "resnet50": 23_454_912,
    "efficientnetb0": 3_956_192,
    "efficientnetb1": 6_436_976,
    "efficientnetb2": 7_618_016,
    "efficientnetb3": 10_588_856,
    "efficientnetb4": 17_394_376,
    "efficientnetb5": 28_127_728,
    "efficientnetb6": 40_458_672,
    "efficientnetb7": 63_403_040,
}
SECONDS = 5.0  # within which it is known whether weights can be downloaded

_APPLICATIONS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_EFFICIENTNET = "https://storage.googleapis.com/keras-applications/"
_URLS = {
    "mobilenet": _APPLICATIONS + "mobilenet/mobilenet_1_0_224_tf_no_top.h5",
    "resnet50": _APPLICATIONS + "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    **{f"efficientnetb{i}": f"{_EFFICIENTNET}efficientnetb{i}_notop.h5" for i in range(8)},
}


@dataclass(frozen=True)
class WeightSource:
    """Where the initial weights of a backbone come from."""

    label: str  # "ImageNet", "random init", or the name of a file; follows the run everywhere
    path: Path | None  # what `backbones.transfer` takes
    digest: str  # SHA-256 of the file; empty for random weights


def find_weights(weights, backbone, *, seconds=SECONDS):
    """Find the initial weights of a backbone.

    Parameters
    ----------
    weights : {"imagenet", "none"} or path
        Keras's own file, from its cache or downloaded there; random weights; a file.
    backbone : str
        A key of ``backbones.BACKBONES``.
    seconds : float, default 5
        How long to wait for the server to answer.

    Returns
    -------
    WeightSource
        Its `label`, `path` and `digest`. The label is "random init" where ImageNet weights
        cannot be had; a warning says so.

    Raises
    ------
    InputError
        If a file is named that is not there, not whole or of another backbone, or the backbone is unknown.

    Examples
    --------
    >>> find_weights("none", "mobilenet")
    WeightSource(label='random init', path=None, digest='')
    """
    if backbone not in _URLS:
        raise InputError(f"backbone: found {backbone!r}, expected one of {', '.join(_URLS)}")
    if weights == "none":
        return WeightSource(RANDOM, None, "")
    if weights != "imagenet":
        return _from_file(Path(weights), Path(weights).name, backbone)
    why = None
    if not cached_path(backbone).exists():
        why = _unreachable(_URLS[backbone], seconds) or _download(backbone, seconds)
    if why is None:
        return _from_file(cached_path(backbone), "ImageNet", backbone)
    warnings.warn(f"{backbone}: no ImageNet weights ({why}); the run is labelled {RANDOM!r}", stacklevel=2)
    return WeightSource(RANDOM, None, "")


def check(backbones, *, seconds=SECONDS):
    """Say for each backbone if ImageNet weights can be had, or why not, in `seconds`; none is downloaded."""
    missing = [name for name in backbones if not cached_path(name).exists()]
    why = _unreachable(_URLS[missing[0]], seconds) if missing else None
    where = why or "can be downloaded"
    return {name: where if name in missing else _state(name) for name in backbones}


def _state(backbone):
    try:
        _from_file(cached_path(backbone), "ImageNet", backbone)
    except InputError as error:
        return str(error)
    return "in Keras's cache"


def cached_path(backbone):
    """Where Keras keeps the ImageNet weights of a backbone."""
    home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    return Path(home) / "models" / _URLS[backbone].rsplit("/", 1)[1]


def _check_backbone(path, backbone):
    """Refuse weights of another backbone, and a file that is cut off."""
    import h5py

    sizes = []
    try:
        with h5py.File(path, "r") as file:
            file.visititems(lambda _, item: sizes.append(_kernel_size(item)))
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(f"{path}: not a whole weight file ({' '.join(str(error).split())})") from error
    if sum(sizes) != KERNELS[backbone]:
        held = {number: name for name, number in KERNELS.items()}.get(sum(sizes), "another network")
        raise InputError(f"{path}: holds weights of {held}, expected those of {backbone} without its top")


def _kernel_size(item):
    """How many numbers a data set of two axes or more has; 0 for anything else."""
    return item.size if len(getattr(item, "shape", None) or ()) > 1 else 0


def _from_file(path, label, backbone):
    try:
        with path.open("rb") as stream:
            if stream.read(8) != b"\x89HDF\r\n\x1a\n":
                raise InputError(f"{path}: not an HDF5 file, expected weights of keras.applications (.h5)")
            _check_backbone(path, backbone)
            stream.seek(0)
            return WeightSource(label, path, hashlib.file_digest(stream, "sha256").hexdigest())
    except OSError as error:
        expected = "expected imagenet, none or a weight file"
        raise InputError(f"{path}: cannot be read ({error.strerror}), {expected}") from error


def _unreachable(url, seconds):
    """Return why a server does not answer, or None; a name server that hangs does not hold us up."""
    answer = [f"no answer within {seconds:g} s"]

    def ask():
        try:
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=seconds).close()
            answer[0] = None
        except (OSError, ValueError) as error:
            answer[0] = str(getattr(error, "reason", error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answer[0]


def _download(backbone, seconds):
    """Put Keras's file into Keras's cache, whole or not at all; return why not, or None."""
    path = cached_path(backbone)
    part = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(_URLS[backbone], timeout=seconds) as stream, part.open("wb") as out:
            shutil.copyfileobj(stream, out)
            expected = stream.headers.get("Content-Length")
        if expected is not None and part.stat().st_size != int(expected):
            raise OSError(f"{part.stat().st_size} of {expected} bytes came")
        os.replace(part, path)
    except OSError as error:
        return str(getattr(error, "reason", error))
    finally:
        part.unlink(missing_ok=True)
    return None
