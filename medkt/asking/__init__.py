"""Asking well, without learning: how the words of a finding are put to a model, and from which lead on it is seen. No weight is changed here."""

from medkt.asking.bias import bias_of, settled
from medkt.asking.ways import WAYS, BankWay, Way, way_called
from medkt.asking.words import AskingWords
from medkt.saliency.directions import Directions, leads

__all__ = ["WAYS", "AskingWords", "BankWay", "Directions", "Way", "bias_of", "leads", "settled", "way_called"]
