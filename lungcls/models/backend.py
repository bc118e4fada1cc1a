"""Keras without the notes that its backend writes when it starts."""

import os


def import_keras():
    """Import Keras and return it.

    TensorFlow writes about its build and its devices to the process's standard error
    when it starts, and no setting stops it; a notebook would show that on the page. So
    the start runs with standard error closed. Exceptions are raised as ever.

    Returns
    -------
    module
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings that come later
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras

        keras.ops.zeros(1)  # looks for devices
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    return keras
