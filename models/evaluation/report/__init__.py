"""One self-contained page to look at: scores, plots, and detections drawn on photos.

    networks + data ──► measure ──► plots, pictures ──► page ──► index.html

Plots need matplotlib (extra ``train``). The page shows photos that may not be passed on: it is for the
eyes of whoever has the data, and never part of a repository.
"""
