"""What cameras, codecs and light do to a picture, at random: colour, blur, JPEG, loss of detail."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.data import Pixels

GREY_SHARE: Final = 0.12
RESATURATED_SHARE: Final = 0.38
RELIT_SHARE: Final = 0.8
COARSENED_SHARE: Final = 0.2
SOFTENED_SHARE: Final = 0.12
SHARPENED_SHARE: Final = 0.12
NOISY_SHARE: Final = 0.08
RECOMPRESSED_SHARE: Final = 0.15


def degraded(generator: np.random.Generator, pixels: Pixels) -> Pixels:
    """Return ``pixels`` (H x W x 3 uint8 BGR) in other light and quality, boxes unmoved."""
    draws = generator.random(6)
    if draws[0] < GREY_SHARE:
        grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        pixels = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    elif draws[0] < GREY_SHARE + RESATURATED_SHARE:
        pixels = _resaturated(generator, pixels)
    if draws[1] < RELIT_SHARE:
        pixels = _relit(generator, pixels)
    if draws[2] < COARSENED_SHARE:
        pixels = _coarsened(generator, pixels)
    if draws[3] < SOFTENED_SHARE:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), float(generator.uniform(0.4, 1.1))), np.uint8)
    elif draws[3] < SOFTENED_SHARE + SHARPENED_SHARE:
        pixels = _sharpened(generator, pixels)
    if draws[4] < NOISY_SHARE:
        noise = generator.normal(0, generator.uniform(2, 10), pixels.shape)
        pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    if draws[5] < RECOMPRESSED_SHARE:
        pixels = _recompressed(generator, pixels)
    return pixels


def _sharpened(generator: np.random.Generator, pixels: Pixels) -> Pixels:
    gain = float(generator.uniform(0.3, 1.0))
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(pixels, 1 + gain, soft, -gain, 0), np.uint8)


def _resaturated(generator: np.random.Generator, pixels: Pixels) -> Pixels:
    grey = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    strength = float(generator.uniform(0.3, 1.6))
    return np.asarray(cv2.addWeighted(pixels, strength, grey, 1 - strength, 0), np.uint8)


def _relit(generator: np.random.Generator, pixels: Pixels) -> Pixels:
    """Brightness, contrast, gamma and white balance in one look-up table."""
    levels = np.linspace(0, 1, 256)[:, None]
    gamma = np.exp(generator.normal(0, 0.25))
    contrast = generator.uniform(0.65, 1.35)
    brightness = generator.uniform(-0.15, 0.15)
    balance = np.exp(generator.normal(0, 0.06, 3))
    curve = ((levels**gamma - 0.5) * contrast + 0.5 + brightness) * balance
    table = np.clip(curve * 255, 0, 255).astype(np.uint8)[:, None, :]
    return np.asarray(cv2.LUT(pixels, table), np.uint8)


def _coarsened(generator: np.random.Generator, pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    share = float(generator.uniform(0.5, 0.95))
    small = cv2.resize(pixels, (int(width * share), int(height * share)), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _recompressed(generator: np.random.Generator, pixels: Pixels) -> Pixels:
    quality = int(generator.integers(30, 90))
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
