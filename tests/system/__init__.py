"""Promises of the installed product as a whole."""
