"""One module per way to get a frame. Each loads its camera library only when it is opened."""
