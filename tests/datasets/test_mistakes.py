"""Every layout with its most likely mistakes: one line that names the file or row and what to do."""

import shutil
from pathlib import Path

import pytest
from dataset_mistakes import COMMON, MISTAKES, OPTIONS
from dataset_trees import TREES

from medkt.datasets.builders import LAYOUTS, build_manifest
from medkt.errors import InputError, UnknownNameError


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sound tree a layout."""
    place = tmp_path_factory.mktemp("trees")
    for name, draw in TREES.items():
        (place / name).mkdir()
        draw(place / name)
    return place


@pytest.mark.parametrize(
    ("layout", "mistake"), [(layout, one) for layout in LAYOUTS.own for one in (*COMMON, *MISTAKES[layout])]
)
def test_a_mistake_is_said(layout: str, mistake: str, trees: Path, tmp_path: Path) -> None:
    root = tmp_path / layout
    shutil.copytree(trees / layout, root)
    spoil, says = (COMMON | MISTAKES[layout])[mistake]
    options = OPTIONS.get(layout, {}) | (spoil(root) or {})
    with pytest.raises(InputError, match=says) as caught:
        build_manifest(layout, root, checked=None, **options)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value) or "case" in str(caught.value) or "BraTS" in str(caught.value)
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS.own)
def test_a_sound_tree_is_read_whole(layout: str, trees: Path) -> None:
    assert len(build_manifest(layout, trees / layout, checked=None, **OPTIONS.get(layout, {}))) > 0


def test_an_unknown_layout_lists_the_others(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no layout 'kits'; known: paired, nnunet"):
        build_manifest("kits", tmp_path)
