"""The authors' word table, rebuilt from their annotation file."""

import json

import pytest

from laconvnet.models.official_vocabulary import official_vocabulary


def test_words_stand_in_the_order_of_their_first_occurrence_over_all_splits(tmp_path):
    splits = {"train": [{"refs": ["The man's hat", "a hat"]}, {"refs": []}], "val": [{"refs": ["a left-most dog"]}]}
    (tmp_path / "a.json").write_text(json.dumps(splits))
    vocabulary = official_vocabulary(tmp_path / "a.json")
    assert vocabulary.words == ("<cls>", "the", "mans", "hat", "a", "left", "most", "dog")
    assert (vocabulary.num_buckets, len(vocabulary)) == (1, 10)
    assert vocabulary.encode("the dog barks") == [3, 9, 1]


@pytest.mark.parametrize("content", ["[1, 2", '{"train": [{"sentence": "a"}]}', "[]"])
def test_annotation_files_of_another_form_are_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=r"a\.json is"):
        official_vocabulary(tmp_path / "a.json")
