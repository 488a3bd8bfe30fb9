"""Small programs that reproduce a fault by themselves."""

from __future__ import annotations

from tests.py.fuzz.judge import Finding
from tests.py.fuzz.modules import Case

_END = """

def values(one: nacelle.Input, extent: str, profile: int, generator: torch.Generator) -> Tensor:
    shape = getattr(one.ranges[profile], extent) if one.ranges else one.shape
    if extent == "opt" and generator.initial_seed() == 99:
        return torch.ones(shape, dtype=one.dtype)
    if one.dtype.is_floating_point:
        return torch.randn(shape, generator=generator).to(one.dtype)
    low, high = {torch.bool: (0, 2), torch.uint8: (0, 9)}.get(one.dtype, (-4, 5))
    return torch.randint(low, high, shape, generator=generator).to(one.dtype)


def inputs(label: str) -> List[Tensor]:
    extent, profile = label.rstrip("123456789"), int(label.lstrip("onesptmaxi") or 0)
    seed = 99 if label == "ones" else 10 * ("opt", "max", "min").index(extent) + profile
    generator = torch.Generator().manual_seed(seed)
    return [values(one, "opt" if label == "ones" else extent, profile, generator) for one in INPUTS]


def eager() -> nn.Module:
    module = MAKE()
    for part in module.modules():
        part.training = False
    return module


SUBJECT
"""

_CALLS = """
if {loaded}:
    program.save("/tmp/fuzzed_program.ts")
    programs = {{name: torch.jit.load("/tmp/fuzzed_program.ts") for name in "ab"}}
else:
    programs = {{"a": program}}
modules = {{name: eager() for name in programs}}
with torch.no_grad():
    for name, label in {calls}:
        print(name, label, "wanted", modules[name](*inputs(label)))
        print(name, label, "found ", programs[name](*inputs(label)))
"""


def reproducer(case: Case, finding: Finding) -> str:
    """A program that shows `finding`: it prints each call's result beside the module's."""
    variant = finding.variant
    make = "lambda: torch.jit.script(make())" if variant == "scripted" else "make"
    method = variant if variant in ("script", "trace") else ("trace" if variant == "hybrid trace" else "auto")
    inputs = "HYBRID" if variant.startswith("hybrid") else "INPUTS"
    lines = [f"MAKE = {make}"]
    if "def patch()" in case.text and variant not in ("script", "trace", "scripted"):
        lines += ["nacelle.compile(make(), INPUTS, method='script', backend='reference')", "patch()"]
    lines += [
        "module = MAKE()",
        f"program = nacelle.compile(module, {inputs}, method={method!r}, backend='reference')",
    ]
    text = case.text + _END.replace("MAKE", "MAKE").replace("SUBJECT", "\n".join(lines))
    if finding.detail.startswith("call "):
        calls = [tuple(one.split()) for one in finding.detail.split(":")[0].removeprefix("call ").split(", ")]
        text += _CALLS.format(loaded=calls[0] != ("a", "ones"), calls=calls)
    elif finding.kind.startswith(("save", "load")):
        text += _CALLS.format(loaded=True, calls=[])
    words = f"{finding.variant}: {finding.kind}: {finding.detail}".replace("\n", " ")
    return f"# {words[:300]}\n{text}"
