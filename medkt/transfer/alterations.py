"""A caption with one of its attributes altered: what the finding would be called if it looked otherwise."""

from functools import partial

import numpy as np

from medkt.examine.looks import told_apart
from medkt.phantom.finding import DomainName
from medkt.phantom.reading import read, replaced


def altered_captions(text: str, domain: DomainName) -> tuple[str, ...]:
    """The caption once for each other value of its shape, brightness or texture that a picture tells from its own.

    Empty where it says none of them in words that can be drawn.
    """
    return replaced(read(text, domain), partial(told_apart, domain))


def some_altered(text: str, domain: DomainName, most: int, seed: int) -> tuple[str, ...]:
    """At most so many of them, drawn without replacement, in their order."""
    every = altered_captions(text, domain)
    if len(every) <= most:
        return every
    picked = np.random.default_rng((seed, 13)).choice(len(every), size=most, replace=False)
    return tuple(every[index] for index in sorted(picked))
