"""medkt: teach a vision-language model a pathology from its description, and segment it on radiology studies.

The names below, in the order of the data's way, are the public surface; each is loaded when it is first used, so that
`import medkt` stays light. For research use only: medkt is not a medical device.
"""

from typing import TYPE_CHECKING

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.lazy import names_of

_WHERE = {
    "read_image": "medkt.io",
    "load_concept": "medkt.concepts",
    "concept_from_text": "medkt.concepts",
    "load_encoder": "medkt.models.registry",
    "load_segmenter": "medkt.pipeline",
    "explain": "medkt.pipeline",
    "prompts_from": "medkt.pipeline",
    "mask_from": "medkt.pipeline",
    "segment": "medkt.calibration",
    "classify": "medkt.pipeline",
    "View": "medkt.pipeline",
    "Pipeline": "medkt.pipeline",
    "StudyResult": "medkt.pipeline",
    "learn": "medkt.learning",
    "read_package": "medkt.concepts",
    "evaluate_case": "medkt.metrics",
    "segment_studies": "medkt.requests.segment",
    "SegmentRequest": "medkt.requests.segment",
    "explain_study": "medkt.requests.explain",
    "ExplainRequest": "medkt.requests.explain",
    "classify_studies": "medkt.requests.classify",
    "ClassifyRequest": "medkt.requests.classify",
    "learn_concept": "medkt.requests.learn",
    "LearnRequest": "medkt.requests.learn",
    "invert_concepts": "medkt.requests.invert",
    "InvertRequest": "medkt.requests.invert",
    "batch": "medkt.requests.batch",
    "BatchRequest": "medkt.requests.batch",
    "batch_status": "medkt.requests.batch_actions",
    "batch_retry": "medkt.requests.batch_actions",
    "batch_merge": "medkt.requests.batch_actions",
    "batch_verify": "medkt.requests.batch_actions",
    "StatusRequest": "medkt.requests.batch_actions",
    "RetryRequest": "medkt.requests.batch_actions",
    "MergeRequest": "medkt.requests.batch_actions",
    "VerifyRequest": "medkt.requests.batch_actions",
    "evaluate": "medkt.requests.evaluate",
    "EvaluateRequest": "medkt.requests.evaluate_request",
    "compare": "medkt.requests.compare",
    "CompareRequest": "medkt.requests.compare",
    "write_report": "medkt.requests.report",
    "ReportRequest": "medkt.requests.report",
    "calibrate": "medkt.requests.calibrate",
    "CalibrateRequest": "medkt.requests.calibrate",
    "find_concepts": "medkt.requests.concepts",
    "ConceptsRequest": "medkt.requests.concepts",
    "concept_new": "medkt.requests.concept_words",
    "ConceptNewRequest": "medkt.requests.concept_words",
    "concept_lint": "medkt.requests.concept_words",
    "ConceptLintRequest": "medkt.requests.concept_words",
    "concept_list": "medkt.requests.concepts",
    "ConceptListRequest": "medkt.requests.concepts",
    "concept_show": "medkt.requests.concepts",
    "ConceptShowRequest": "medkt.requests.concepts",
    "concept_verify": "medkt.requests.concept_packages",
    "ConceptVerifyRequest": "medkt.requests.concept_packages",
    "concept_sign": "medkt.requests.concept_packages",
    "ConceptSignRequest": "medkt.requests.concept_packages",
    "concept_compose": "medkt.requests.concept_packages",
    "ConceptComposeRequest": "medkt.requests.concept_packages",
    "query": "medkt.requests.query",
    "QueryRequest": "medkt.requests.query",
    "models_list": "medkt.requests.model_cards",
    "models_pull": "medkt.requests.model_store",
    "ModelsPullRequest": "medkt.requests.model_store",
    "models_verify": "medkt.requests.model_store",
    "ModelsVerifyRequest": "medkt.requests.model_store",
    "models_import": "medkt.requests.model_store",
    "ModelsImportRequest": "medkt.requests.model_store",
    "models_export": "medkt.requests.model_store",
    "ModelsExportRequest": "medkt.requests.model_store",
    "models_path": "medkt.requests.model_cards",
    "ModelsPathRequest": "medkt.requests.model_cards",
    "models_show": "medkt.requests.model_cards",
    "ModelsShowRequest": "medkt.requests.model_cards",
    "models_examine": "medkt.requests.examination",
    "ModelsExamineRequest": "medkt.requests.examination",
    "write_phantom": "medkt.requests.phantom",
    "PhantomRequest": "medkt.requests.phantom",
    "list_phantoms": "medkt.requests.phantom",
    "check_installation": "medkt.requests.installation",
    "list_syntaxes": "medkt.requests.installation",
    "Listener": "medkt.requests.listener",
    "Geometry": "medkt.spatial",
    "Image": "medkt.spatial",
    "SaliencyMap": "medkt.spatial",
    "Mask": "medkt.spatial",
    "MedktError": "medkt.errors",
}

__all__ = ["NOT_A_MEDICAL_DEVICE", "__version__", *_WHERE]

if TYPE_CHECKING:
    from medkt.calibration import segment as segment
    from medkt.concepts import concept_from_text as concept_from_text
    from medkt.concepts import load_concept as load_concept
    from medkt.concepts import read_package as read_package
    from medkt.errors import MedktError as MedktError
    from medkt.io import read_image as read_image
    from medkt.learning import learn as learn
    from medkt.metrics import evaluate_case as evaluate_case
    from medkt.models.registry import load_encoder as load_encoder
    from medkt.pipeline import Pipeline as Pipeline
    from medkt.pipeline import StudyResult as StudyResult
    from medkt.pipeline import View as View
    from medkt.pipeline import classify as classify
    from medkt.pipeline import explain as explain
    from medkt.pipeline import load_segmenter as load_segmenter
    from medkt.pipeline import mask_from as mask_from
    from medkt.pipeline import prompts_from as prompts_from
    from medkt.requests.batch import BatchRequest as BatchRequest
    from medkt.requests.batch import batch as batch
    from medkt.requests.batch_actions import MergeRequest as MergeRequest
    from medkt.requests.batch_actions import RetryRequest as RetryRequest
    from medkt.requests.batch_actions import StatusRequest as StatusRequest
    from medkt.requests.batch_actions import VerifyRequest as VerifyRequest
    from medkt.requests.batch_actions import batch_merge as batch_merge
    from medkt.requests.batch_actions import batch_retry as batch_retry
    from medkt.requests.batch_actions import batch_status as batch_status
    from medkt.requests.batch_actions import batch_verify as batch_verify
    from medkt.requests.calibrate import CalibrateRequest as CalibrateRequest
    from medkt.requests.calibrate import calibrate as calibrate
    from medkt.requests.classify import ClassifyRequest as ClassifyRequest
    from medkt.requests.classify import classify_studies as classify_studies
    from medkt.requests.compare import CompareRequest as CompareRequest
    from medkt.requests.compare import compare as compare
    from medkt.requests.concept_packages import ConceptComposeRequest as ConceptComposeRequest
    from medkt.requests.concept_packages import ConceptSignRequest as ConceptSignRequest
    from medkt.requests.concept_packages import ConceptVerifyRequest as ConceptVerifyRequest
    from medkt.requests.concept_packages import concept_compose as concept_compose
    from medkt.requests.concept_packages import concept_sign as concept_sign
    from medkt.requests.concept_packages import concept_verify as concept_verify
    from medkt.requests.concept_words import ConceptLintRequest as ConceptLintRequest
    from medkt.requests.concept_words import ConceptNewRequest as ConceptNewRequest
    from medkt.requests.concept_words import concept_lint as concept_lint
    from medkt.requests.concept_words import concept_new as concept_new
    from medkt.requests.concepts import ConceptListRequest as ConceptListRequest
    from medkt.requests.concepts import ConceptShowRequest as ConceptShowRequest
    from medkt.requests.concepts import ConceptsRequest as ConceptsRequest
    from medkt.requests.concepts import concept_list as concept_list
    from medkt.requests.concepts import concept_show as concept_show
    from medkt.requests.concepts import find_concepts as find_concepts
    from medkt.requests.evaluate import evaluate as evaluate
    from medkt.requests.evaluate_request import EvaluateRequest as EvaluateRequest
    from medkt.requests.examination import ModelsExamineRequest as ModelsExamineRequest
    from medkt.requests.examination import models_examine as models_examine
    from medkt.requests.explain import ExplainRequest as ExplainRequest
    from medkt.requests.explain import explain_study as explain_study
    from medkt.requests.installation import check_installation as check_installation
    from medkt.requests.installation import list_syntaxes as list_syntaxes
    from medkt.requests.invert import InvertRequest as InvertRequest
    from medkt.requests.invert import invert_concepts as invert_concepts
    from medkt.requests.learn import LearnRequest as LearnRequest
    from medkt.requests.learn import learn_concept as learn_concept
    from medkt.requests.listener import Listener as Listener
    from medkt.requests.model_cards import ModelsPathRequest as ModelsPathRequest
    from medkt.requests.model_cards import ModelsShowRequest as ModelsShowRequest
    from medkt.requests.model_cards import models_list as models_list
    from medkt.requests.model_cards import models_path as models_path
    from medkt.requests.model_cards import models_show as models_show
    from medkt.requests.model_store import ModelsExportRequest as ModelsExportRequest
    from medkt.requests.model_store import ModelsImportRequest as ModelsImportRequest
    from medkt.requests.model_store import ModelsPullRequest as ModelsPullRequest
    from medkt.requests.model_store import ModelsVerifyRequest as ModelsVerifyRequest
    from medkt.requests.model_store import models_export as models_export
    from medkt.requests.model_store import models_import as models_import
    from medkt.requests.model_store import models_pull as models_pull
    from medkt.requests.model_store import models_verify as models_verify
    from medkt.requests.phantom import PhantomRequest as PhantomRequest
    from medkt.requests.phantom import list_phantoms as list_phantoms
    from medkt.requests.phantom import write_phantom as write_phantom
    from medkt.requests.query import QueryRequest as QueryRequest
    from medkt.requests.query import query as query
    from medkt.requests.report import ReportRequest as ReportRequest
    from medkt.requests.report import write_report as write_report
    from medkt.requests.segment import SegmentRequest as SegmentRequest
    from medkt.requests.segment import segment_studies as segment_studies
    from medkt.spatial import Geometry as Geometry
    from medkt.spatial import Image as Image
    from medkt.spatial import Mask as Mask
    from medkt.spatial import SaliencyMap as SaliencyMap


__getattr__ = names_of("medkt", _WHERE, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
