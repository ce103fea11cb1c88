"""A connection to the broker that is kept alive. It knows no windows."""
