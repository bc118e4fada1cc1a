"""Networks: builders only, nothing is trained here."""

import keras


def autoencoder(image_size, latent_size, *, filters=(8, 16, 32)):
    """Build a convolutional autoencoder.

    Each block of the encoder halves the image, and the decoder mirrors it. The initial
    weights follow from Keras's seed, see ``keras.utils.set_random_seed``.

    Parameters
    ----------
    image_size : int
        Height and width of the input in pixels, a multiple of ``2 ** len(filters)``.
    latent_size : int
        Length of the latent vector, at least 1.
    filters : sequence of int, default (8, 16, 32)
        Filters of each block of the encoder.

    Returns
    -------
    keras.Model
        From float32 images (n, H, W, 1) in [0, 1] to images of the same shape and range;
        its layer ``latent`` gives the vectors, (n, latent_size).

    Raises
    ------
    ValueError
        If `image_size` is no such multiple, or `latent_size` or `filters` are empty.

    References
    ----------
    .. [1] hinton2006
    """
    step = 2 ** len(filters)
    if not filters or min(filters) < 1 or latent_size < 1:
        raise ValueError(f"found filters {filters} and latent_size {latent_size}, expected numbers from 1 on")
    if image_size < step or image_size % step:
        raise ValueError(f"image_size: found {image_size}, expected a multiple of {step}")
    side = image_size // step
    image = keras.Input((image_size, image_size, 1), name="image")
    x = image
    for i, width in enumerate(filters, start=1):
        x = _block(keras.layers.Conv2D, width, "relu", f"encode{i}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(latent_size, name="latent")(x)
    x = keras.layers.Dense(side * side * filters[-1], activation="relu", name="expand")(x)
    x = keras.layers.Reshape((side, side, filters[-1]), name="map")(x)
    for i in range(len(filters), 1, -1):
        x = _block(keras.layers.Conv2DTranspose, filters[i - 2], "relu", f"decode{i}")(x)
    x = _block(keras.layers.Conv2DTranspose, 1, "sigmoid", "decode1")(x)
    return keras.Model(image, x, name="autoencoder")


def _block(layer, width, activation, name):
    """A convolution that halves the image, or a transposed one that doubles it."""
    return layer(width, 4, strides=2, padding="same", activation=activation, name=name)
