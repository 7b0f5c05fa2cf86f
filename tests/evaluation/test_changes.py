"""Changed sentences and pictures."""

import numpy as np
import pytest

from laconvnet.evaluation.changes import PHOTOGRAPH_SENTENCE_CHANGES, PICTURE_CHANGES, SENTENCE_CHANGES
from laconvnet.scenes import WORLDS, words

NEAR = WORLDS["near"]


@pytest.mark.parametrize(
    ("change", "text", "expected"),
    [
        (
            "other known words",
            "the large cubes to the left of the ball",
            "the big blocks on the left side of the sphere",
        ),
        ("other known words", "Is there a large thing?", "Is there a big object?"),
        ("other known words", "either a shiny thing or a small ball", "either a metal object or a tiny sphere"),
        ("other known words", "the first cylinder from the left", "the first cylinder counted from the left"),
        ("other known words", "the red cylinder", None),
        ("unknown nouns, sizes, materials", "the tiny metallic blocks", "the little chrome boxes"),
        ("unknown nouns, sizes, materials", "Is there a matte cube or ball?", "Is there a dull box or orb?"),
        ("unknown nouns, sizes, materials", "Is there a thing?", "Is there an item?"),
        ("unknown nouns, sizes, materials", "the red one", None),
        ("unknown colours", "the red cube behind the gray one", "the crimson cube behind the grey one"),
        ("unknown colours", "is there a green ball", "is there an emerald ball"),
        ("unknown colours", "the coloured cube", None),
        ("please ...", "the red cube", "please show me the red cube"),
        ("please ...", "How many cubes are there?", "please tell me, how many cubes are there?"),
        ("can you find ...", "a man", "can you find a man"),
        ("can you find ...", "How many cubes are there?", None),
        ("longer", "the red cube", "the red cube in this picture of several things that stand on the ground"),
        (
            "longer",
            "How many cubes are there?",
            "How many cubes are there in this picture of several things that stand on the ground?",
        ),
        ("small words left out", "the cube that is to the left of the ball", "cube left ball"),
        ("small words left out", "red cube", None),
        ("small words left out", "the", None),
        ("a letter dropped", "the red cylinder and the purple cylinder", "the red cylider and the purple cylinder"),
        ("a letter dropped", "a dog", None),
        ("a letter dropped", "a", None),
        ("words in random order", "cube", None),
    ],
)
def test_sentences_are_changed_as_their_names_say(change, text, expected):
    assert SENTENCE_CHANGES[change](text) == expected


def test_random_order_keeps_the_words_and_depends_on_the_text_alone():
    change = SENTENCE_CHANGES["words in random order"]
    text = "the small red cube left of the ball"
    assert sorted(change(text).split()) == sorted(text.split())
    assert change(text) == change(text) != text
    question = change("How many red cubes are behind the large ball?")
    assert question.endswith("?") and question.count("?") == 1


def test_unknown_words_are_unknown_and_known_ones_known():
    known = set(words(NEAR.values))
    text = "large small rubber matte metal shiny cube spheres ball cylinder things object"
    assert set(SENTENCE_CHANGES["other known words"](text).split()) <= known
    assert not set(SENTENCE_CHANGES["unknown nouns, sizes, materials"](text).split()) & known
    colours = SENTENCE_CHANGES["unknown colours"](" ".join(NEAR.colors))
    assert not set(colours.split()) & known


def test_photographs_are_not_said_to_stand_on_the_ground():
    assert PHOTOGRAPH_SENTENCE_CHANGES.keys() < SENTENCE_CHANGES.keys()
    assert "ground" not in PHOTOGRAPH_SENTENCE_CHANGES["longer"]("a man in red")


@pytest.fixture
def picture():
    """Coloured noise in blocks of four pixels, 40 wide and 24 high."""
    blocks = np.random.default_rng(3).integers(0, 256, (6, 10, 3), dtype=np.uint8)
    return blocks.repeat(4, 0).repeat(4, 1)


@pytest.mark.parametrize("name", PICTURE_CHANGES)
def test_picture_changes_keep_shape_and_type_and_change_pixels(name, picture):
    before = picture.copy()
    changed = PICTURE_CHANGES[name](picture, np.random.default_rng(0))
    assert changed.shape == picture.shape and changed.dtype == np.uint8
    assert (changed != picture).any()
    assert (picture == before).all()
    assert (PICTURE_CHANGES[name](picture, np.random.default_rng(0)) == changed).all()


def test_picture_changes_do_what_they_say(picture):
    changed = {name: change(picture, np.random.default_rng(0)) for name, change in PICTURE_CHANGES.items()}
    assert changed["brightness × 0.6"] == pytest.approx(0.6 * picture.astype(float), abs=1)
    assert changed["brightness × 1.5"] == pytest.approx(np.minimum(1.5 * picture.astype(float), 255), abs=1)
    assert changed["contrast × 0.5"].std() == pytest.approx(0.5 * picture.std(), rel=0.02)
    assert (changed["no colour"] == changed["no colour"][..., :1]).all()
    assert changed["blur of 2 pixels"].std() < changed["blur of 1 pixel"].std() < picture.std()
    error = {
        quality: np.abs(changed[f"JPEG of quality {quality}"] - picture.astype(float)).mean() for quality in (10, 30)
    }
    assert error[10] > error[30]
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    noisy = PICTURE_CHANGES["noise of deviation 15"](grey, np.random.default_rng(0))
    assert noisy.std() == pytest.approx(15, rel=0.05)


def test_a_tenth_of_the_hue_circle_turns_red_towards_yellow():
    red = np.full((2, 2, 3), (255, 0, 0), dtype=np.uint8)
    turned = PICTURE_CHANGES["hue turned by 0.1"](red, np.random.default_rng(0))
    assert turned[0, 0] == pytest.approx([255, 0.6 * 255, 0], abs=5)
