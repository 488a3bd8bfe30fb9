"""The committed golden records are the ones that their script makes."""

import pathlib

import pytest

from tests.data.records import make_golden

RECORDS = pathlib.Path("tests/data/records")


@pytest.mark.parametrize("version", range(make_golden.OLDEST_VERSION, make_golden.NEWEST_VERSION + 1))
def test_file_is_what_the_script_makes(version: int) -> None:
    """Each file has, byte for byte, the text that the script gives for its version."""
    assert (RECORDS / f"v{version}.record").read_bytes() == make_golden.file_text(version).encode("ascii")


def test_there_is_no_other_file() -> None:
    """The folder holds one file a version."""
    versions = range(make_golden.OLDEST_VERSION, make_golden.NEWEST_VERSION + 1)
    assert {path.name for path in RECORDS.glob("*.record")} == {f"v{version}.record" for version in versions}
