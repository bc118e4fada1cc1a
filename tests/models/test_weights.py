"""Pretrained weights: found, or honestly not."""

import socket
import threading

from conftest import write_weights
import h5py
import numpy as np
import pytest

from lungcls.errors import InputError
from lungcls.models import backbones, weights


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path


@pytest.fixture
def silent_server(monkeypatch):
    """A server that takes a connection and never answers, like a network that drops packets."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setitem(weights._URLS, "mobilenet", f"http://127.0.0.1:{server.getsockname()[1]}/m.h5")
        yield


def test_none_is_labelled_random():
    assert weights.find_weights("none", "resnet50") == weights.WeightSource("random init", None, "")


def test_a_file_is_known_by_its_name_and_digest(tmp_path):
    write_weights(tmp_path / "mine.h5")
    found = weights.find_weights(tmp_path / "mine.h5", "mobilenet")
    assert found.label == "mine.h5" and found.path == tmp_path / "mine.h5" and len(found.digest) == 64


def test_imagenet_comes_from_the_cache_of_keras(home):
    path = weights.cached_path("efficientnetb2")
    assert path == home / "keras" / "models" / "efficientnetb2_notop.h5"
    write_weights(path, "efficientnetb2")
    assert weights.find_weights("imagenet", "efficientnetb2").label == "ImageNet"
    assert weights.check(["efficientnetb2"]) == {"efficientnetb2": "in Keras's cache"}
    write_weights(path, "efficientnetb1")
    assert "holds weights of efficientnetb1" in weights.check(["efficientnetb2"])["efficientnetb2"]


def test_a_silent_network_is_given_up_in_time_with_a_warning(home, silent_server, monkeypatch):
    waits, join = [], threading.Thread.join

    def noted(thread, timeout=None):
        waits.append(timeout)
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", noted)
    with pytest.warns(UserWarning, match="mobilenet: no ImageNet weights .* labelled 'random init'"):
        found = weights.find_weights("imagenet", "mobilenet", seconds=0.5)
    assert found.label == "random init" and found.path is None
    assert weights.check(["mobilenet"], seconds=0.2)["mobilenet"] != "can be downloaded"
    assert waits == [0.5, 0.2]  # no wait but these, each with an end


def test_a_download_is_whole(home, tmp_path, monkeypatch):
    write_weights(tmp_path / "remote.h5")
    monkeypatch.setitem(weights._URLS, "mobilenet", (tmp_path / "remote.h5").as_uri())
    assert weights.find_weights("imagenet", "mobilenet").label == "ImageNet"
    folder = weights.cached_path("mobilenet").parent
    assert [path.name for path in folder.iterdir()] == ["remote.h5"]


@pytest.mark.parametrize(
    "name, backbone, message",
    [
        ("absent.h5", "mobilenet", "absent.h5: cannot be read .*, expected imagenet, none or a weight file"),
        ("imagenet", "vgg16", "backbone: found 'vgg16', expected one of mobilenet, resnet50"),
    ],
)
def test_errors(name, backbone, message):
    with pytest.raises(InputError, match=message):
        weights.find_weights(name, backbone)


def test_weights_of_another_backbone_and_cut_off_ones_are_refused(tmp_path):
    path = write_weights(tmp_path / "b2.h5", "efficientnetb2")
    with pytest.raises(InputError, match="b2.h5: holds weights of efficientnetb2, expected .*efficientnetb4"):
        weights.find_weights(path, "efficientnetb4")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("block1a_dwconv")["kernel"] = np.zeros((3, 3))
        file["empty"] = h5py.Empty("f")
    with pytest.raises(InputError, match="other.h5: holds weights of another network, expected those of mob"):
        weights.find_weights(tmp_path / "other.h5", "mobilenet")
    raw = path.read_bytes()
    (tmp_path / "cut.h5").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(InputError, match="cut.h5: not a whole weight file"):
        weights.find_weights(tmp_path / "cut.h5", "efficientnetb2")


@pytest.mark.parametrize("backbone", ["mobilenet", "efficientnetb0"])
def test_kernels_are_counted_as_in_keras(backbone):
    import keras

    build = getattr(keras.applications, backbones.BACKBONES[backbone][0])
    network = build(include_top=False, weights=None, input_shape=(32, 32, 3))
    kernels = [np.prod(weight.shape) for weight in network.weights if len(weight.shape) > 1]
    assert weights.KERNELS[backbone] == sum(kernels)
    assert set(weights.KERNELS) == set(backbones.BACKBONES) == set(weights._URLS)
    assert len(set(weights.KERNELS.values())) == len(weights.KERNELS)


def test_a_file_that_is_no_weights(tmp_path):
    (tmp_path / "weights.h5").write_text("<html>not found</html>")
    with pytest.raises(InputError, match="weights.h5: not an HDF5 file"):
        weights.find_weights(tmp_path / "weights.h5", "mobilenet")
