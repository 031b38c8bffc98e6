"""The page of states against the code."""

from pathlib import Path

from marquee.states import page

ROOT = Path(__file__).parents[3]


def test_the_page_says_what_the_services_go_by() -> None:
    """When this fails: `python -m marquee.states > docs/states.md`."""
    assert (ROOT / "docs" / "states.md").read_text() == page()
