"""Links between the pages lead somewhere: to a file that exists, and to a heading that it has."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *ROOT.glob("plugins/*/README.md"),
    *(page for page in ROOT.glob("docs/**/*.md") if "_build" not in page.parts),
]
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page: Path) -> set[str]:
    """What GitHub and MyST call the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8").lower(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> list[str]:
    """The links of a page whose file or heading is missing."""
    dead = []
    for file, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(f"{file}#{anchor}")
    return dead


@pytest.mark.parametrize("page", sorted(PAGES), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading(page):
    assert dead_links(page) == []


def test_dead_links_are_found(tmp_path):
    links = "[good](a.md#some-words) [no file](b.md) [no heading](a.md#other)"
    (tmp_path / "a.md").write_text("# Some words\n" + links)
    assert dead_links(tmp_path / "a.md") == ["b.md#", "a.md#other"]


def test_the_gallery_shows_every_example():
    shown = {file for file, _ in LINK.findall((ROOT / "docs" / "gallery.md").read_text("utf-8"))}
    scripts = {f"../{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("examples/**/*.py")}
    assert scripts <= shown
