"""ResNet-50 (He et al. 2016), the yardstick for a forward pass: written out here because torchvision is not needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from laconvnet.bench.cost import Cost, count
from laconvnet.bench.load import Load
from laconvnet.bench.networks import Contender, other_pass

_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # width of the 3x3 convolutions, blocks
_EXPANSION = 4


def _conv_norm(inputs: int, outputs: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel_size, stride, kernel_size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class _Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions beside a shortcut; the 3x3 one takes the stride."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = _EXPANSION * width
        self.path = nn.Sequential(
            _conv_norm(inputs, width, 1),
            nn.ReLU(inplace=True),
            _conv_norm(width, width, 3, stride),
            nn.ReLU(inplace=True),
            _conv_norm(width, outputs, 1),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else _conv_norm(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.path(x) + self.shortcut(x)
        return out.relu_()


def resnet50(classes: int = 1000) -> nn.Sequential:
    """The network with fresh weights: pictures (N, 3, H, W) to logits (N, classes)."""
    layers: list[nn.Module] = [_conv_norm(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for width, blocks in _STAGES:
        for block in range(blocks):
            layers.append(_Bottleneck(channels, width, 2 if block == 0 and width > 64 else 1))
            channels = _EXPANSION * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def resnet50_contender(load: Load) -> Contender:
    """ResNet-50 on the pictures of a load; it reads no words."""
    return Contender("resnet50", load, partial(_build, load), partial(_cost, load.size))


def _build(load: Load) -> Callable[[], object]:
    torch.manual_seed(0)
    return other_pass(resnet50(), load, load.inputs(2)[0])


def _cost(size: int) -> Cost:
    with torch.device("meta"):
        network, images = resnet50().eval(), torch.zeros(1, 3, size, size)
    return count(network, lambda: network(images))
