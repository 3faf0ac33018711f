"""Where values come from: source files by digest, and the steps done to them. Never a patient's name, id, date or path."""

from dataclasses import dataclass, replace

from medkt.spatial.completeness import Completeness


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How something came to be.

    Attributes:
        source: "dicom", "nifti", "nrrd", "metaimage", "raster" or "memory".
        digest: SHA-256 over the source's voxel data and geometry, hex; "" in memory.
        steps: what was done, oldest first, each a short sentence ("modality LUT applied").
        warnings: what a reader of the result should know ("sheared affine", "no pixel spacing").
        completeness: what lay in the input and what of it was read; None in memory.
    """

    source: str = "memory"
    digest: str = ""
    steps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    completeness: Completeness | None = None

    def then(self, step: str) -> "Provenance":
        """The same with one more step."""
        return replace(self, steps=(*self.steps, step))

    def warn(self, warning: str) -> "Provenance":
        """The same with one more warning."""
        return replace(self, warnings=(*self.warnings, warning))
