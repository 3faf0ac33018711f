"""Everything that derives from the embedded model's weights: what it is, which files hold it, how each is made anew.

    python evaluation/small_model/derived.py --list                       # what there is, and of which weights each was made
    python evaluation/small_model/derived.py --run                        # everything, cheapest first; hours
    python evaluation/small_model/derived.py --run words saliency         # these alone
    python evaluation/small_model/derived.py --made words                 # it was made by hand with the weights as they are

New weights make all of this old at once: tables, thresholds and presets that were chosen on them, figures in README, card and
pages. `derived.json` keeps, for each, the digests of the weights that it was last made with; `--list` says which are of other ones.
A command that ends well is written down there. What a command cannot do is a person's part, and is said beside it.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "medkt" / "models" / "small" / "weights"
KEPT = Path(__file__).resolve().with_name("derived.json")
PYTHON = "{python} "
MEDKT = "{python} -m medkt "


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """One thing that follows from the weights.

    Attributes:
        name: what `--run` calls it.
        what: what it is.
        files: that hold it, from the root of the repository.
        commands: that make it, in order; {python}, {data} and {work} stand for this interpreter, the folder of real images and a
            temporary folder.
        minutes: of one core, about.
        by_hand: what is left to a person.
        of: "encoder", "segmenter" or "both": whose weights count.
    """

    name: str
    what: str
    files: tuple[str, ...]
    commands: tuple[str, ...] = ()
    minutes: int = 0
    by_hand: str = ""
    of: str = "both"


DERIVED = (
    Derived(
        name="records", what="digests of the files, settings and losses of the training",
        files=(
            "medkt/models/small/weights/encoder.json", "medkt/models/small/weights/segmenter.json",
            "evaluation/small_model/encoder_training.json", "evaluation/small_model/segmenter_training.json",
        ),
        by_hand="written by `python evaluation/small_model train` beside the weights; copied with them",
    ),
    Derived(
        name="guard", what="where the images lie that the encoder knows, by which a guard holds strangers back, and what it does hold back",
        files=("medkt/models/small/weights/guard.safetensors", "evaluation/guard/results/strangers.md"),
        commands=(
            PYTHON + "evaluation/small_model guard --data {data}",
            PYTHON + "evaluation/guard/strangers.py --data {data} --write evaluation/guard/results/strangers.md",
        ),
        minutes=6, of="encoder", by_hand="the limits are looked at where the table shows studies held back that are none",
    ),
    Derived(
        name="known-normals", what="drawn normal studies as the encoder sees them, by which its presence rule decides, and how much a lesion covers",
        files=("medkt/models/small/weights/normals.safetensors",),
        commands=(PYTHON + "evaluation/small_model normals",), minutes=12, of="encoder",
        by_hand="after `guard`, which says which planes are odd; FLOOR and `rate` in medkt/segmentation/presence.py are looked at anew",
    ),
    Derived(
        name="tables", what="zero-shot accuracy, dense maps and DSC of the segmenter, the model's own tables",
        files=("evaluation/small_model/tables.json", "evaluation/small_model/tables.md"),
        commands=(PYTHON + "evaluation/small_model evaluate --data {data}",), minutes=10,
    ),
    Derived(
        name="words", what="word swaps: which attributes of a sentence the encoder follows, as a whole and phrase by phrase",
        files=(
            "evaluation/small_model/results/words.md", "evaluation/small_model/results/words.jsonl", "docs/concepts/small_model.md",
        ),
        commands=(
            PYTHON + "evaluation/small_model/words.py level", PYTHON + "evaluation/small_model/words.py words",
            PYTHON + "evaluation/small_model/words.py classes", PYTHON + "evaluation/small_model/words.py tables",
        ),
        minutes=6, of="encoder",
        by_hand="what `level` prints is PHRASE_LEVEL in medkt/models/small/dual_encoder.py, set before the rest is run",
    ),
    Derived(
        name="examination", what="what the encoder understands: ships with it, `segment` and `learn` warn from it; the card's tables",
        files=("medkt/models/small/weights/examination.json", "medkt/models/small/CARD.md"),
        commands=(PYTHON + "evaluation/small_model/examination.py",), minutes=2, of="encoder",
    ),
    Derived(
        name="examination-cost", what="what an examination costs; the small model's row, beside those of generated checkpoints, which stay",
        files=("evaluation/results/examine_full_size.md", "evaluation/results/examine_full_size.json"),
        commands=(PYTHON + "evaluation/benchmarks/examine_full_size.py small --data {data}",), minutes=2, of="encoder",
    ),
    Derived(
        name="two-lesions", what="two lesions in one picture by map, and the choice of the map's default",
        files=("evaluation/small_model/results/two_lesions.md", "evaluation/small_model/results/two_lesions.jsonl"),
        commands=(
            PYTHON + "evaluation/small_model/words.py choose", PYTHON + "evaluation/small_model/words.py report",
            PYTHON + "evaluation/small_model/words.py besides --data {data}",
            PYTHON + "evaluation/small_model/words.py tables",
        ),
        minutes=45,
        by_hand="if another candidate is chosen than the default, the settings follow (see `words.py`)",
    ),
    Derived(
        name="saliency", what="medkt's own map settings beside the published ones, specificity among them",
        files=("evaluation/results/saliency_default.md", "evaluation/results/saliency_default.json"),
        commands=(PYTHON + "evaluation/saliency_default.py --each 1 --write",), minutes=8,
        by_hand="configs/presets/default.yaml names it as the reason for the defaults of `saliency.method` and `relevance`",
    ),
    Derived(
        name="saliency-methods", what="the saliency methods beside one another, on phantoms and BUSI",
        files=("evaluation/results/saliency_methods.md", "evaluation/results/saliency_methods.jsonl"),
        commands=(
            PYTHON + "evaluation/saliency_methods.py run --busi {data}/us/busi --roles {data}/manifest.tsv", PYTHON + "evaluation/saliency_methods.py write",
        ), minutes=30,
        by_hand="saliency_methods.jsonl is moved away first; docs/concepts/saliency.md repeats its figures",
    ),
    Derived(
        name="normals", what="what is called seen in studies without a finding; how odd a plane of a volume may be was chosen on others",
        files=("evaluation/results/normals.md", "evaluation/results/normals.jsonl", "medkt/guard/modality.py"),
        commands=(PYTHON + "evaluation/normals.py measure", PYTHON + "evaluation/normals.py table"), minutes=20,
        by_hand="normals.jsonl is moved away first; docs/concepts/presence.md repeats its figures; ODD in medkt/guard/modality.py is looked at anew",
    ),
    Derived(
        name="presence", what="how often a finding is called present, by rule; the default threshold and support were chosen on it",
        files=("evaluation/results/presence_rule.md", "medkt/segmentation/presence.py", "docs/concepts/presence.md"),
        commands=(
            PYTHON + "evaluation/presence_rule.py --domains mri --normals 6 --each 1",
            PYTHON + "evaluation/presence_rule.py --domains ct --each 2",
        ),
        minutes=30,
        by_hand="the two tables printed are put into the page; the defaults in presence.py are looked at anew",
    ),
    Derived(
        name="calibration", what="promised against measured false positives of calibrated presence",
        files=("evaluation/results/presence_calibration.md",),
        commands=(
            PYTHON + "evaluation/presence_calibration.py --data {data} --rows {work}/rows.npz"
            " --write evaluation/results/presence_calibration.md",
        ),
        minutes=6,
        by_hand="a site's own calibrations say which weights they are of and are refused with others",
    ),
    Derived(
        name="whole-line", what="DSC, IoU and NSD of whole phantom studies, the table of the README",
        files=("evaluation/results/whole_line.md", "evaluation/results/whole_line.json", "README.md"),
        commands=(
            PYTHON + "evaluation/whole_line.py --studies 10 --volumes 4 --normals 8 --preset default"
            " --write evaluation/results/whole_line.md",
        ),
        minutes=60, by_hand="the table of README's section on phantoms is copied from it",
    ),
    Derived(
        name="busi", what="breast ultrasound by protocol",
        files=("evaluation/results/busi.md",),
        commands=(
            MEDKT + "evaluate --protocol busi --data {data}/us/busi -o {work}/busi --keep-ids --keep-column class_name",
            PYTHON + "evaluation/busi_table.py {work}/busi --roles {data}/manifest.tsv --write evaluation/results/busi.md",
        ),
        minutes=15,
    ),
    Derived(
        name="busi-learnt", what="breast ultrasound after learning \"breast tumour\" from words",
        files=("evaluation/results/busi_kt.md",),
        commands=(
            MEDKT + "learn us_breast_tumour -o {work}/tumour.medkt",
            MEDKT + "evaluate --protocol busi --data {data}/us/busi -c {work}/tumour.medkt -o {work}/busi_kt --keep-ids"
            " --keep-column class_name",
        ),
        minutes=30,
        by_hand="`evaluation/busi_table.py` of the two halves that lie in the output folder; README quotes the gain",
    ),
    Derived(
        name="verdicts", what="what the audit of a learning says of findings, nonsense, other modalities and renamed findings",
        files=(
            "evaluation/audit/results/verdicts.jsonl", "evaluation/audit/results/verdicts.md", "evaluation/audit/README.md",
            "medkt/audit/verdict.py",
        ),
        commands=(PYTHON + "evaluation/audit/verdicts.py",),
        minutes=60,
        by_hand="rows of other weights are moved away first; the bounds of the rule were chosen on the cases that cases.yaml lists",
    ),
    Derived(
        name="knowledge-transfer", what="what a name means on findings that the model never met: asked in every way, and taught",
        files=(
            "evaluation/kt_phantom/results/rows.jsonl", "evaluation/kt_phantom/results/segmented.jsonl",
            "evaluation/kt_phantom/results/tables.md", "evaluation/kt_phantom/results/areas.png",
            "evaluation/kt_phantom/results/limits.md", "evaluation/kt_phantom/results/published.md",
            "evaluation/kt_phantom/results/published.jsonl", "evaluation/kt_phantom/README.md", "README.md",
            "configs/learn/fast.yaml", "configs/learn/quick.yaml", "configs/transfer/default.yaml",
            "configs/inversion/quick.yaml",
        ),
        commands=(
            PYTHON + "evaluation/kt_phantom/run.py --findings held,invented,new --teach base,local --seeds 5",
            PYTHON + "evaluation/kt_phantom/run.py --findings held --teach controls,labelled-1,labelled-3,labelled-10,labelled-30,fast"
            " --seeds 2",
            PYTHON + "evaluation/kt_phantom/segmented.py --findings held --teach base,local",
            PYTHON + "evaluation/kt_phantom/tables.py --readme README.md",
            PYTHON + "evaluation/kt_phantom/plots.py",
            PYTHON + "evaluation/kt_phantom/limits.py --write evaluation/kt_phantom/results/limits.md",
            PYTHON + "evaluation/kt_phantom/published.py",
        ),
        minutes=900,
        by_hand=(
            "rows of other weights are moved away first; the presets were chosen on the invented findings; README and the tutorial quote "
            "figures"
        ),
    ),
    Derived(
        name="knowledge-transfer-by-name", what="an earlier measurement of learning, by bare name alone",
        files=("evaluation/kt_phantom/results/by_name.jsonl", "evaluation/kt_phantom/results/by_name.md"), commands=(),
        minutes=0, by_hand="nothing makes it any more, since it is a weak measure; `knowledge-transfer` stands in its place",
    ),
    Derived(
        name="knowledge-transfer-real", what="learning on real images",
        files=(
            "evaluation/kt_real/results/small/rows.jsonl", "evaluation/kt_real/results/small/run.json",
            "evaluation/kt_real/results/small/table.md", "evaluation/kt_real/README.md",
        ),
        commands=(
            PYTHON + "evaluation/kt_real/run.py --data {data} --preset quick",
        ),
        minutes=90, by_hand="rows of other weights are moved away first; README.md and the page on knowledge transfer repeat its figures",
    ),
    Derived(
        name="prose", what="captions made of paragraphs: nearest findings by the text tower",
        files=("evaluation/prose/results/meaning.md",),
        commands=(PYTHON + "evaluation/prose/meaning.py",), minutes=1, by_hand="evaluation/prose/README.md repeats its median", of="encoder",
    ),
    Derived(
        name="real-files", what="`medkt segment` on real files: what was found in each",
        files=("evaluation/results/real_files.md",),
        commands=(PYTHON + "evaluation/real_files.py --data {data} --write evaluation/results/real_files.md",), minutes=10,
    ),
    Derived(
        name="text-maps", what="how steady text maps are, in the page on saliency",
        files=("docs/concepts/saliency.md",),
        by_hand="three breast ultrasounds, three prompts, `medkt explain`: correlations with another seed, study and noise",
        of="encoder",
    ),
    Derived(
        name="card", what="the figures of the model's card and of the page on it",
        files=("medkt/models/small/CARD.md", "docs/concepts/small_model.md"),
        by_hand="from `tables`, `words` and `two-lesions`; sizes, times and licences from the training's records",
    ),
    Derived(
        name="pages", what="output that pages show; their commands run in tests/docs, their figures are looked at",
        files=(
            "docs/get_started.md", "docs/tutorials/segment_a_ct.md", "docs/tutorials/segment_with_your_own_words.md",
            "docs/tutorials/read_a_saliency_map.md", "docs/tutorials/teach_a_finding.md",
        ),
        commands=(PYTHON + "-m pytest -q tests/docs",), minutes=10, by_hand="figures in the output blocks are copied from a run",
    ),
)  # fmt: skip


def main() -> int:
    """List, make, or write down what was made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--list", action="store_true")
    action.add_argument("--run", nargs="*", metavar="NAME")
    action.add_argument("--made", nargs="+", metavar="NAME")
    parser.add_argument("--data", default=os.environ.get("MEDKT_DATA", "../shared/data"), help="folder of real images")
    arguments = parser.parse_args()
    if arguments.list:
        return _list()
    chosen = arguments.made or arguments.run or [one.name for one in sorted(DERIVED, key=lambda one: one.minutes)]
    unknown = sorted(set(chosen) - {one.name for one in DERIVED})
    if unknown:
        parser.error(f"nothing is called {', '.join(unknown)}; known: {', '.join(one.name for one in DERIVED)}")
    known = {one.name: one for one in DERIVED}
    if arguments.made:
        _keep([known[name] for name in chosen])
        return 0
    return max(_run(known[name], arguments.data) for name in chosen)


def weights() -> dict[str, str]:
    """The first digits of the two files' SHA-256."""
    files = {part: WEIGHTS / f"{part}.safetensors" for part in ("encoder", "segmenter")}
    return {part: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for part, path in files.items()}


def state(one: Derived, made: dict[str, dict[str, str]], now: dict[str, str]) -> str:
    """Whether it was made "of these weights", "of other weights", or that is "not known"."""
    if one.name not in made:
        return "not known"
    parts = ("encoder", "segmenter") if one.of == "both" else (one.of,)
    same = all(made[one.name].get(part) == now[part] for part in parts)
    return "of these weights" if same else "of other weights"


def _list() -> int:
    made, now = _made(), weights()
    print(f"encoder {now['encoder']}, segmenter {now['segmenter']}")
    for one in DERIVED:
        print(f"\n{one.name}: {one.what} [{state(one, made, now)}]")
        for file in one.files:
            print(f"  {file}")
        for command in one.commands:
            print(f"  $ {command.format(python='python', data='DATA', work='WORK')}")
        if one.commands:
            print(f"  about {one.minutes} minutes of one core")
        if one.by_hand:
            print(f"  by hand: {one.by_hand}")
    return 0


def _run(one: Derived, data: str) -> int:
    """Its commands in order; the exit status of the first that fails."""
    print(f"== {one.name}: {one.what}", flush=True)
    if not one.commands:
        print(f"   by hand: {one.by_hand}")
        return 0
    with tempfile.TemporaryDirectory() as work:
        for command in one.commands:
            said = command.format(python=sys.executable, data=data, work=work)
            print(f"$ {said}", flush=True)
            status = subprocess.run(said.split(), cwd=ROOT, check=False).returncode
            if status:
                print(f"{one.name}: exit {status}; nothing is written down of it", file=sys.stderr)
                return status
    _keep([one])
    if one.by_hand:
        print(f"   by hand: {one.by_hand}")
    return 0


def _made() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    return found


def _keep(done: list[Derived]) -> None:
    made = _made() | {one.name: weights() for one in done}
    KEPT.write_text(json.dumps(dict(sorted(made.items())), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
