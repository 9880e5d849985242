"""docs/roles.md is the role matrix that the service obeys."""

from pathlib import Path

from app.domain.vocabulary import Role
from app.services.role_matrix import MATRIX, Area, Right
from app.services.role_page import AREAS, SHORT, roles_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "roles.md"


def test_the_page_is_what_the_table_gives():
    """`python -m app.services.role_page > docs/roles.md` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == roles_page()


def test_the_page_has_every_area_and_role():
    """A new area or role gets its words."""
    assert set(AREAS) == set(MATRIX) == set(Area)
    assert list(SHORT) == list(Role)
    assert len(set(AREAS.values())) == len(Area)


def test_the_table_knows_no_other_rights():
    """Each cell is some of R, C, U and S, in that order."""
    order = "".join(Right)
    for row in MATRIX.values():
        for cell in row.values():
            assert cell == "".join(letter for letter in order if letter in cell)
