"""The example of a Triton server from outside."""

from pathlib import Path

from tests.examples.program import run, succeed

PROGRAM = "examples/serving/triton_server"


def test_requests_of_one_client_and_of_several_are_measured(tmp_path: Path) -> None:
    ended = succeed(PROGRAM, "--backend", "reference", "--clients", "4", "--seconds", "1", folder=tmp_path)
    rows = [line for line in ended.output.splitlines() if line.startswith("| Triton, 1 instance ")]
    assert [row.split("|")[2].strip() for row in rows] == ["1", "4"]
    assert all("not told" not in row for row in rows)
    assert not list(tmp_path.iterdir())


def test_wrong_usage_is_named(tmp_path: Path) -> None:
    ended = run(PROGRAM, "--clients", "0", folder=tmp_path)
    assert ended.status == 2 and "--clients" in ended.error_text
