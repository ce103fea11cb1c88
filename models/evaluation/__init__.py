"""Scores of a bundle through the code of the device, and pages to look at."""
