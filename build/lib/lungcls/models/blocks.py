"""Cut a network in two at a block boundary: the frozen part, and the part that trains."""

from itertools import pairwise
import re

import keras

from lungcls.models.networks import VIEW_INPUT

# Block names as keras.applications (EfficientNet, ResNet; MobileNet's are counted) and the CNN have them.
_BLOCK = re.compile(r"(block\d+[a-z]?|conv\d_block\d+)_|conv_(?:pad|dw|pw)_(\d+)|(top)_")
START = (keras.layers.InputLayer, keras.layers.Identity)  # where a network begins, and a view of several


def views_of(model):
    """Names of the views that a flat classifier joins, by channel; none if it has one view."""
    return [layer.name.partition(".")[0] for layer in model.layers if layer.name.endswith(f".{VIEW_INPUT}")]


def boundaries(model, view=""):
    """Where a flat classifier can be cut in two: block name to the layer whose output enters it, in order.

    If it joins several views, the first one's, or that of another `view`, is cut there.
    """
    # One tensor carries everything there. The first is "image" (nothing is frozen), the last "head".
    prefix = "".join(f"{one}." for one in [view, *views_of(model)][not view :][:1])
    layers = [layer for layer in model.layers if layer.name.startswith(prefix)]
    found, seen, last, reach = {"image": layers[0].name}, {""}, {}, 0
    for place, layer in enumerate(layers):
        last |= dict.fromkeys(_sources(layer), place)  # the last layer that takes the output of each
    for place, (layer, following) in enumerate(pairwise(layers)):
        block = _block_of(following.name.removeprefix(prefix))
        if block not in seen and reach <= place < last[layer.name]:
            seen.add(block)
            found[block] = layer.name
        reach = max(reach, last[layer.name])  # of what comes before
    found["head"] = f"{prefix}pool"
    return found


def boundary(model, name, view=""):
    """The layer whose output enters a block; "block6" stands for "block6a", "conv5" for "conv5_block1"."""
    allowed = boundaries(model, view)
    for candidate in (name, f"{name}a", f"{name}_block1"):
        if candidate in allowed:
            return model.get_layer(allowed[candidate])
    raise ValueError(f"unfreeze_from: found {name!r}, expected one of {', '.join(allowed)}")


def split(model, name):
    """Cut a network at a block boundary: its backbone (None from "image") and its head, up to the logits."""
    # Both share its layers: the head's become trainable, the others not. Batch normalisation of a
    # backbone stays frozen, and so in inference mode; a network that trains from "image" on keeps
    # its own in training mode.
    # Where several views are joined, each is cut there, and the backbone gives their maps side by side.
    cuts = [boundary(model, name, view) for view in views_of(model) or [""]]
    whole = isinstance(cuts[0], START)
    maps = [model.input] if whole else [cut.output for cut in cuts]
    joint = maps[0] if len(maps) == 1 else keras.ops.concatenate(maps, axis=-1)
    backbone = None if whole else keras.Model(model.input, joint)
    frozen = set() if whole else {layer.name for layer in backbone.layers}
    for layer in model.layers:
        norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = whole or not (norm or layer.name in frozen)
    head = keras.Model(maps, model.get_layer("logits").output)
    if len(maps) == 1:
        return backbone, head
    start = keras.Input(joint.shape[1:])
    return backbone, keras.Model(start, head(keras.ops.split(start, len(maps), axis=-1)))


def summary(model):
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

    Examples
    --------
    >>> from lungcls.models.networks import cnn
    >>> summary(cnn(image_size=16, task="multiclass", filters=(4, 8), dense=8))
    [('image', 16, 1), ('block1', 8, 4), ('block2', 4, 8), ('head', 1, 5)]
    """
    cuts = list(boundaries(model).items())
    stages = {}
    for (block, _), (_, layer) in pairwise(cuts):
        stages[stage_of(block)] = _map_of(model.get_layer(layer))
    if not isinstance(model.get_layer(cuts[1][1]), START):
        stages = {"stem" if name == "image" else name: shape for name, shape in stages.items()}
    return [(name, *shape) for name, shape in stages.items()] + [("head", 1, model.output.shape[-1])]


def stage_of(block):
    """Name the stage of a block: "block2b" belongs to "block2", "conv5_block1" to "conv5"."""
    return re.match(r"block\d+|conv\d+|\w+", block)[0]


def _map_of(layer):
    """Side and channels of what a layer passes on; of the pooled features, those before pooling."""
    output = layer.input if layer.name.rpartition(".")[2] == "pool" else layer.output
    return output.shape[1], output.shape[-1]


def calibrate_batch_norm(model, images):
    """Give batch normalisation, in place, the statistics of training images (n, H, W, 1), a hundred or so."""
    # In a network with random weights they are 0 and 1, and an untrained MobileNet or EfficientNet
    # then gives the same output for every image: signals fade from layer to layer. After this, its
    # frozen part is a set of random features that do differ.
    changes = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            changes += [(layer, "momentum", 0.0), (layer, "trainable", True)]
        elif isinstance(layer, keras.layers.Dropout):
            changes.append((layer, "rate", 0.0))
    kept = [(layer, name, getattr(layer, name)) for layer, name, _ in changes]
    for change in changes:
        setattr(*change)
    model(images, training=True)
    for change in kept:
        setattr(*change)


def _sources(layer):
    tensors = layer.input if isinstance(layer.input, list) else [layer.input]
    own = isinstance(layer, keras.layers.InputLayer)
    return [] if own else [tensor._keras_history.operation.name for tensor in tensors]


def _block_of(name):
    match = _BLOCK.match(name)
    if not match:
        return ""
    block, number, top = match.groups()
    return block or top or f"block{number}"
