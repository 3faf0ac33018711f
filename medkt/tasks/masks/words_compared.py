"""Two runs compared, as rows of words."""

from medkt.tasks.masks.comparison import ComparedLine
from medkt.tasks.masks.words import figure, interval_text, p_text

COMPARED_HEAD = (
    "concept", "cases", "metric", "mean difference (95 %)", "Hodges-Lehmann (95 %)", "effect", "Wilcoxon p", "Holm",
    "permutation p", "Holm", "used", "patients", "only first", "only second",
    "no claim, first", "no claim, second",
)  # fmt: skip


def compared_row(line: ComparedLine) -> tuple[str, ...]:
    """A line under `COMPARED_HEAD`."""
    found = line.comparison
    return (
        line.concept, line.part, found.metric, interval_text(found.mean), interval_text(found.shift),
        figure(found.rank_biserial, 2), p_text(found.wilcoxon_p), p_text(line.holm_wilcoxon),
        p_text(found.permutation.p_value), p_text(line.holm_permutation), str(found.cases), str(found.patients),
        str(found.only_first), str(found.only_second),
        *map(str, line.no_claim),
    )  # fmt: skip
