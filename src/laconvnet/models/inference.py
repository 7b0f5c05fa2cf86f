"""The network made ready for predicting: the same answers with less work."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from laconvnet.layers import LaConvBlock, PointwiseSiLU, PreparedBlock, PreparedSiLU
from laconvnet.models.backbone import Stage
from laconvnet.models.network import LaConvNet, Reading

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def named_dtype(name: str) -> torch.dtype:
    """The number format of a name.

    Raises:
        ValueError: the network does not compute in it; the message lists those in which it does.
    """
    if name not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {name!r}")
    return DTYPES[name]


def named_device(name: str | torch.device) -> torch.device:
    """The device of a name: cpu, cuda, cuda:1, mps.

    Raises:
        ValueError: there is no such device, or not on this machine.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device must be cpu, cuda, cuda:N or mps, got {name!r}") from None
    present = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}.get(device.type)
    if present is not None and (device.index or 0) >= present:
        raise ValueError(
            f"device {str(device)!r} is not here: torch {torch.__version__} sees {present} of its kind; "
            "`laconvnet doctor` says what there is"
        )
    return device


def _simplify(sequence: nn.Sequential) -> None:
    """Fold each BatchNorm into the convolution before it, and let activations overwrite what only they read."""
    layers = [*sequence, None]
    for index, (before, norm, after) in enumerate(zip(layers, layers[1:], layers[2:], strict=False)):
        if isinstance(before, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            sequence[index + 1] = nn.Identity()
            if _is_pointwise(before) and isinstance(after, nn.SiLU):
                sequence[index], sequence[index + 2] = PointwiseSiLU(before, norm), nn.Identity()
            else:
                sequence[index] = fuse_conv_bn_eval(before, norm)
    for index, module in enumerate(sequence):
        if isinstance(module, nn.SiLU):
            sequence[index] = PreparedSiLU()
        elif isinstance(module, nn.LeakyReLU):
            module.inplace = True


def _is_pointwise(conv: nn.Conv2d) -> bool:
    return (conv.kernel_size, conv.stride, conv.groups) == ((1, 1), (1, 1), 1)


def prepare_for_inference(model: LaConvNet, *, dtype: torch.dtype = torch.float32) -> LaConvNet:
    """Make a copy that only predicts: norms folded, what follows a product in one pass, in half precision if wanted.

    In half precision, sentences are encoded and boxes and logits are given in float32 all the same, and so are norms
    applied where `laconvnet.ops.native` runs.

    Args:
        model: the network; it stays as it is.
        dtype: of convolutions, matrix products and feature maps: float32, bfloat16 or float16.

    Returns:
        The copy, in evaluation mode, on the device of the model.

    Raises:
        TypeError: the model is no `LaConvNet`, but for example one that `torch.compile` or a wrapper made of it.
        ValueError: another dtype.
    """
    if not isinstance(model, LaConvNet):
        raise TypeError(f"only a LaConvNet can be made ready for predicting, not {type(model).__name__}")
    if dtype not in DTYPES.values():
        raise ValueError(f"dtype is {dtype}; allowed: {', '.join(map(str, DTYPES.values()))}")
    prepared = copy.deepcopy(model).eval()
    prepared.set_grad_checkpointing(False)
    for stage in prepared.backbone.stages:
        blocks = cast(Stage, stage).blocks
        for index, block in enumerate(blocks):
            if isinstance(block, LaConvBlock):
                blocks[index] = PreparedBlock(block)
    for module in prepared.modules():
        if isinstance(module, nn.Sequential):
            _simplify(module)
    exact = ["text."]
    exact += [f"heads.{name}.{layer}." for name, head in prepared.heads.items() for layer in cast(Any, head).last]
    for name, module in prepared.named_modules():
        if not f"{name}.".startswith(tuple(exact)):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)
    return prepared.requires_grad_(False)


Look = Callable[[Tensor, Reading], dict[str, Tensor]]


def compile_look(model: LaConvNet, **options: Any) -> Look:
    """What `torch.compile` makes of `model.look`, without a graph break.

    The first call of a picture size takes a minute or so, the first of another number of pictures or words again;
    from then on these numbers are free.

    Args:
        model: a network, prepared or not; keep it as it is while the function is in use.
        **options: of `torch.compile`, such as ``mode="reduce-overhead"`` for CUDA graphs.

    Returns:
        A function like `model.look`.
    """
    return torch.compile(model.look, fullgraph=True, **options)
