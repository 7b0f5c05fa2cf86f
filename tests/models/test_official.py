"""The authors' network: their keys, and what it computed on recorded inputs.

The recordings are outputs of the published network for weights and inputs that `fill` and `inputs` make, so no weights
are stored. BatchNorm statistics come from one training-mode pass over the inputs with momentum 1.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from laconvnet.models import Checkpoint, load_official, resolve_config
from laconvnet.models.network import skeleton
from laconvnet.models.official import convert_official_keys, import_official
from laconvnet.ops import use_backend
from laconvnet.tasks import build_task
from laconvnet.tasks.boxes import best_boxes
from laconvnet.tasks.losses import mask_loss

RECORDINGS = Path(__file__).parent / "recordings"


def fill(key, shape):
    """The weights behind the recordings: from the CRC-32 of their key."""
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, "int64")
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("running_mean"):
        return (0.1 * rng.standard_normal(shape)).astype("f4")
    if key.endswith("running_var"):
        return (1 + 0.2 * rng.random(shape)).astype("f4")
    if len(shape) == 1:
        noise = 0.1 * rng.standard_normal(shape)
        return ((1 + noise) if key.endswith("weight") else noise).astype("f4")
    if "embedding" in key:
        return (0.4 * rng.standard_normal(shape)).astype("f4")
    gain = 0.3 if "_preds" in key else 1.0
    return (gain * rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype("f4")


def inputs():
    rng = np.random.default_rng(7)
    images = rng.random((2, 3, 128, 128), dtype=np.float32)
    tokens = np.zeros((2, 15), "int64")
    for row, length in enumerate((3, 7)):
        tokens[row, :length] = rng.integers(3, 1000, length)
    return torch.from_numpy(images), torch.from_numpy(tokens)


BOXES = torch.tensor([[0.25, 0.3, 0.55, 0.7], [0.35, 0.3, 0.85, 0.5]]) * 128


def masks():
    target = torch.zeros(2, 1, 128, 128)
    target[0, 0, 30:70, 40:90] = 1
    target[1, 0, 60:100, 10:60] = 1
    return target


def state_dict(task):
    rows = (line.split("\t") for line in (RECORDINGS / f"s_{task}_keys.txt").read_text().splitlines())
    shapes = {
        key: tuple(json.loads(shape.translate(str.maketrans("()", "[]")).replace(",]", "]"))) for key, shape, _ in rows
    }
    return {key: torch.from_numpy(np.asarray(fill(key, shape))) for key, shape in shapes.items()}


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
        for name in ("dropout", "kernel_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return model


def load(task):
    model = without_dropout(load_official(state_dict(task), variant="s", task=task))
    with torch.no_grad():
        model.train()(*inputs())
    return model.eval()


def relative(ours, theirs):
    ours, theirs = np.asarray(ours, "f8"), np.asarray(theirs, "f8")
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


@pytest.fixture(scope="module", params=["rec", "res"])
def case(request):
    task = request.param
    torch.manual_seed(0)
    return task, load(task), np.load(RECORDINGS / f"s_{task}_128.npz")


def test_text_backbone_and_neck(case):
    _, model, recorded = case
    images, tokens = inputs()
    with torch.no_grad():
        reading, (_, _, pooled) = model.read(tokens), model.text(tokens)
        features = model.backbone(images, reading.memories)
        pyramid = model.neck(*(features[stride] for stride in (8, 16, 32)))
    sentence = reading.sentence
    assert (sentence.mask.numpy() == recorded["lang_mask"][:, 0, 0]).all()
    found = {"lang_feat": sentence.words, "flat_lang_feat": pooled}
    for prefix, maps in (("feat", features.values()), ("fpn", pyramid)):
        for index, feature in enumerate(maps):
            found[f"{prefix}{index}_slice"] = feature[:, :8, :4, :4]
            found[f"{prefix}{index}_mean_std"] = torch.stack([feature.mean(), feature.std()])
    errors = {name: relative(value, recorded[name]) for name, value in found.items()}
    assert all(error < 1e-3 for error in errors.values()), errors


def test_heads(case):
    task, model, recorded = case
    with torch.no_grad(), use_backend("reference"):
        out = model(*inputs())[task]
    if task == "rec":
        boxes, scores = best_boxes(out, 32)
        assert relative(out, recorded["head_raw"]) < 1e-3
        assert relative(torch.cat([boxes[:, 0], scores], 1), recorded["box"]) < 1e-3
    else:
        # Recorded in float16. The branch that sees the whole map normalises two numbers by their difference, which
        # enlarges rounding: the recording itself is 1.0e-3 from the same network in float64.
        assert relative(out, recorded["mask_logits"]) < 2.5e-3
        assert ((out[:, 0] > 0).numpy() != recorded["mask"].astype(bool)).mean() < 5e-3


def test_losses_and_gradient_norms(case):
    task, model, recorded = case
    model.train().requires_grad_(True)
    model.zero_grad()
    outputs = model(*inputs())
    if task == "rec":
        loss = build_task("rec").loss(outputs, {"target_boxes": BOXES})["loss"]
    else:
        loss = 2 * mask_loss(outputs["res"], masks())  # the authors' loss grows with the batch size
    loss.backward()
    assert relative(loss.detach(), recorded["train_loss"]) < 1e-3
    theirs = {name.removeprefix("gradnorm:"): float(recorded[name]) for name in recorded.files if "gradnorm" in name}
    ours = official_gradients(model, theirs)
    # A key's bias moves all scores of a softmax alike: its true gradient is 0, and 1e-6 is rounding.
    errors = {key: abs(ours[key] - norm) / norm for key, norm in theirs.items() if not key.endswith("linear_k.bias")}
    # The same enlarged rounding: a change of the input by 1e-7 moves the mask head's gradients by 4e-3.
    tolerance = 1e-3 if task == "rec" else 1.5e-2
    assert len(errors) == 25 and all(error < tolerance for error in errors.values()), errors


def official_gradients(model, keys):
    """Gradient norms by the authors' keys: number the parameters, convert the numbers, and look them up."""
    numbers = {name: torch.full_like(p, i) for i, (name, p) in enumerate(model.named_parameters())}
    task = model.config.heads[0]
    wanted = {key: torch.full(value.shape, -1.0) for key, value in state_dict(task).items()}
    norms = {}
    parameters = dict(model.named_parameters())
    for key in keys:
        marked = {**wanted, key: torch.full(wanted[key].shape, 1.0)}
        (name,) = [n for n, v in convert_official_keys(model, marked).items() if v.numel() and (v == 1).all()]
        assert name in numbers
        norms[key] = parameters[name].grad.norm().item()
    return norms


@pytest.mark.parametrize("variant", ["s", "b"])
@pytest.mark.parametrize("task", ["rec", "res"])
def test_every_weight_of_every_variant_has_an_official_name(variant, task):
    """Their names for variant b follow from those of s: more blocks, numbered on."""
    s_keys = list(state_dict(task))
    model = skeleton(resolve_config(variant, heads=(task,), vocabulary_size=1000))
    extra = {0: 1, 1: 2, 2: 2, 3: 2, 4: 2} if variant == "b" else {}
    shapes = {key: None for key in s_keys}
    for stage, more in extra.items():
        last = max(int(key.split(".")[3]) for key in s_keys if key.startswith(f"visual_encoder.blocks.{stage}."))
        for number in range(last + 1, last + 1 + more):
            old = f"visual_encoder.blocks.{stage}.{last}."
            shapes |= {
                key.replace(old, f"visual_encoder.blocks.{stage}.{number}."): None for key in s_keys if old in key
            }
    expected = model.state_dict()
    assert len(shapes) == len(expected)
    with pytest.raises(ValueError, match="shapes differ") as error:
        convert_official_keys(model, {key: torch.zeros(7, 7, 7) for key in shapes})
    assert "no place" not in str(error.value) and "not in the file" not in str(error.value)


def test_wrapper_and_outer_dictionary_are_taken_off():
    state = state_dict("rec")
    wrapped = {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}, "lr": 1e-4}
    one, other = load_official(state), load_official(wrapped)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s | {"head.cls.weight": torch.zeros(1)}, r"1 keys have no place in it: head.cls \(1\)"),
        (
            lambda s: {k: v for k, v in s.items() if "reg_preds" not in k},
            r"2 of its weights are not in the file: heads.rec.box",
        ),
        (
            lambda s: s | {"head.obj_preds.0.bias": torch.zeros(3)},
            r"heads.rec.objectness.bias is \(3,\), expected \(1,\)",
        ),
        (lambda s: [s], "expected a dictionary, got list"),
        (lambda s: {"weights": "none"}, "not a checkpoint of the authors"),
        (lambda s: {"a": torch.zeros(1)}, "lang_encoder.embedding.weight is missing"),
    ],
)
def test_wrong_files_are_described(change, message):
    with pytest.raises(ValueError, match=message):
        load_official(change(state_dict("rec")))


def test_a_checkpoint_of_another_task_or_variant_is_refused():
    with pytest.raises(ValueError, match=r"variant 's' for 'res'.*detection_neck|mask_path"):
        load_official(state_dict("rec"), task="res")
    with pytest.raises(ValueError, match=r"variant 'b' for 'rec'.*not in the file"):
        load_official(state_dict("rec"), variant="b")
    with pytest.raises(ValueError, match="variant is 'l'; allowed: s, b"):
        load_official(state_dict("rec"), variant="l")


def annotations(folder, words):
    path = folder / "anns.json"
    path.write_text(
        json.dumps({"train": [{"refs": [" ".join(words[:600])]}], "val": [{"refs": [" ".join(words[500:])]}]})
    )
    return path


def test_import_writes_a_checkpoint_folder(tmp_path):
    words = [f"w{i}" for i in range(997)]
    torch.save({"state_dict": state_dict("rec")}, tmp_path / "det_best.pth")
    import_official(tmp_path / "det_best.pth", annotations(tmp_path, words), tmp_path / "out", variant="s", task="rec")
    checkpoint = Checkpoint.load(tmp_path / "out")
    model, preprocess = checkpoint.network, checkpoint.processor.preprocess
    assert checkpoint.tasks == {"rec": {}} and "det_best.pth" in checkpoint.card
    assert checkpoint.processor.tokenizer.encode("w0 w996 nowhere") == [3, 999, 1]
    assert (preprocess.size, preprocess.resize, preprocess.max_length) == (416, "letterbox", 15)
    assert model.config.preset == "s" and not model.training


def test_import_refuses_the_words_of_another_dataset(tmp_path):
    torch.save(state_dict("rec"), tmp_path / "det_best.pth")
    with pytest.raises(ValueError, match=r"holds 13 words.*the checkpoint 1000"):
        import_official(tmp_path / "det_best.pth", annotations(tmp_path, list("abcdefghij")), tmp_path / "out")
    (tmp_path / "broken.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="no PyTorch file of tensors"):
        import_official(tmp_path / "broken.pth", annotations(tmp_path, ["a"]), tmp_path / "out")
