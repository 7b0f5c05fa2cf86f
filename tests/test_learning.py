"""The smallest network learns a tiny world in a minute or two, and needs the sentence to be right in it."""

import torch
from torch import Tensor

from laconvnet import build_model
from laconvnet.metrics import box_iou
from laconvnet.tasks import build_task
from laconvnet.tasks.boxes import best_boxes

COLOURS = torch.tensor([[0.9, 0.15, 0.15], [0.15, 0.65, 0.25], [0.2, 0.3, 0.9], [0.9, 0.8, 0.15]])
SIDE, CELL = 64, 32


def draw_world(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Four squares, one of each colour and one in each quarter; the sentence is the colour of one of them.

    Returns:
        Pictures (N, 3, 64, 64), sentences (N, 1) and boxes (N, 4). Who cannot read finds one in four.
    """
    colours = torch.rand(count, 4, generator=generator).argsort(1)
    target = torch.randint(4, (count,), generator=generator)
    size = torch.randint(16, 27, (count, 4), generator=generator)
    free = (CELL - size)[..., None]
    corner = (torch.rand(count, 4, 2, generator=generator) * (free + 1)).long()
    corner += CELL * torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]])
    boxes = torch.cat([corner, corner + size[..., None]], 2)
    pixels = torch.arange(SIDE)
    inside = (pixels >= boxes[..., :2, None]) & (pixels < boxes[..., 2:, None])  # (N, 4, xy, SIDE)
    masks = inside[:, :, 1, :, None] & inside[:, :, 0, None, :]
    images = 0.8 + 0.02 * torch.randn(count, 3, SIDE, SIDE, generator=generator)
    for quarter in range(4):
        paint = COLOURS[colours[:, quarter]][:, :, None, None]
        images = torch.where(masks[:, quarter, None], paint, images)
    rows = torch.arange(count)
    return images, 1 + colours[rows, target][:, None], boxes[rows, target].float()


def accuracy(model: torch.nn.Module, images: Tensor, tokens: Tensor, targets: Tensor) -> float:
    with torch.inference_mode():
        boxes, _ = best_boxes(model.eval()(images, tokens)["rec"], stride=32)
    return float((box_iou(boxes[:, 0], targets) > 0.5).float().mean())


def test_learns_a_tiny_world_and_needs_the_sentence():
    """When it grasps the sentence is a matter of chance, after 200 steps or 400; that it does is not."""
    generator, task = torch.Generator().manual_seed(0), build_task("rec", {"assignment": "nearest", "l1_weight": 1.0})
    torch.manual_seed(0)
    still = {"kernel_dropout": 0.0, "block": {"attention_dropout": 0.0}}
    model = build_model("n", vocabulary=range(5), backbone=still, language={"dropout": 0.0, "num_layers": 0})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.03, total_iters=30)
    unseen = draw_world(400, torch.Generator().manual_seed(1))
    for step in range(1, 1001):
        images, tokens, boxes = draw_world(32, generator)
        loss = task.loss(model.train()(images, tokens), {"target_boxes": boxes})["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        warmup.step()
        if step % 100 == 0 and accuracy(model, *unseen) > 0.6:
            break
    images, tokens, boxes = unseen
    assert accuracy(model, images, tokens, boxes) > 0.6
    assert accuracy(model, images, tokens[torch.randperm(len(tokens))], boxes) < 0.4
