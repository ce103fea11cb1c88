"""One loop for every network; a folder per task."""
