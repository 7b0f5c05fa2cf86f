"""From a picture file and a sentence to tensors, and from masks and boxes back to the pixels of the picture."""

from laconvnet.processing.masks import Box, decode_mask, encode_mask, mask_area, mask_box, resize_mask, union_mask
from laconvnet.processing.pictures import (
    ImageError,
    Picture,
    as_picture,
    image_size,
    is_picture,
    picture_format,
    read_image,
    save_picture,
    to_rgb,
)
from laconvnet.processing.processor import Inputs, Preprocess, Processor, pad_tokens, scale_pixels
from laconvnet.processing.resizing import Frame, Mask, ResizeMode, UInt8Array, resize_picture

__all__ = [
    "Box",
    "Frame",
    "ImageError",
    "Inputs",
    "Mask",
    "Picture",
    "Preprocess",
    "Processor",
    "ResizeMode",
    "UInt8Array",
    "as_picture",
    "decode_mask",
    "encode_mask",
    "image_size",
    "is_picture",
    "mask_area",
    "mask_box",
    "pad_tokens",
    "picture_format",
    "read_image",
    "resize_mask",
    "resize_picture",
    "save_picture",
    "scale_pixels",
    "to_rgb",
    "union_mask",
]
