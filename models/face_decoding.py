"""Boxes from the raw maps."""
from __future__ import annotations

import cv2
import numpy as np

from models.yolo import STRIDES


def decode_maps(maps, min_score=0.02, iou=0.5, limit=300):
    boxes, scores = [], []
    for m, s in zip(maps, STRIDES, strict=True):
        lg = m[0]
        r, c = np.nonzero(lg > np.log(min_score / (1 - min_score)))
        d = np.maximum(m[1:, r, c], 0) * s
        cx, cy = (c + 0.5) * s, (r + 0.5) * s
        boxes.append(np.stack((cx - d[0], cy - d[1], cx + d[2], cy + d[3]), 1))
        scores.append(1 / (1 + np.exp(-lg[r, c])))
    b, sc = np.concatenate(boxes).astype(np.float32), np.concatenate(scores).astype(np.float32)
    xywh = np.concatenate((b[:, :2], b[:, 2:] - b[:, :2]), 1)
    keep = np.asarray(cv2.dnn.NMSBoxes(xywh.tolist(), sc.tolist(), min_score, iou, top_k=1000), np.int64).reshape(-1)[:limit]
    return b[keep], sc[keep]
