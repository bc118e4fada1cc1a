"""Networks as the report describes them: builders only, nothing is trained here.

Every classifier is one flat graph: input ``image`` (one channel, [0, 1]), scaling to what
the backbone wants, blocks, ``pool``, ``dropout``, ``logits``, ``probabilities``. Flat and
with the logits apart, because Grad-CAM needs both; cut in two at a block boundary, because
the frozen part is run once and its output kept.
"""

import keras

CLASSES = {"binary": 1, "multiclass": 5}  # width of the last layer: one sigmoid, or five of a softmax
VIEW_INPUT = "view"  # where a view begins in a network of several
POOLING = ("flatten", "average")  # what joins the CNN's blocks to its dense layers
MOMENTUM = 0.9  # of the CNN's batch normalisation: Keras's 0.99 lags behind where an epoch has ten batches


def cnn(
    *,
    image_size,
    task,
    views=("",),
    filters=(16, 32, 64, 128),
    pooling="flatten",
    dense=64,
    dropout=0.3,
    seed=0,
):
    """Build the report's small network: four blocks of convolution, batch norm and max-pooling.

    Parameters
    ----------
    image_size : int
        Height and width of the input in pixels.
    task : {"binary", "multiclass"}
    views : sequence of str, optional
        Names of the views where there are several, one a channel: each gets a part of its own.
    filters : sequence of int
        Filters of each block's 3x3 convolution.
    pooling : {"flatten", "average"}, default "flatten"
        All cells of the last maps, or their average, in which a small nodule may be lost.
    dense : int
        Units of the hidden dense layer.
    dropout : float in [0, 1)
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Model
        From float images (n, image_size, image_size, views) in [0, 1] to probabilities (n, 1) or (n, 5).

    Raises
    ------
    ValueError
        If `task` or `pooling` is unknown or the image is too small for the number of blocks.

    References
    ----------
    .. [1] simeone2025

    Examples
    --------
    >>> network = cnn(image_size=16, task="multiclass", filters=(4, 8), dense=8)
    >>> network.output_shape, network.layers[-2].name
    ((None, 5), 'logits')
    """
    check_task(task)
    if pooling not in POOLING:
        raise ValueError(f"pooling: found {pooling!r}, expected one of {', '.join(POOLING)}")
    least = 2 ** len(filters)
    if image_size < least:
        expected = f"at least {least} for {len(filters)} blocks"
        raise ValueError(f"image_size: found {image_size}, expected {expected}")
    pool = keras.layers.Flatten if pooling == "flatten" else keras.layers.GlobalAveragePooling2D

    def features(image):
        x = pool(name="pool")(conv_blocks(image, filters))
        return keras.layers.Dense(dense, activation="relu", name="dense")(x)

    return classifier(features, "cnn", image_size, views, task=task, dropout=dropout, seed=seed)


def classifier(features, name, image_size, views, *, task, dropout, seed):
    """Build a flat classifier: `features` of the image, or of each view by itself, joined, under one head.

    Of several views, each is a channel of the image, and its layers are called "nodule.block1_conv".
    """
    keras.utils.set_random_seed(seed)
    image = keras.Input((image_size, image_size, len(views)), name="image")
    if len(views) == 1:
        return keras.Model(image, head(features(image), task, dropout, seed), name=f"{name}_{task}")
    found = []
    for channel, view in enumerate(views):
        start = keras.layers.Identity(name=VIEW_INPUT)(image[..., channel : channel + 1])
        found.append(features(start))
        for layer in keras.Model(image, found[-1]).layers[1:]:
            layer.name = f"{view}.{layer.name}"
    x = keras.layers.Concatenate(name="joined")(found)
    return keras.Model(image, head(x, task, dropout, seed), name=f"{name}_{task}")


def conv_blocks(x, filters):
    """Blocks of 3x3 convolution, batch normalisation, ReLU and max-pooling, each halving the image."""
    for i, width in enumerate(filters, start=1):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"block{i}_conv")(x)
        x = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"block{i}_bn")(x)
        x = keras.layers.Activation("relu", name=f"block{i}_relu")(x)
        x = keras.layers.MaxPooling2D(name=f"block{i}_pool")(x)
    return x


def head(x, task, dropout, seed):
    """Dropout, logits and probabilities: with one seed the same on every backbone of that width."""
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    start = keras.initializers.GlorotUniform(seed)
    return probabilities(keras.layers.Dense(CLASSES[task], kernel_initializer=start, name="logits")(x), task)


def probabilities(logits, task):
    """The last layer: a sigmoid of one logit, or a softmax of five."""
    activation = "sigmoid" if task == "binary" else "softmax"
    return keras.layers.Activation(activation, dtype="float32", name="probabilities")(logits)


def check_task(task):
    """Refuse a task that is unknown."""
    if task not in CLASSES:
        raise ValueError(f"task: found {task!r}, expected one of {', '.join(CLASSES)}")


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

    Examples
    --------
    >>> network = autoencoder(16, 2, filters=(4, 8))
    >>> network.output_shape, network.get_layer("latent").output.shape
    ((None, 16, 16, 1), (None, 2))
    """
    step = 2 ** len(filters)
    if not filters or min(filters) < 1 or latent_size < 1:
        raise ValueError(f"found filters {filters} and latent_size {latent_size}, expected numbers from 1 on")
    if image_size < step or image_size % step:
        raise ValueError(f"image_size: found {image_size}, expected a multiple of {step}")
    side = image_size // step
    x = image = keras.Input((image_size, image_size, 1), name="image")
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
