"""The autoencoder: shapes, names, range, and what it refuses."""

import keras
import numpy as np
import pytest

from lungcls.models.networks import autoencoder


def test_it_squeezes_an_image_and_gives_one_of_the_same_shape():
    model = autoencoder(16, 5, filters=(2, 3))
    assert model.input_shape == model.output_shape == (None, 16, 16, 1)
    assert model.get_layer("latent").output.shape == (None, 5)
    images = np.random.default_rng(0).random((3, 16, 16, 1), dtype=np.float32)
    copies = keras.ops.convert_to_numpy(model(images))
    assert copies.dtype == np.float32 and 0 <= copies.min() and copies.max() <= 1


def test_each_block_halves_and_the_decoder_mirrors_it():
    model = autoencoder(32, 4, filters=(2, 3, 4))
    blocks = [layer for layer in model.layers if layer.name[:6] in ("encode", "decode")]
    sides = {layer.name: layer.output.shape[1:3] for layer in blocks}
    assert sides == {
        "encode1": (16, 16),
        "encode2": (8, 8),
        "encode3": (4, 4),
        "decode3": (8, 8),
        "decode2": (16, 16),
        "decode1": (32, 32),
    }


def test_everything_the_decoder_knows_goes_through_the_latent_vector():
    model = autoencoder(16, 3, filters=(2, 3))
    latent = keras.Input((3,))
    x = latent
    for layer in model.layers[model.layers.index(model.get_layer("latent")) + 1 :]:
        x = layer(x)
    decoder, encoder = keras.Model(latent, x), keras.Model(model.input, model.get_layer("latent").output)
    images = np.random.default_rng(1).random((2, 16, 16, 1), dtype=np.float32)
    both = keras.ops.convert_to_numpy(decoder(encoder(images)))
    np.testing.assert_allclose(both, keras.ops.convert_to_numpy(model(images)), atol=1e-6)


def test_the_seed_of_keras_decides_the_weights():
    def first_weights(seed):
        keras.utils.set_random_seed(seed)
        return autoencoder(16, 3).get_weights()[0]

    assert (first_weights(1) == first_weights(1)).all()
    assert (first_weights(1) != first_weights(2)).any()


@pytest.mark.parametrize("size", [0, 4, 20])
def test_a_size_that_cannot_be_halved_is_refused(size):
    with pytest.raises(ValueError, match=f"image_size: found {size}, expected a multiple of 8"):
        autoencoder(size, 3)


@pytest.mark.parametrize("latent_size, filters", [(0, (2,)), (3, ()), (3, (2, 0))])
def test_empty_layers_are_refused(latent_size, filters):
    with pytest.raises(ValueError, match="expected numbers from 1 on"):
        autoencoder(16, latent_size, filters=filters)
