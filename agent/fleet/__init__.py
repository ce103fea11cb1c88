"""The other side of the broker: a live view of many devices, and many devices made up."""
