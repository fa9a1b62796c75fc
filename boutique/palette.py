"""The palette: the boutique's named colours as sRGB."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

RGB = tuple[float, float, float]
"""Red, green, blue in 0..1, sRGB encoded."""

COLOURS: Mapping[str, RGB] = MappingProxyType(
    {
        "black": (0.13, 0.13, 0.145),
        "white": (0.95, 0.945, 0.93),
        "grey": (0.56, 0.57, 0.585),
        "navy blue": (0.12, 0.17, 0.37),
        "blue": (0.17, 0.40, 0.80),
        "teal": (0.09, 0.53, 0.54),
        "red": (0.83, 0.14, 0.15),
        "maroon": (0.44, 0.08, 0.16),
        "pink": (0.95, 0.60, 0.70),
        "orange": (0.94, 0.48, 0.12),
        "yellow": (0.97, 0.80, 0.21),
        "green": (0.16, 0.55, 0.27),
        "olive": (0.44, 0.45, 0.22),
        "brown": (0.43, 0.27, 0.17),
        "beige": (0.85, 0.76, 0.61),
        "purple": (0.46, 0.25, 0.62),
    }
)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of sRGB in 0..1, shape (..., 3) in and out. Formulae: CIE 15 and IEC 61966-2-1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def nearest(rgb: RGB) -> str:
    """Name of the palette colour closest to ``rgb`` in L*a*b*."""
    names = list(COLOURS)
    gap = lab(np.array([COLOURS[name] for name in names])) - lab(np.array(rgb))
    return names[int(np.argmin((gap**2).sum(axis=1)))]


def luminance(rgb: RGB) -> float:
    """Perceived lightness in 0..1 (Rec. 601 luma)."""
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def blend(one: RGB, other: RGB, share: float) -> RGB:
    """``one`` moved towards ``other`` by ``share`` in 0..1."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return (red, green, blue)


def darker(rgb: RGB, share: float) -> RGB:
    """``rgb`` moved towards black by ``share`` in 0..1."""
    return blend(rgb, (0.05, 0.05, 0.06), share)


def lighter(rgb: RGB, share: float) -> RGB:
    """``rgb`` moved towards white by ``share`` in 0..1."""
    return blend(rgb, (1.0, 1.0, 1.0), share)
