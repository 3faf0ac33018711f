"""The whole line: a study and words in, masks out. Each step is one call and can be made by itself.

    image    = medkt.read_image("case_007/")
    concept  = medkt.load_concept("cxr_nodule")
    encoder  = medkt.load_encoder("small")
    saliency = medkt.explain(encoder, image, concept)
    prompts  = medkt.prompts_from(saliency)
    mask     = medkt.mask_from(medkt.load_segmenter("small"), image, prompts, concept=concept)

or all of it, with the presence decision and several concepts at once: `medkt.segment("case_007/", concepts=["cxr_nodule"])`.
"""

from medkt.facts import EncoderFacts, ModelFacts
from medkt.pipeline.classification import Classification, ConceptScore, classify
from medkt.pipeline.load import load_segmenter, resolve_device, take_threads_of_worker
from medkt.pipeline.look import PlaneSelection, View, look_at
from medkt.pipeline.result import FindingResult, StudyResult, score_finding
from medkt.pipeline.run import Pipeline
from medkt.pipeline.steps import explain, mask_from, prompts_from
from medkt.pipeline.study import Study, StudyRules, settled, study_of
from medkt.pipeline.words import asked_of, concept_in, concept_or_name, wanted_in
from medkt.progress import Progress

__all__ = [
    "Classification",
    "ConceptScore",
    "EncoderFacts",
    "FindingResult",
    "ModelFacts",
    "Pipeline",
    "PlaneSelection",
    "Progress",
    "Study",
    "StudyResult",
    "StudyRules",
    "View",
    "asked_of",
    "classify",
    "concept_in",
    "concept_or_name",
    "explain",
    "load_segmenter",
    "look_at",
    "mask_from",
    "prompts_from",
    "resolve_device",
    "score_finding",
    "settled",
    "study_of",
    "take_threads_of_worker",
    "wanted_in",
]
