"""Write the network of a run as ONNX, for programs without Keras, once it is seen to answer alike.

Needs the extra `onnx`: Keras exports by tf2onnx, and onnxruntime answers.
"""

import json

import numpy as np

from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.files import output, whole_file
from lungcls.runs import inputs, prediction

TOLERANCE = 1e-5  # of probabilities
OPSET = 18
BATCHES = (1, 3)  # sizes that are compared


def export(run, path, *, force=False):
    """Write the network of a run as an ONNX file, whole or not at all.

    Parameters
    ----------
    run : Run
    path : path
        A file that is there is replaced only by `force`.

    Returns
    -------
    float
        The largest difference of probabilities from Keras's, on images of noise; at most 1e-5.

    Raises
    ------
    InputError
        If the extra `onnx` is not installed, the run or the file cannot be used, or the answers differ.

    Notes
    -----
    One input, `image`, float32 in [0, 1] of shape (n, size, size, views), as the run sees it, with any n;
    one output, `probabilities` (n, classes). The file's metadata hold the run, its classes and settings.

    Examples
    --------
    >>> from lungcls import runs
    >>> runs.export(runs.pretrained("best-binary"), "model.onnx")  # doctest: +SKIP
    1.2e-07
    """
    path = output(path, force=force, inputs=(run.folder,))
    try:
        import onnx
        import onnxruntime
        import tf2onnx  # noqa: F401  Keras asks for it
    except ImportError as error:
        raise InputError(f"export: {error}, expected the extra onnx: pip install 'lungcls[onnx]'") from error
    model = prediction.open_model(run)
    with whole_file(path) as part:
        try:
            _write(model, part)
            made = _named(onnx.load(part), run)
            onnx.checker.check_model(made)
            onnx.save(made, part)
            session = onnxruntime.InferenceSession(part, providers=["CPUExecutionProvider"])
        except Exception as error:  # Keras, tf2onnx, onnx and onnxruntime each have their own
            found = " ".join(str(error).split())
            raise InputError(f"{run.id}: cannot be written as ONNX ({found})") from error
        return difference(model, session, run)


def _write(model, path):
    """Let Keras write the network without dropout; tensors that would become inputs become constants."""
    import keras

    def constant(value):
        return np.array(value) if keras.ops.is_tensor(value) else value

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = constant(layer.mean), constant(layer.variance)
        for operation in getattr(layer, "operations", ()):
            for node in operation._inbound_nodes:
                node.arguments.args, node.arguments.kwargs = node.arguments.convert(constant)
    image = keras.InputSpec(shape=(None, *model.input.shape[1:]), dtype="float32", name="image")
    options = {"input_signature": [image], "opset_version": OPSET, "verbose": False}
    model.export(path, format="onnx", **options)


def _plain(node):
    """A node in operations that ONNX has: it knows no log(1 + x)."""
    from onnx import helper

    if node.op_type != "Log1p":
        return [node]
    more = f"{node.output[0]}/more"
    return [
        helper.make_node("Add", [*node.input, "one"], [more]),
        helper.make_node("Log", [more], node.output),
    ]


def _named(made, run):
    """The graph in plain operations, with a name for its output, and with what the numbers mean."""
    from onnx import numpy_helper

    nodes = [plain for node in made.graph.node for plain in _plain(node)]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.append(numpy_helper.from_array(np.float32(1), "one"))
    output, name = made.graph.output[0], "probabilities"
    for node in made.graph.node:
        node.output[:] = [name if one == output.name else one for one in node.output]
        node.input[:] = [name if one == output.name else one for one in node.input]
    output.name = name
    about = {"run": run.id, "classes": list(CLASS_COLUMNS[run.config["task"]])}
    about |= {"views": inputs.views_of(run.config), "settings": run.config["settings"]}
    about |= {"use": "research only, not for diagnosis: a score is readers' suspicion, not pathology"}
    for key, value in about.items():
        made.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    return made


def difference(model, session, run):
    """The largest difference between the answers of Keras and of ONNX; more than allowed is an error."""
    names, most = [one.name for one in session.get_inputs()], 0.0
    if names != ["image"]:
        raise InputError(f"{run.id}: exports with the inputs {', '.join(names)}, expected image alone")
    for n in BATCHES:
        image = np.random.default_rng(n).random((n, *model.input.shape[1:]), dtype=np.float32)
        apart = np.abs(session.run(None, {"image": image})[0] - model.predict(image, verbose=0))
        most = max(most, float(apart.max()))
    if not most <= TOLERANCE:
        raise InputError(f"{run.id}: ONNX answers {most:.1e} from Keras, expected at most {TOLERANCE:g}")
    return most
