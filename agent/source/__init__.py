"""Stage 1: cameras and recordings become frames, the latest of which waits for the pipeline."""
