"""Tasks by name: how they are built and refused, what the data and a summary ask of them, and how one is added."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from laconvnet import tasks
from laconvnet.data import Record
from laconvnet.metrics import GroupedSums
from laconvnet.tasks import (
    TASKS,
    Answer,
    MultiTask,
    Task,
    TaskOptions,
    build_task,
    build_tasks,
    find_task,
    is_question,
    tasks_for_scenes,
    together,
)
from laconvnet.tasks.grounding import GroundingOptions
from laconvnet.tasks.segmentation import SegmentationOptions

OPTIONS = {"rec": {}, "res": {}, "gres": {}, "vqa": {"answers": ["yes", "no"]}}
BOX = ((0.0, 0.0, 4.0, 4.0),)
QUESTION = Record("asks", "a.png", 8, 8, "is it red", answer="yes")
EXPRESSION = Record("names", "a.png", 8, 8, "the red one", boxes=BOX)
UNLABELLED = Record("bare", "a.png", 8, 8, "the red one")


# ---- building


def test_the_tasks_are_entered_under_their_names() -> None:
    assert list(TASKS) == ["rec", "res", "gres", "vqa"]
    assert all(task.name == name for name, task in TASKS.items())


def test_a_task_has_its_defaults_and_what_is_given() -> None:
    assert build_task("rec").options == GroundingOptions()
    built = build_task("rec", {"l1_weight": 2, "weight": 0.5}, stride=16)
    assert built.options == GroundingOptions(l1_weight=2.0, weight=0.5) and built.stride == 16
    checked = SegmentationOptions(dice_weight=1.0)
    assert build_task("res", checked).options is checked


def test_options_of_another_task_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown setting 'rec\.dice_weight'"):
        build_task("rec", SegmentationOptions(dice_weight=1.0))


def test_an_unknown_task_is_told_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^unknown task 'gress'; did you mean 'gres'\?$"):
        build_task("gress")
    with pytest.raises(ValueError, match=r"^unknown task 'caption'; allowed: rec, res, gres, vqa$"):
        find_task("caption")


def test_an_unknown_setting_is_told_the_nearest_and_where_it_stands() -> None:
    with pytest.raises(ValueError, match=r"^x\.yaml: unknown setting 'rec\.l1_wieght'; did you mean 'rec\.l1_weight'"):
        build_task("rec", {"l1_wieght": 1}, where="x.yaml")
    with pytest.raises(ValueError, match=r"^x\.yaml: unknown setting 'vqa\.atention_weight'; .*'vqa.attention_weight'"):
        build_tasks({"rec": {}, "vqa": {"atention_weight": 1}}, where="x.yaml")


def test_every_mistake_has_its_line() -> None:
    with pytest.raises(ValueError) as caught:
        build_task("rec", {"weight": "x", "l1_weight": -1, "assignment": "best"}, where="x.yaml")
    assert sorted(str(caught.value).splitlines()) == [
        "x.yaml: rec.assignment is 'best', allowed: 'simota' or 'nearest'",
        "x.yaml: rec.l1_weight is -1, allowed: greater than or equal to 0",
        "x.yaml: rec.weight is 'x', allowed: a valid number",
    ]


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "2", True, None])
@pytest.mark.parametrize("name", TASKS)
def test_the_weight_of_a_task_is_a_number_of_0_or_more(name: str, weight: object) -> None:
    with pytest.raises(ValueError, match=rf"^tasks: {name}\.weight is {weight!r}, allowed: "):
        build_task(name, {**OPTIONS[name], "weight": weight})


def test_tasks_are_built_with_their_options_and_weights() -> None:
    options = {"res": {"weight": 0.5, "dice_weight": 1.0}, "vqa": {"loss": "soft_bce", "answers": ["yes", "no"]}}
    segmentation, answering = build_tasks(options, stride=16)
    assert (segmentation.name, answering.name) == ("res", "vqa")
    assert segmentation.options == SegmentationOptions(weight=0.5, dice_weight=1.0)
    assert answering.answers == ("yes", "no") and answering.options.loss == "soft_bce"
    assert answering.options.weight == 1.0 and segmentation.stride == answering.stride == 16
    assert options["res"] == {"weight": 0.5, "dice_weight": 1.0}, "options were changed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rec": {}, "caption": {}}, "unknown task 'caption'; allowed: rec, res, gres, vqa"),
        ({"rec": {"dice_weight": 1.0}}, "unknown setting 'rec.dice_weight'"),
        ({"rec": {"weight": -1.0}}, "rec.weight is -1.0, allowed: greater than or equal to 0"),
        ({"vqa": {}}, "needs a list of answers: at least one"),
    ],
)
def test_bad_tasks(options: dict[str, dict[str, object]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_tasks(options)


def test_one_task_stays_itself_and_several_become_one() -> None:
    (one,) = build_tasks({"rec": {}})
    assert together([one]) is one
    both = together(build_tasks({"rec": {}, "res": {}}))
    assert isinstance(both, MultiTask) and both.name == "rec+res"
    with pytest.raises(ValueError, match="at least one task is needed, of rec, res, gres, vqa"):
        together([])


# ---- what others ask of a task


@pytest.mark.parametrize("name", TASKS)
def test_the_headline_is_what_its_metric_gives(name: str) -> None:
    task = build_task(name, OPTIONS[name])
    metric = task.metric()
    assert isinstance(metric, GroupedSums)
    told = metric.ratios(torch.ones_like(metric.sums))
    assert task.headline and set(task.headline) <= set(told)


@pytest.mark.parametrize("name", TASKS)
def test_what_it_reads_teaches_it(name: str) -> None:
    """Every output that it names gets a gradient, and it needs no other."""
    looking = {"gres": {"no_target": "classifier", "attention_weight": 1.0}, "vqa": {"mask_weight": 1.0}}
    task = build_task(name, OPTIONS[name] | looking.get(name, {}))
    read = {output: read_outputs()[output].requires_grad_() for output in task.outputs}
    task.loss(read, make_batch())["loss"].backward()
    assert all(output.grad.any() for output in read.values())
    assert set(task.heads) <= set(task.outputs)


@pytest.mark.parametrize("name", TASKS)
def test_what_is_measured_is_what_is_answered(name: str) -> None:
    task, batch = build_task(name, OPTIONS[name]), make_batch()
    outputs = {output: values for output, values in read_outputs().items() if output in task.outputs}
    metric, again = task.metric(), task.metric()
    answers = task.measure(metric, outputs, batch)
    decoded = task.decode(outputs, batch["frames"], batch["sizes"])
    assert [answer.to_json() for answer in answers] == [answer.to_json() for answer in decoded]
    task.update(again, decoded, batch)
    assert torch.equal(metric.sums, again.sums) and metric.sums[0] == 2
    assert metric.group_names == again.group_names == ["even", "odd"]


def test_records_serve_by_what_they_are_labelled_with() -> None:
    def served(record: Record) -> list[str]:
        return [name for name in TASKS if build_task(name, OPTIONS[name]).serves(record)]

    assert served(QUESTION) == ["vqa"] and served(EXPRESSION) == ["rec", "res", "gres"]
    assert served(UNLABELLED) == list(TASKS)
    assert served(Record("both", "a.png", 8, 8, "it", boxes=BOX, answers={"yes": 1.0})) == list(TASKS)


def test_a_question_ends_with_its_mark() -> None:
    assert is_question("what is it? ") and not is_question("what is it") and not is_question("? it")

    def answering(text: str) -> list[str]:
        return [name for name in TASKS if build_task(name, OPTIONS[name]).answers_text(text)]

    assert answering("what is it?") == ["vqa"] and answering("the cube") == ["rec", "res", "gres"]


def test_labels_that_only_teach_do_not_judge() -> None:
    assert {name: build_task(name, OPTIONS[name]).truth for name in TASKS} == {
        "rec": ("boxes",),
        "res": ("masks",),
        "gres": ("masks",),
        "vqa": ("answer",),
    }
    looking = build_task("vqa", OPTIONS["vqa"] | {"mask_weight": 1.0, "loss": "soft_bce"})
    assert looking.labels == ("answers", "masks") and looking.truth == ("answers",)


def test_sentences_of_scenes_serve_their_tasks() -> None:
    assert tasks_for_scenes(["rec"]) == ("rec", "res")
    assert tasks_for_scenes(["vqa", "gres"]) == ("gres", "vqa") and tasks_for_scenes([]) == ()


def test_settings_are_complete_where_the_data_tell_nothing() -> None:
    def refuse() -> list[str]:
        raise AssertionError("the data were searched all the same")

    options = GroundingOptions()
    assert find_task("rec").complete(options, refuse) is options


def read_outputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {
        "rec": (2, 5, 2, 2),
        "res": (2, 1, 64, 64),
        "no_target": (2,),
        "no_target_attention": (2, 2, 2),
        "answer": (2, 2),
    }
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def make_batch() -> dict[str, object]:
    masks = torch.zeros(2, 64, 64, dtype=torch.bool)
    masks[0, 8:40, 8:40] = True
    return {
        "target_boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0], [0.0, 0.0, 20.0, 60.0]]),
        "target_masks": masks,
        "record_masks": [None, None],
        "frames": torch.tensor([[1.0, 1.0, 0.0, 0.0]] * 2),
        "sizes": torch.tensor([[64, 64]] * 2),
        "groups": ["even", "odd"],
        "ids": ["r0", "r1"],
        "answer": ["yes", "no"],
        "answers": [{"yes": 1.0}, {"no": 1.0}],
        "tasks": [("rec", "length"), ("length",)],
        "tokens": torch.tensor([[1, 2, 3], [1, 0, 0]]),
    }


# ---- a fifth task


class LengthOptions(TaskOptions):
    """The settings of `length`."""

    power: int = 2


class Error(GroupedSums):
    """The mean distance between numbers."""

    by_group = ("error",)

    def __init__(self) -> None:
        super().__init__(columns=2)

    def update(self, found: Tensor, wanted: Tensor, groups: list[str | None]) -> None:
        self.add_rows(torch.stack([torch.ones_like(found), (found - wanted).abs()], 1).double(), groups)

    def ratios(self, sums: Tensor) -> dict[str, Tensor]:
        return {"error": sums[..., 1] / sums[..., 0]}


class Length(Task[LengthOptions]):
    """Tells how many words a sentence has, by the classifier's head."""

    name = "length"
    Options = LengthOptions
    headline = ("error",)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("no_target",)

    @property
    def labels(self) -> tuple[str, ...]:
        return ()

    def loss(self, outputs, batch):
        wanted = (batch["tokens"] > 0).sum(1)
        return {"loss": ((outputs["no_target"] - wanted).abs() ** self.options.power).mean()}

    def decode(self, outputs, frames, sizes, *, top_k=1, min_score=0.0):
        return [Answer(answers=((str(round(number)), 1.0),)) for number in outputs["no_target"].tolist()]

    def metric(self) -> Error:
        return Error()

    def update(self, metric, answers, batch):
        found = torch.tensor([float(answer.answer) for answer in answers])
        metric.update(found, (batch["tokens"] > 0).sum(1), batch["groups"])

    def blind(self, train, records):
        return {"always one": {"error": sum(len(record.text.split()) - 1 for record in records) / len(records)}}


@pytest.fixture
def fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.TASKS, "length", Length)


SAID = {"no_target": torch.tensor([2.0, 1.25])}  # of sentences of 3 words and of 1


@pytest.mark.usefixtures("fifth")
def test_a_fifth_task_works_by_being_entered() -> None:
    task = together(build_tasks({"length": {"power": 1}}))
    assert isinstance(task, Length) and task.heads == ("no_target",) and task.serves(EXPRESSION)
    assert task.loss(SAID, make_batch())["loss"] == pytest.approx((1 + 0.25) / 2)
    metric = task.metric()
    answers = task.measure(metric, SAID, make_batch())
    assert [answer.answer for answer in answers] == ["2", "1"]
    assert {name: float(value) for name, value in metric.compute().items()} == {
        "error": 0.5,
        "error/even": 1.0,
        "error/odd": 0.0,
    }
    assert task.blind([], [EXPRESSION]) == {"always one": {"error": 2.0}}


@pytest.mark.usefixtures("fifth")
def test_the_settings_of_a_fifth_task_are_checked() -> None:
    with pytest.raises(ValueError, match=r"^tasks: unknown setting 'length\.pwer'; did you mean 'length\.power'\?$"):
        build_task("length", {"pwer": 1})
    with pytest.raises(ValueError, match=r"^unknown task 'lenght'; did you mean 'length'\?$"):
        build_task("lenght")


@pytest.mark.usefixtures("fifth")
def test_a_fifth_task_shares_a_network_with_others() -> None:
    task = together(build_tasks({"rec": {"no_target": "classifier"}, "length": {"weight": 3.0}}))
    assert isinstance(task, MultiTask) and task.name == "rec+length" and task.heads == ("rec", "no_target")
    batch, outputs = make_batch(), read_outputs() | SAID
    losses = task.loss(outputs, batch)
    assert losses["length/loss"] == pytest.approx((1 + 0.25**2) / 2)
    assert losses["loss"].item() == pytest.approx(losses["rec/loss"].item() + 3 * (1 + 0.25**2) / 2)
    metric = task.metric()
    first, second = task.measure(metric, outputs, batch)
    assert first.answer == "2" and first.no_target is True and second.answer == "1" and second.no_target is None
    values = metric.compute()
    assert values["length/error"] == 0.5
    assert values["mean"] == (values["rec/accuracy@0.5"] + values["length/error"]) / 2
