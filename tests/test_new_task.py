"""A fifth task is one class: it trains, is scored and predicts, and nothing else knows its name."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field
from torch import Tensor
from typer.testing import CliRunner

import laconvnet
from laconvnet import Predictor, cli
from laconvnet.data import Batch, Record, generate
from laconvnet.evaluation import score_checkpoint
from laconvnet.metrics import AnswerAccuracy
from laconvnet.models import Checkpoint
from laconvnet.scenes import WORLDS, SceneSource
from laconvnet.tasks import TASKS, Answer, Task, TaskOptions
from laconvnet.tasks.answering import best_answers
from laconvnet.tasks.losses import right_answer_loss
from laconvnet.tasks.task import Outputs, Scores
from laconvnet.training import load_config, train


class CountingOptions(TaskOptions):
    """The settings of `count`."""

    most: int = Field(10, ge=1, description="Largest number that can be answered.")


class Counting(Task[CountingOptions]):
    """Answer questions that begin with "How many" by a number."""

    name = "count"
    job = "count"
    Options = CountingOptions
    headline = ("accuracy",)
    scene_sorts = ("vqa",)
    max_length = None

    @property
    def answers(self) -> tuple[str, ...]:
        return tuple(map(str, range(self.options.most + 1)))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("answer",)

    @property
    def labels(self) -> tuple[str, ...]:
        return ("answer",)

    def serves(self, record: Record) -> bool:
        return record.group == "count"

    def answers_text(self, text: str) -> bool:
        return text.lower().startswith(("how many", "what number"))

    def _right(self, batch: Batch) -> Tensor:
        import torch

        return torch.tensor([int(answer or -1) for answer in batch["answer"]])

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        return {"loss": right_answer_loss(outputs["answer"], self._right(batch))}

    def decode(
        self, outputs: Outputs, frames: Tensor, sizes: Tensor, *, top_k: int = 1, min_score: float = 0.0
    ) -> list[Answer]:
        return [Answer(answers=tuple(ranked)) for ranked in best_answers(outputs["answer"], self.answers, 3)]

    def metric(self) -> AnswerAccuracy:
        return AnswerAccuracy()

    def update(self, metric: Any, answers: Sequence[Answer], batch: Batch) -> None:
        import torch

        said = torch.tensor([int(answer.answer or -1) for answer in answers])
        metric.update(said, self._right(batch), batch["groups"])

    def blind(self, train: Sequence[Record], records: Sequence[Record]) -> Scores:
        return {"always 1": {"accuracy": sum(record.answer == "1" for record in records) / len(records)}}


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Questions of every family about a few scenes, and expressions."""
    source = SceneSource(3, WORLDS["near"], {"rec": 1, "vqa": 12})
    generate(tmp_path / "scenes", source, {"train": 8, "val": 6}, tasks=("count",), size=64)
    return tmp_path / "scenes"


@pytest.mark.parametrize("beside", [{}, {"rec": {}}])
def test_a_fifth_task_trains_is_scored_and_predicts(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: dict[str, Any]
) -> None:
    monkeypatch.setitem(TASKS, "count", Counting)
    settings = {
        "preset": "n",
        "tasks": {"count": {"most": 4}, **beside},
        "data": {"root": str(scenes), "size": 64, "batch_size": 8, "num_workers": 0},
        "max_steps": 2,
        "device": "cpu",
        "keep_freed_memory": False,
        "output": str(tmp_path / "run"),
    }
    path = tmp_path / "count.yaml"
    path.write_text(yaml.safe_dump(settings))
    results = train(load_config(path))
    prefix = "count/" if beside else ""
    assert f"{prefix}accuracy/count" in results["metrics"]

    final = tmp_path / "run" / "final"
    checkpoint = Checkpoint.load(final)
    assert checkpoint.tasks["count"] == {"weight": 1.0, "most": 4}
    assert checkpoint.network.config.num_answers == 5
    counted = [json.loads(line) for line in (scenes / "val.jsonl").read_text().splitlines()]
    counted = [record for record in counted if record.get("group") == "count"]
    scored = score_checkpoint(final, scenes, task="count", blind_split="train", sheet=tmp_path / "errors.png")
    assert scored["n"] == len(counted) and scored["blind"]["always 1"]["accuracy"] <= 1

    picture = scenes / counted[0]["image"]
    asked = Predictor.from_pretrained(final)(picture, ["How many red things are there?", "the red cube"])
    assert asked[0].answer in "01234" and asked[0].box is None
    assert (asked[1].box is not None) == bool(beside)
    run = CliRunner().invoke(cli.app, ["predict", str(picture), "How many cubes?", "--model", str(final), "--json"])
    assert run.exit_code == 0 and json.loads(run.output)[0]["answer"] in "01234"
    run = CliRunner().invoke(cli.app, ["eval", "--model", str(final), "--data", str(scenes), "--workers", "0"])
    assert run.exit_code == 0 and json.loads(run.output)["task"] == "count"


def test_no_branch_outside_the_tasks_depends_on_the_name_of_one() -> None:
    """Heads and sorts of sentences have such names, too: their rooms, and the bench that builds heads, are left out."""
    package = Path(laconvnet.__file__).parent
    rooms = ("data", "metrics", "processing", "evaluation", "training", "cli")
    files = [path for room in rooms for path in (package / room).rglob("*.py")] + sorted(package.glob("*.py"))
    assert len(files) > 50
    named = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare | ast.MatchValue)
        for leaf in ast.walk(node)
        if isinstance(leaf, ast.Constant) and leaf.value in TASKS
    ]
    assert named == []
