"""``nacelle inspect`` through a shell: JSON, several files, what cannot be read, pipes and terminals."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.cli import samples
from tests.py.cli.terminal import pipe, terminal
from tests.py.networks import TwoHeads, seeded

ESCAPE = "\x1b["


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("samples")
    samples.hybrid(made / "hybrid.ts")
    samples.whole(made / "whole.ts")
    (made / "two_heads.engine").write_bytes(samples.TWO_HEADS_PLAN.read_bytes())
    (made / "empty.ts").write_bytes(b"")
    (made / "cut.ts").write_bytes((made / "whole.ts").read_bytes()[:-300])
    (made / "text.ts").write_text("not a program")
    tensors = io.BytesIO()
    torch.save({"a": torch.ones(3)}, tensors)
    (made / "tensors.pt").write_bytes(tensors.getvalue())
    return made


def test_json(folder: Path) -> None:
    outcome = pipe("nacelle inspect hybrid.ts two_heads.engine --json", folder)
    program, plan = outcome.json
    assert (outcome.code, outcome.err) == (0, "")
    assert (program["file"], program["kind"]) == ("hybrid.ts", "program")
    assert program["forward"]["text"] == "forward(x: Tensor) -> Tuple[Tensor, Tensor]"
    (engine,) = program["engines"]
    (wanted,) = nacelle.read(folder / "hybrid.ts").engines
    assert engine["path"] == wanted.path == "backbone.backbone_trt_engine"
    assert engine["plan"]["sha256"] == hashlib.sha256(wanted.plan).hexdigest()
    profile = {"min": [1, 3, 8, 8], "opt": [4, 3, 8, 8], "max": [4, 3, 8, 8]}
    tensor = {"name": "input_0", "dtype": "float32", "shape": [-1, 3, 8, 8], "profiles": [profile]}
    assert engine["plan"]["inputs"] == [tensor]
    assert program["operators"]["tensorrt::execute_engine"] == 2
    assert program["tensors"]["parameters"]["count"] == 4
    assert [child["name"] for child in program["modules"]["children"]] == ["backbone", "head", "dropout"]
    assert program["extra_files"] == {"notes.txt": 4}
    assert plan["kind"] == "plan"
    assert plan["plan"]["release"] == "8.5.3.1"
    assert plan["plan"]["sha256"] == hashlib.sha256(samples.TWO_HEADS_PLAN.read_bytes()).hexdigest()
    assert plan["plan"]["inputs"] is None


def test_loading_tells_more(folder: Path) -> None:
    program, plan = pipe("nacelle inspect --load --json whole.ts two_heads.engine", folder).json
    loaded = program["engines"][0]["loaded"]
    assert loaded["ready"] is True
    assert loaded["runs_on"].startswith("cpu with the reference engine")
    assert "aten::conv2d" in {layer["kind"] for layer in loaded["layers"]}
    assert loaded["inputs"] == program["engines"][0]["plan"]["inputs"]
    assert plan["loaded"]["ready"] or plan["loaded"]["reason"]


def test_what_cannot_be_read_is_told_and_the_rest_is_shown(folder: Path) -> None:
    outcome = pipe("nacelle inspect empty.ts missing.ts cut.ts tensors.pt text.ts whole.ts .", folder)
    assert outcome.code == 1
    assert "whole.ts  TorchScript program" in outcome.out
    lines = outcome.err.splitlines()
    assert len(lines) == 6
    for line, words in zip(
        lines,
        [
            "nacelle: empty.ts is empty; wanted a program",
            "nacelle: missing.ts: No such file or directory",
            "nacelle: cut.ts begins as a zip archive, and its table of contents cannot be read",
            "nacelle: tensors.pt is what torch.save wrote (tensors or other objects) and no TorchScript program",
            "nacelle: text.ts is of no known kind: 13 bytes that begin with 6e 6f 74",
            "nacelle: . is a folder; wanted the file of a program",
        ],
        strict=True,
    ):
        assert line.startswith(words)


def test_json_of_what_cannot_be_read(folder: Path) -> None:
    outcome = pipe("nacelle inspect empty.ts whole.ts --json 2> /dev/null", folder)
    assert outcome.code == 1
    broken, good = outcome.json
    assert broken["kind"] is None
    assert "is empty" in broken["error"]
    assert good["kind"] == "program"


def test_a_pipe_has_no_colours_and_no_line_breaks(folder: Path) -> None:
    outcome = pipe("nacelle inspect hybrid.ts | grep operators", folder)
    assert outcome.code == 0
    assert ESCAPE not in outcome.out
    assert outcome.out.count("\n") == 1
    assert "more (--json lists all)" in outcome.out


def test_a_pipe_that_is_closed_early_is_no_error(folder: Path) -> None:
    outcome = pipe("nacelle inspect hybrid.ts | head -1", folder)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("hybrid.ts")


def test_a_terminal_has_colours_and_lines_of_its_width(folder: Path) -> None:
    outcome = terminal("nacelle inspect hybrid.ts", folder, columns=72)
    assert outcome.code == 0
    assert ESCAPE in outcome.out
    plain = terminal("nacelle inspect hybrid.ts", folder, columns=72, NO_COLOR="1").out
    assert "\x1b[3" not in plain
    lines = [line for line in plain.replace("\x1b[0m", "").splitlines() if "sha256" not in line]
    assert max(len(line.replace("\x1b[1m", "").replace("\x1b[2m", "")) for line in lines) <= 72
    assert "".join(lines).count("aten::") >= 10


def test_control_characters_do_not_reach_the_terminal(folder: Path) -> None:
    fields = [b"5", b"\x1b[31mred\x07", b"0%0%0%0%cpu", b"bnJlZg==", b"\x1b]0;x\x07", b"", b"0"]
    samples.replace_record(folder / "whole.ts", fields, folder / "hostile.ts")
    outcome = terminal("nacelle inspect hostile.ts", folder, NO_COLOR="1")
    assert "\\x1b[31mred\\x07" in outcome.out
    assert "\x07" not in outcome.out
    assert "\x1b[31m" not in outcome.out


def test_wrong_usage(folder: Path) -> None:
    for arguments, words in (
        ("", "Missing argument 'FILE...'"),
        ("whole.ts --profile t.json", "--profile is for the report: give --html REPORT too"),
        ("whole.ts --json --graph", "--graph prints a text, and --json prints JSON"),
        ("whole.ts --colour", "No such option: --colour"),
    ):
        outcome = pipe(f"nacelle inspect {arguments}", folder)
        assert outcome.code == 2, arguments
        assert words in outcome.words
        assert outcome.out == ""


def test_is_quick_and_does_not_import_torch(folder: Path) -> None:
    """100 MB in under 2 s and 64 MiB, interpreter and all; torch alone would be more than either."""
    samples.large(folder / "whole.ts", folder / "large.ts", 100_000_000)
    outcome = pipe("ulimit -v 400000; time nacelle inspect large.ts", folder, TIMEFORMAT="%U %S")
    assert outcome.code == 0
    assert "(95.4 MiB)" in outcome.out
    user, system = outcome.err.split()
    assert float(user) + float(system) < 2


def test_a_program_without_engines_and_without_forward(tmp_path: Path) -> None:
    class Exported(torch.nn.Module):
        @torch.jit.export
        def doubled(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2

    torch.jit.script(Exported()).save(str(tmp_path / "exported.ts"))
    torch.jit.script(seeded(TwoHeads)).save(str(tmp_path / "plain.ts"))
    outcome = pipe("nacelle inspect exported.ts plain.ts", tmp_path)
    assert outcome.code == 0
    assert "  also         doubled(x: Tensor) -> Tensor\n" in outcome.out
    assert outcome.out.count("  engines      none\n") == 2
