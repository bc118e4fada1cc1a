"""Keep what the frozen part of a network says of each image.

A frozen trunk always gives the same features, so it is run once: for the plain images,
and for a few augmented copies of each. One file a variant holds them, named by the hash
of all that shapes it, so that every task, head, seed and trial shares them.
"""

from contextlib import contextmanager, suppress
import hashlib
import io
import json
import os
from pathlib import Path

from filelock import FileLock
import keras
import numpy as np
from tqdm import tqdm

from lungcls.errors import InputError
from lungcls.preprocessing.augmentation import augment
from lungcls.preprocessing.images import let_go

CHUNK = 64  # rows a pass of the trunk; also what a killed pass loses at most


def cached(
    trunk, images, rows, *, folder, copy=0, augmentation="none", seed=0, image_digest=None, progress=False
):
    """Return the trunk's features of some images, from the cache or by running it.

    Two processes that ask for the same features compute them once; a killed pass goes on
    where it stopped. Memory does not grow with the number of images.

    Parameters
    ----------
    trunk : keras.Model
        The frozen part of a network, see :func:`lungcls.models.blocks.split`.
    images : array of shape (n, H, W, 1), float32 in [0, 1]
        Anything that gives an ndarray for an array of row numbers; may be memory-mapped.
    rows : ndarray of int
        The rows of `images` that are wanted.
    folder : path
        Where the files are kept.
    copy : int, default 0
        0 for the plain images, 1, 2, .. for their augmented copies.
    augmentation : str, default "none"
        A name of ``augmentation.NAMES``, for the copies.
    seed : int, default 0
        Of the copies.
    image_digest : str, optional
        Names the content of `images`; computed by :func:`digest_images` if not given.
    progress : bool, default False

    Returns
    -------
    memmap of shape (len(rows), ...), float32
        Feature i belongs to image ``rows[i]``.

    Raises
    ------
    InputError
        If the folder cannot be written or the disk is full; nothing half written is left.
    """
    rows = np.asarray(rows)
    drawn = ["none", 0, 0] if copy == 0 else [augmentation, seed, copy]
    content = [
        digest_trunk(trunk),
        image_digest or digest_images(images),
        _sha(rows.astype(np.int64)),
        drawn,
        images.shape[1:],
        keras.backend.backend(),
        keras.__version__,
    ]
    path = Path(folder) / f"{_sha(json.dumps(content).encode())[:32]}.npy"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with FileLock(path.with_suffix(".lock")):
                if not path.exists():
                    with gone_on_error(path.with_suffix(".part")):
                        _write(path, trunk, images, rows, drawn, progress)
    except OSError as error:
        raise InputError(f"{path.parent}: features cannot be written ({error.strerror})") from error
    return np.load(path, mmap_mode="r")


def _write(path, trunk, images, rows, drawn, progress):
    """Append chunk after chunk to a part file; rename it when it is whole."""
    part = path.with_suffix(".part")
    shape = (len(rows), *trunk.output.shape[1:])
    header = _header(shape)
    row_bytes = 4 * int(np.prod(shape[1:]))
    kept = part.stat().st_size - len(header) if part.exists() else -1
    start = max(0, kept) // (CHUNK * row_bytes) * CHUNK
    with part.open("r+b" if kept >= 0 else "wb") as stream:
        stream.write(header)
        stream.truncate(len(header) + start * row_bytes)
        stream.seek(0, os.SEEK_END)
        quiet = None if progress else True
        with tqdm(total=len(rows), initial=start, desc=_title(drawn), disable=quiet) as bar:
            for first in range(start, len(rows), CHUNK):
                batch = augment(images[rows[first : first + CHUNK]], drawn[0], seed=[*drawn[1:], first])
                stream.write(run(trunk, batch, CHUNK))
                let_go(images)
                bar.update(len(batch))
    os.replace(part, path)


@contextmanager
def gone_on_error(path):
    """Remove a half written file where writing it raises an OSError, such as a full disk."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise


def _title(drawn):
    return "features" if drawn[2] == 0 else f"features, copy {drawn[2]}"


def _header(shape):
    stream = io.BytesIO()
    content = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, content)
    return stream.getvalue()


def run(model, batch, size):
    """Run a network on one batch, filled up to `size` rows so that it is traced once.

    Parameters
    ----------
    model : keras.Model
    batch : ndarray of shape (m, ...), m <= size
    size : int

    Returns
    -------
    ndarray of shape (m, ...), float32
    """
    model.jit_compile = keras.backend.backend() == "jax"  # XLA is slow with TensorFlow on a CPU
    full = batch[np.minimum(np.arange(size), len(batch) - 1)]
    return np.ascontiguousarray(keras.ops.convert_to_numpy(model.predict_on_batch(full))[: len(batch)])


class Variants:
    """The plain features of all images and those of the training images' copies.

    Parameters
    ----------
    plain : array of shape (n, ...), float32
    copies : list of array of shape (len(rows), ...), float32
    rows : ndarray of int
        The rows of `plain` that have copies.
    """

    def __init__(self, plain, copies, rows):
        self.plain, self.copies = plain, copies
        self.place = np.full(len(plain), -1)
        self.place[rows] = np.arange(len(rows))

    def __call__(self, rows, augmented, seed):
        """Draw one variant of each row that is to be augmented; the plain one is among them."""
        rng = np.random.default_rng(seed)
        drawn = np.where(augmented, rng.integers(len(self.copies) + 1, size=len(rows)), 0)
        batch = np.empty((len(rows), *self.plain.shape[1:]), np.float32)
        for variant, array in enumerate([self.plain, *self.copies]):
            chosen = drawn == variant
            batch[chosen] = array[rows[chosen] if variant == 0 else self.place[rows[chosen]]]
            let_go(array)
        return batch


# --- Digests ------------------------------------------------------------------------------


def digest_trunk(trunk):
    """Digest the layers and weights of a network, whatever its layers are called.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256).
    """
    digest = hashlib.sha256()
    for layer in trunk.layers:
        config = {key: value for key, value in layer.get_config().items() if key not in ("name", "trainable")}
        digest.update(json.dumps([type(layer).__name__, config], sort_keys=True, default=str).encode())
        for weight in layer.get_weights():
            digest.update(np.ascontiguousarray(weight))
    return digest.hexdigest()


def digest_images(images):
    """Digest the pixels of images, batch by batch.

    Parameters
    ----------
    images : array of shape (n, H, W, 1), float32

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256).
    """
    digest = hashlib.sha256(str(images.shape).encode())
    for first in range(0, len(images), 256):
        digest.update(np.ascontiguousarray(images[np.arange(first, min(first + 256, len(images)))]))
        let_go(images)
    return digest.hexdigest()


def _sha(data):
    return hashlib.sha256(data).hexdigest()
