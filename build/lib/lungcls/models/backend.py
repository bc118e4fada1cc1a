"""Keras without the notes that its backend writes when it starts."""

import os

import numpy as np

from lungcls.errors import InputError

GLOBAL = {"image_data_format": "channels_last", "floatx": "float32", "epsilon": 1e-7}  # Keras's own values


def import_keras():
    """Import Keras and return it, with standard error closed while its backend starts."""
    # TensorFlow then writes about its build and devices; no setting stops it, and a notebook shows it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings that come later
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras

        keras.ops.zeros(1)  # looks for devices
    except ImportError as error:
        raise InputError(
            f"Keras: {' '.join(str(error).split())}; KERAS_BACKEND names what is installed"
        ) from error
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    for name, value in GLOBAL.items():  # whatever keras.json says
        getattr(keras.config, f"set_{name}")(value)
    return keras


def run_batch(model, batch, size):
    """Run a network on one batch, filled up to `size` rows so that it is traced once."""
    import keras

    model.jit_compile = keras.backend.backend() == "jax"  # XLA is slow with TensorFlow on a CPU
    full = batch[np.minimum(np.arange(size), len(batch) - 1)]
    return np.ascontiguousarray(keras.ops.convert_to_numpy(model.predict_on_batch(full))[: len(batch)])
