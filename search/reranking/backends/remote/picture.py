"""Pictures as they travel to a model's server: small JPEG files in base64."""

from __future__ import annotations

import base64
import io
import math

from PIL import Image

MAX_PIXELS = 512 * 512
"""One tile of GPT-4o, 256 to 400 tokens of the Qwen and Gemma families: more costs time and tells little about one
product."""

_JPEG_QUALITY = 90


def encoded(image: Image.Image, max_pixels: int = MAX_PIXELS) -> str:
    """The picture as JPEG in base64, downscaled to at most so many pixels; nothing but its pixels goes along."""
    pixels = image.convert("RGB")
    scale = math.sqrt(max_pixels / (pixels.width * pixels.height))
    if scale < 1.0:
        size = max(1, math.floor(pixels.width * scale)), max(1, math.floor(pixels.height * scale))
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    pixels.info.clear()  # comments, profiles, and where the photo was taken
    out = io.BytesIO()
    pixels.save(out, "JPEG", quality=_JPEG_QUALITY)
    return base64.b64encode(out.getvalue()).decode("ascii")
