"""The heads: what the network says about a picture and a sentence."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.language.encoder import AttentivePooling, UnbiasedLayerNorm
from laconvnet.models.backbone import ConvNormAct
from laconvnet.ops.autocast import autocast_dtype
from laconvnet.ops.convolution import convolve


def _for_layer(layer: nn.Conv2d | nn.Linear, x: Tensor) -> Tensor:
    """x in the number format of a layer's weight, unless autocast chooses the format."""
    return x if autocast_dtype(x) else x.to(layer.weight.dtype)


class BoxHead(nn.Module):
    """Anchor-free box head on one map.

    Args:
        in_dim: channels of the map.
        dim: width of the head.
    """

    last = ("box", "objectness")
    """The layers whose numbers are pixels and logits; they stay in float32 where the rest is in half precision."""

    def __init__(self, in_dim: int, dim: int):
        super().__init__()
        self.stem = ConvNormAct(in_dim, dim)
        self.convs = nn.Sequential(ConvNormAct(dim, dim, 3), ConvNormAct(dim, dim, 3))
        self.box = nn.Conv2d(dim, 4, 1)
        self.objectness = nn.Conv2d(dim, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_dim, h, w) to (N, 5, h, w): offsets x, y and log sizes w, h in strides, objectness logit."""
        x = _for_layer(self.box, self.convs(self.stem(x)))
        return torch.cat([convolve(self.box, x), convolve(self.objectness, x)], 1)


class MaskHead(nn.Module):
    """Atrous spatial pyramid: the map seen at several dilations and as a whole, to one logit per pixel.

    Args:
        in_dim: channels of the stride-8 map.
        dim: width of each branch.
        dilations: of the 3x3 branches.
    """

    last = ("out",)

    def __init__(self, in_dim: int, dim: int, dilations: Sequence[int]):
        super().__init__()

        def conv(kernel_size: int, dilation: int = 1) -> ConvNormAct:
            return ConvNormAct(in_dim, dim, kernel_size, dilation=dilation, activation=nn.LeakyReLU(0.1))

        self.local = nn.ModuleList([conv(1), *(conv(3, dilation) for dilation in dilations)])
        self.whole = conv(1)
        self.out = nn.Conv2d(dim * (len(dilations) + 2), 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_dim, h, w) at stride 8 to logits (N, 1, 8h, 8w) in input pixels."""
        whole = self.whole(F.avg_pool2d(x, x.shape[2:])).expand(-1, -1, *x.shape[2:])
        seen = torch.cat([branch(x) for branch in self.local] + [whole], 1)
        logits = convolve(self.out, _for_layer(self.out, seen))
        return _enlarge(logits, 8)


def _enlarge(x: Tensor, factor: int) -> Tensor:
    """Bilinear interpolation of x (N, C, H, W) to (N, C, factor * H, factor * W), corners on corners.

    What is to be differentiated is multiplied by the matrices of the interpolation: the gradient is as fast then.
    """
    if not x.requires_grad or x.device.type == "meta":
        return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=True)
    with torch.autocast(x.device.type, enabled=False):
        x = x if x.dtype == torch.float64 else x.float()
        rows, columns = (
            F.interpolate(
                torch.eye(size, dtype=x.dtype, device=x.device)[None],
                size=factor * size,
                mode="linear",
                align_corners=True,
            )[0]
            for size in x.shape[2:]
        )
        return rows.t() @ x @ columns


class PooledHead(nn.Module):
    """Logits for the picture as a whole: picture and sentence attentively pooled, added, normalised, a perceptron.

    The paper only says "attentively pool, add, MLP" (Sec. 3.3). The layers are those of MCAN (Yu et al., 2019), which
    explain the parameters of the paper's Tab. 7.

    Args:
        image_dim: channels of the map.
        text_dim: width of a word feature.
        dim: width of what is pooled.
        hidden_dim: hidden width of the perceptron.
        out_dim: logits.
        dropout: probability, on the hidden layers.
    """

    last = ("pool_image", "pool_text", "norm", "perceptron")

    def __init__(self, image_dim: int, text_dim: int, *, dim: int, hidden_dim: int, out_dim: int, dropout: float):
        super().__init__()
        self.pool_image = AttentivePooling(image_dim, hidden_dim=image_dim, out_dim=dim, dropout=dropout)
        self.pool_text = AttentivePooling(text_dim, hidden_dim=text_dim, out_dim=dim, dropout=dropout)
        self.norm = UnbiasedLayerNorm(dim)
        self.perceptron = nn.Sequential(
            nn.Linear(dim, hidden_dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden_dim, out_dim)
        )

    def forward(self, x: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Look at a map under words.

        Args:
            x: (N, image_dim, h, w).
            words: (N, L, text_dim), or (1, L, text_dim) of one sentence for all pictures.
            mask: (N, L) or (1, L), True at padding.

        Returns:
            Logits (N, out_dim), and where it looked for them: (N, h, w), the logits of a softmax over positions.
        """
        positions = _for_layer(self.pool_image.merge, x.flatten(2).transpose(1, 2))
        scores = self.pool_image.scores(positions)
        pooled = self.pool_image.pool(positions, scores) + self.pool_text(words, mask)
        return self.perceptron(self.norm(pooled)), scores.view(x.shape[0], *x.shape[2:])
