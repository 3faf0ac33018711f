"""The bank of rivals: what the description would be of if it were of something else.

A finding is named among known findings, and a stranger that is none of them takes the name that is left. So the description
has to beat itself, too, with one word of shape, brightness or texture replaced: a stranger fits one of these as well.
"""

from collections.abc import Collection

from medkt.domains import Domain
from medkt.phantom.finding import DOMAINS
from medkt.phantom.reading import TELLING, read, replaced


def one_word_replaced(text: str, domain: Domain, attributes: Collection[str] = TELLING) -> tuple[str, ...]:
    """The text with the first word of each of shape, brightness and texture replaced by each other one that a lesion can have.

    Args:
        text: a description.
        domain: whose words are read.
        attributes: whose words are replaced, where it is not those three.

    Returns:
        Each text once; () where the text says none of them.
    """
    name = next((one for one in DOMAINS if one == domain.name), None)
    found = () if name is None else replaced(read(text, name), attributes=attributes)
    return tuple(dict.fromkeys(one for one in found if one != text))
