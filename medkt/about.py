"""What medkt says of itself, in one place."""

__version__ = "0.1.0"
NOT_A_MEDICAL_DEVICE = "For research use only. Not a medical device; not for diagnosis or treatment."
