"""The task of telling apart: which of some classes each image is of, by their words."""
