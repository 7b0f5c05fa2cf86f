"""ResNet-50 (He et al. 2016), the yardstick for a forward pass: written out here because torchvision is not needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from laconvnet.bench.cost import Cost, count
from laconvnet.bench.networks import Load, forward_pass

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


@dataclass(frozen=True)
class ResNet50:
    """ResNet-50 to measure; it reads no words."""

    load: Load
    name: str = "resnet50"

    @property
    def device(self) -> str:
        """Where it runs."""
        return self.load.device

    def build(self) -> Callable[[], object]:
        """Fresh weights and inputs; the function is one forward pass for inference."""
        torch.manual_seed(0)
        images, _ = self.load.inputs(2)
        return forward_pass(resnet50().eval().to(self.device), self.load, images)

    def cost(self) -> Cost:
        """What one picture costs, counted."""
        with torch.device("meta"):
            network, images = resnet50().eval(), torch.zeros(1, 3, self.load.size, self.load.size)
        return count(network, lambda: network(images))
