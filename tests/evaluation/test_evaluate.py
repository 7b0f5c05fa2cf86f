"""Evaluation: every sample once, the network left as it was."""

import pytest
import torch
from fresh import fresh_checkpoint

from laconvnet.data import Collator, FolderDataset, ImageBatchSampler, build_loader
from laconvnet.evaluation import EvaluationStopped, evaluate, learned_task


@pytest.fixture(scope="module")
def parts(folder):
    """A network of boxes in training mode, its task, and 12 sentences about 4 scenes in batches of at most 5."""
    checkpoint = fresh_checkpoint()
    task = learned_task(checkpoint, "rec")
    dataset = FolderDataset(folder / "rec", "test", size=64, tasks=[task])
    sampler = ImageBatchSampler(dataset, 5, shuffle=False)
    return checkpoint.network, build_loader(dataset, sampler, Collator(checkpoint.processor.encode)), task


def test_every_sample_is_measured_once_and_the_mode_stays(parts):
    model, loader, task = parts
    said, values = [], []
    for mode in (True, False):
        model.train(mode)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        values.append(evaluate(model, loader, task, "cpu", on_answers=said.extend))
        assert model.training is mode
        assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert len(said) == 2 * len(loader.dataset)
    assert [answer.box for answer in said[:12]] == [answer.box for answer in said[12:]]  # no dropout
    assert values[0] == pytest.approx(values[1], nan_ok=True)
    groups = {record.group for record in loader.dataset.records}
    assert set(values[0]) >= {"mean_iou", "accuracy@0.5", *(f"accuracy@0.5/{group}" for group in groups)}
    assert all(type(value) is float for value in values[0].values())


def test_a_metric_may_be_given_and_keeps_what_it_counted(parts):
    model, loader, task = parts
    metric = task.metric()
    metric.rows = []
    values = evaluate(model, loader, task, "cpu", metric=metric)
    assert (
        len(torch.cat(metric.rows)) == len(loader.dataset) and float(metric.compute()["mean_iou"]) == values["mean_iou"]
    )


def test_it_can_be_stopped(parts):
    model, loader, task = parts
    asked, said = iter([False, True]), []
    model.train()
    with pytest.raises(EvaluationStopped):
        evaluate(model, loader, task, "cpu", on_answers=said.extend, should_stop=lambda: next(asked))
    assert model.training and 0 < len(said) < len(loader.dataset)
