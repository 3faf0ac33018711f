"""One of each that a package can add to medkt."""
