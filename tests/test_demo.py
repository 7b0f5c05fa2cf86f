"""The demo from end to end, in seconds: what it writes, not how well it learns."""

import json

from PIL import Image

from laconvnet import Predictor, demo


def test_writes_everything_it_names_and_can_be_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "_SCENES", {"train": 6, "val": 6})
    output = tmp_path / "demo_output"
    for _ in range(2):
        results = demo.run_demo(output, minutes=0.02)
    assert json.loads((output / "results.json").read_text()) == results
    assert all(0 <= value <= 1 for value in results["accuracy@0.5"].values())
    with Image.open(output / "predictions.png") as sheet:
        assert sheet.width > 600
    records = [json.loads(line) for line in (output / "world" / "val.jsonl").read_text().splitlines()]
    (answer,) = Predictor.from_pretrained(output / "run" / "final")(
        output / "world" / records[0]["image"], records[0]["text"]
    )
    first = json.loads((output / "predictions.jsonl").read_text().splitlines()[0])
    assert [round(value) for value in answer.box] == [round(value) for value in first["box"]]
