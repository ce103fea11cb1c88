"""A camera in a process of its own: a driver that hangs hangs alone."""
