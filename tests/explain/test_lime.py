"""LIME: the package's own numbers, the same twice, and the piece that is planted."""

import numpy as np
import pytest

from lungcls.explain import lime

IMAGES = np.random.default_rng(0).random((2, 24, 24, 1)).astype(np.float32) / 2
IMAGES[:, 4:10, 4:10] = 1.0


def predict(batch):
    """A network that sees one square only."""
    inside = batch[:, 4:10, 4:10, 0].mean(axis=(1, 2))
    return np.stack([1 - inside, inside], axis=1)


def test_the_planted_square_is_what_the_answer_hangs_on():
    for found in lime.lime_pieces(predict, IMAGES, [1, 1], seed=0, pieces=16):
        marked = np.isin(found.segments, np.argsort(-found.weights)[:3])
        assert found.map[6, 6] > 0 and marked[5:9, 5:9].mean() > 0.5 and 0 <= found.fit <= 1
        assert (found.map[marked] > 0).all()
    against = lime.lime_pieces(predict, IMAGES, [0, 0], seed=0, pieces=16)[0]
    assert against.map[6, 6] < 0


def test_the_same_seed_gives_the_same_result():
    one, two, three = (
        lime.lime_pieces(predict, IMAGES, [1, 1], seed=seed, samples=60)[1] for seed in (0, 0, 1)
    )
    assert np.array_equal(one.weights, two.weights) and not np.array_equal(one.weights, three.weights)


def test_weights_are_those_of_the_package_called_plainly():
    from lime.lime_image import LimeImageExplainer

    found = lime.lime_pieces(predict, IMAGES[:1], [1], seed=5, samples=70, batch=32, hide=0.0)[0]
    plain = LimeImageExplainer(random_state=5).explain_instance(
        IMAGES[0, ..., 0].astype(float),
        lambda batch: predict(batch[..., :1].astype(np.float32)),
        labels=(1,),
        top_labels=None,
        num_samples=70,
        hide_color=0.0,
        segmentation_fn=lambda image: lime.segment(image[..., 0]),
    )
    weights = dict(plain.local_exp[1])
    assert max(weights.values()) > 0.1
    assert found.weights == pytest.approx([weights[i] for i in range(len(found.weights))], abs=1e-6)


def test_a_piece_of_even_grey_hidden_by_its_own_mean_is_not_seen():
    own = lime.lime_pieces(predict, IMAGES[:1], [1], seed=0, pieces=40, hide=None)[0]
    blurred = lime.lime_pieces(predict, IMAGES[:1], [1], seed=0, pieces=40)[0]
    assert blurred.map[5:9, 5:9].mean() > 3 * abs(own.map[5:9, 5:9].mean())


def test_pieces_follow_grey_levels_and_have_no_gaps():
    pieces = lime.segment(IMAGES[0, ..., 0], pieces=16)
    assert set(np.unique(pieces)) == set(range(pieces.max() + 1))
    inside = np.zeros((24, 24), bool)
    inside[4:10, 4:10] = True
    sizes, mine = np.bincount(pieces.ravel()), np.bincount(pieces[inside], minlength=pieces.max() + 1)
    assert (mine / sizes).max() > 0.7  # one piece at least is the square's own
    with pytest.raises(ValueError, match="expected \\(H, W\\) and 2 or more"):
        lime.segment(IMAGES[0], pieces=16)
    with pytest.raises(ValueError, match="and 1 classes"):
        lime.lime_pieces(predict, IMAGES, [1], seed=0)
