"""The columns of a result table of classes."""

from medkt.tasks.base import Column

COLUMNS = (
    Column(name="concept", kind="text", meaning="the concept that stands for the image's own class; a row a case"),
    Column(name="class_name", kind="text", meaning="the image's own class, as the manifest calls it"),
    Column(name="predicted", kind="text", meaning="the class with the highest share; empty where nothing was claimed"),
    Column(name="hit", kind="yes or no", meaning="whether that is the image's own; a tie is no hit"),
    Column(name="rank", kind="whole", meaning="how many classes have a share as high as the image's own; 1 is best"),
    Column(name="no_claim", kind="text", meaning="why nothing was claimed, by code"),
    Column(name="probability_{concept}", kind="number", meaning="share of a class in the softmax, 0 to 1"),
    Column(name="cosine_{concept}", kind="number", meaning="of the image and the words of a class"),
    Column(name="domain", kind="text", meaning="the modality as it was read"),
    Column(name="planes_scored", kind="whole", meaning="planes of the study that were looked at"),
    Column(name="input_digest", kind="text", meaning="of the voxels and their place"),
    Column(name="incomplete", kind="whole", meaning="files of the study that are missing"),
    Column(name="warnings", kind="whole", meaning="how many the study has"),
    Column(name="words_notes", kind="text", meaning="what is to be known of the words of any class, by code"),
)
