"""A result as a table for a terminal."""

from laconvnet.evaluation.tables import result_table


def values(of, n=1200):
    names = {"accuracy@0.5": of, "mean_iou": 0.4}
    return {"n": n, "metrics": names, "intervals": {name: [at - 0.02, at + 0.03] for name, at in names.items()}}


RESULT = values(0.5) | {
    "task": "rec",
    "model": "photos-t",
    "data": "data/flickr30k",
    "split": "val",
    "headline": ["accuracy@0.5", "mean_iou"],
    "groups": {"people": values(0.625, 800), "other": values(0.25, 400)},
    "remarks": {},
}


def test_all_records_stand_first_and_below_them_those_of_each_group():
    assert result_table(RESULT) == (
        "rec of photos-t on data/flickr30k, split val\n"
        "\n"
        "        sentences         accuracy@0.5             mean_iou\n"
        "all         1,200  50.0 % [48.0, 53.0]  40.0 % [38.0, 43.0]\n"
        "people        800  62.5 % [60.5, 65.5]  40.0 % [38.0, 43.0]\n"
        "other         400  25.0 % [23.0, 28.0]  40.0 % [38.0, 43.0]"
    )


def test_blind_baselines_and_remarks_stand_below():
    blind = {"whole image": {"accuracy@0.5": 0.0525, "mean_iou": 0.1}, "no target": {"accuracy@0.5": float("nan")}}
    remarks = {"right answers that the network does not know": 1234}
    *_, whole, nothing, remark = result_table(RESULT | {"blind": blind, "remarks": remarks}).splitlines()
    assert whole.split() == ["blind:", "whole", "image", "–", "5.2", "%", "10.0", "%"]
    assert nothing.split() == ["blind:", "no", "target", "–", "–", "–"]
    assert remark == "right answers that the network does not know: 1,234"
