"""Cut a network in two at a block boundary: the frozen part, and the part that trains."""

import re

import keras

# Block names as keras.applications (EfficientNet, ResNet; MobileNet's are counted) and the CNN have them.
_BLOCK = re.compile(r"(block\d+[a-z]?|conv\d_block\d+)_|conv_(?:pad|dw|pw)_(\d+)|(top)_")


def boundaries(model):
    """List where a network can be cut in two: where one tensor carries everything.

    Parameters
    ----------
    model : keras.Model
        A flat classifier of this module, built or loaded.

    Returns
    -------
    dict of str to str
        Block name to the layer whose output enters it, from the input on. The first is
        "image" (nothing is frozen), the last "head" (everything up to the pooled features is).
    """
    found, seen, waiting = {"image": model.layers[0].name}, {""}, {}
    consumers = _consumers(model)
    for layer, following in zip(model.layers, model.layers[1:]):
        for source in _sources(layer):
            waiting[source].discard(layer.name)
        waiting[layer.name] = set(consumers[layer.name])
        block = _block_of(following.name)
        if block not in seen and [name for name in waiting if waiting[name]] == [layer.name]:
            seen.add(block)
            found[block] = layer.name
    found["head"] = "pool"
    return found


def boundary(model, name):
    """Return the layer whose output enters a block.

    Parameters
    ----------
    model : keras.Model
    name : str
        A key of :func:`boundaries`; "block6" stands for "block6a", "conv5" for "conv5_block1".

    Raises
    ------
    ValueError
        If there is none; the message lists the names.
    """
    allowed = boundaries(model)
    for candidate in (name, f"{name}a", f"{name}_block1"):
        if candidate in allowed:
            return model.get_layer(allowed[candidate])
    raise ValueError(f"unfreeze_from: found {name!r}, expected one of {', '.join(allowed)}")


def split(model, name):
    """Cut a network at a block boundary; both halves share its layers.

    The upper half's layers become trainable, the others not. Batch normalisation of a
    backbone stays frozen, and so in inference mode; a network that trains from "image" on
    keeps its own in training mode.

    Parameters
    ----------
    model : keras.Model
    name : str
        As for :func:`boundary`.

    Returns
    -------
    trunk : keras.Model or None
        From images to the boundary; None where nothing is frozen.
    top : keras.Model
        From the boundary to the logits.
    """
    cut = boundary(model, name)
    logits = model.get_layer("logits").output
    whole = isinstance(cut, keras.layers.InputLayer)
    trunk = None if whole else keras.Model(model.input, cut.output)
    frozen = set() if whole else {layer.name for layer in trunk.layers}
    for layer in model.layers:
        norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = whole or not (norm or layer.name in frozen)
    return trunk, keras.Model(cut.output, logits)


def outline(model):
    """Say how large the maps are that each stage of a network passes on.

    Parameters
    ----------
    model : keras.Model
        A flat classifier, built or loaded.

    Returns
    -------
    list of (str, int, int)
        Stage, side of its map in pixels, channels: "image" or, where layers come before the
        first block, "stem"; the blocks, those of one number ("block2a", "block2b") as one
        stage; "head", the logits.
    """
    cuts = list(boundaries(model).items())
    stages = {}
    for (block, _), (_, layer) in zip(cuts[:-1], cuts[1:]):
        stages[stage_of(block)] = _map_of(model.get_layer(layer))
    if not isinstance(model.get_layer(cuts[1][1]), keras.layers.InputLayer):
        stages = {"stem" if name == "image" else name: shape for name, shape in stages.items()}
    return [(name, *shape) for name, shape in stages.items()] + [("head", 1, model.output.shape[-1])]


def stages_from(model, name):
    """List the stages of :func:`outline` that lie above a boundary, without the head.

    Parameters
    ----------
    model : keras.Model
    name : str
        As for :func:`boundary`.

    Returns
    -------
    list of str
    """
    cut, cuts = boundary(model, name).name, list(boundaries(model).items())
    above = [block for block, layer in cuts if layer == cut or block == "head"]
    first = [block for block, _ in cuts].index(above[0])
    return list(dict.fromkeys(stage_of(block) for block, _ in cuts[first:-1]))


def stage_of(block):
    """Name the stage of a block: "block2b" belongs to "block2", "conv5_block1" to "conv5"."""
    return re.match(r"block\d+|conv\d+|\w+", block)[0]


def _map_of(layer):
    """Side and channels of what a layer passes on; of the pooled features, those before pooling."""
    output = layer.input if isinstance(layer, keras.layers.GlobalAveragePooling2D) else layer.output
    return output.shape[1], output.shape[-1]


def settle(model, images):
    """Give batch normalisation the statistics of some images.

    In a network with random weights they are 0 and 1, and an untrained MobileNet or
    EfficientNet then gives the same output for every image: signals fade from layer to
    layer. After this, its frozen part is a set of random features that do differ.

    Parameters
    ----------
    model : keras.Model
        Changed in place.
    images : ndarray of shape (n, H, W, 1), float32 in [0, 1]
        Training images, and no others; a hundred are enough.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    drops = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    before = [(layer.momentum, layer.trainable) for layer in norms], [layer.rate for layer in drops]
    for layer in norms:
        layer.momentum, layer.trainable = 0.0, True
    for layer in drops:
        layer.rate = 0.0
    model(images, training=True)
    for layer, (momentum, trainable) in zip(norms, before[0]):
        layer.momentum, layer.trainable = momentum, trainable
    for layer, rate in zip(drops, before[1]):
        layer.rate = rate


def _sources(layer):
    tensors = layer.input if isinstance(layer.input, list) else [layer.input]
    own = isinstance(layer, keras.layers.InputLayer)
    return [] if own else [tensor._keras_history.operation.name for tensor in tensors]


def _consumers(model):
    consumers = {layer.name: [] for layer in model.layers}
    for layer in model.layers:
        for source in _sources(layer):
            consumers[source].append(layer.name)
    return consumers


def _block_of(name):
    match = _BLOCK.match(name)
    if not match:
        return ""
    block, number, top = match.groups()
    return block or top or f"block{number}"
