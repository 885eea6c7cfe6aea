"""From encoded image bytes to the pixels the model sees.

Training and service both import this package and nothing else shares code between them, so an
image can't be prepared in one way for training and in another for serving.
"""

from imaging.decode import (
    CHANNELS,
    IMAGE_SHAPE,
    SIDE,
    ImageError,
    ImageTooLarge,
    decode_counting,
    decode_image,
)

__all__ = [
    "CHANNELS",
    "IMAGE_SHAPE",
    "SIDE",
    "ImageError",
    "ImageTooLarge",
    "decode_counting",
    "decode_image",
]
