"""A neighbour of the measured process that burns all of a core until it is killed."""

if __name__ == "__main__":
    while True:
        pass
