"""The robustness sheet: every change beside the same records unchanged."""

import json
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from laconvnet.data import FolderDataset, read_records
from laconvnet.evaluation import learned_task, robustness, score
from laconvnet.evaluation.changes import PHOTOGRAPH_SENTENCE_CHANGES, PICTURE_CHANGES, SENTENCE_CHANGES
from laconvnet.evaluation.robustness import other_worlds, tables
from laconvnet.scenes import WORLDS, World

NEAR = WORLDS["near"]


def test_other_worlds_keep_the_words():
    worlds = other_worlds(NEAR)
    assert all(world.values == NEAR.values and world != NEAR for world in worlds.values())
    assert worlds["CLEVR's 3 to 10 objects"] == World()
    assert worlds["wide pictures"].zoom == pytest.approx(2.2 / 1.5)
    assert other_worlds(World())["wide pictures"] == World()


def test_scenes_are_measured_in_every_way(folder, checkpoint, source):
    result = robustness(checkpoint, folder / "rec", "test", "rec", source=source, limit=6)
    assert json.loads(json.dumps(result)) == result
    assert (result["task"], result["metric"], result["n"]) == ("rec", "accuracy@0.5", 6)
    records = read_records(folder / "rec" / "test.jsonl")[:6]
    for row in result["sentences"]:
        assert row["n"] == sum(SENTENCE_CHANGES[row["change"]](record.text) is not None for record in records)
    assert [row["change"] for row in result["pictures"]] == list(PICTURE_CHANGES)
    assert [row["change"] for row in result["sizes"]] == [f"{s} × {s}" for s in (96, 128, 160, 192, 224)]
    assert [row["n"] for row in result["worlds"]] == [6] * 4
    assert set(result["pairs"]) == {"swapped nouns", "opposite directions"}
    for pair in result["pairs"].values():
        assert pair["n"] == 2 and pair["both"] <= min(pair["first"], pair["second"])
    for row in (*result["sentences"], *result["pictures"], *result["sizes"], *result["worlds"]):
        assert 0 <= row["interval"][0] <= row["after"] <= row["interval"][1] <= 1
    text = tables(result)
    assert text.startswith("`rec`, accuracy@0.5: ")
    assert all(row["change"] in text for row in (*result["sentences"], *result["worlds"]))
    assert "| swapped nouns | 2 |" in text


def test_questions_are_measured_without_a_source(folder, checkpoint):
    result = robustness(checkpoint, folder / "vqa", "test", "vqa")
    assert result["metric"] == "accuracy" and result["n"] == 12
    assert {row["change"] for row in result["sentences"]} <= set(PHOTOGRAPH_SENTENCE_CHANGES) - {"can you find ..."}
    assert result["worlds"] == [] and result["pairs"] == {}
    assert "word order" not in tables(result)


def test_rows_compare_the_same_records_before_and_after(folder, checkpoint, tmp_path):
    def giou(root, text=lambda text: text):
        task = learned_task(checkpoint, "gres")
        dataset = FolderDataset(root, "test", size=64, tasks=[task])
        dataset.records = [replace(r, text=text(r.text)) for r in dataset.records if text(r.text) is not None]
        return score(checkpoint, dataset, task).values()["gIoU"]

    def only_if_shorter(text):
        return text if SENTENCE_CHANGES["small words left out"](text) is not None else None

    result = robustness(checkpoint, folder / "gres", "test", "gres")
    rows = {row["change"]: row for part in ("sentences", "pictures", "sizes") for row in result[part]}
    assert result["value"] == rows["no colour"]["before"] == giou(folder / "gres") > 0
    assert rows["please ..."]["after"] == giou(folder / "gres", "please show me {}".format)
    shorter = rows["small words left out"]
    assert shorter["before"] == giou(folder / "gres", only_if_shorter)
    assert shorter["after"] == giou(folder / "gres", SENTENCE_CHANGES["small words left out"])
    shutil.copytree(folder / "gres", tmp_path / "grey")
    for file in (tmp_path / "grey" / "images").iterdir():
        Image.open(file).convert("L").convert("RGB").save(file)
    assert rows["no colour"]["after"] == giou(tmp_path / "grey") != result["value"]


def test_what_cannot_be_measured_is_refused(folder, checkpoint):
    with pytest.raises(ValueError, match="learned rec, gres, vqa, not 'res'"):
        robustness(checkpoint, folder / "rec", "test", "res")
    with pytest.raises(ValueError, match="at least 1 record, or None for all, got 0"):
        robustness(checkpoint, folder / "rec", "test", "rec", limit=0)
