"""The extension: core/ for Python."""

from collections.abc import Sequence

CPU_DEVICE: str
"""The device that records of the reference engine name."""

DEFAULT_ABI_VERSION: int
"""The version that new records get unless they need a later one."""

ENGINE_FIELD: int
"""The index of the field that holds the plan."""

PLAN_START: int
"""Bytes at the start of a plan that ``PlanHeader.parse`` needs."""

class Record:
    """A serialized engine record, as docs/reference/records.md describes it."""

    def __init__(
        self, *, version: int, name: bytes, device: bytes, plan: bytes, hardware_compatible: bool = False
    ) -> None:
        """A record whose other fields are neutral.

        Raises:
            RecordError: `device` is no device's text.
        """

    @staticmethod
    def parse(fields: Sequence[bytes], *, with_plan: bool = True) -> Record:
        """Reads a record. Without its plan the plan's field is not looked at, and ``plan`` is empty.

        Raises:
            RecordError: It is damaged; the message names the field.
        """

    def fields(self) -> list[bytes]:
        """Returns what ``parse`` reads: the fields of the record's version.

        Raises:
            RecordError: The version cannot hold a value; the message names the field.
        """

    @property
    def version(self) -> int: ...
    @property
    def encoded(self) -> bool:
        """True if the field of the plan is in base64."""

    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str:
        """As it is written: ``0%9%0%0%NVIDIA H100 80GB HBM3``."""

    @property
    def device_description(self) -> str:
        """The device for a person: ``GPU 0 "NVIDIA A10" (compute capability 8.6)``, ``the CPU``."""

    plan: bytes
    """Its bytes, whatever the version. Reading it copies them."""

    @property
    def input_names(self) -> list[str]:
        """In the order of a call; empty if the record lists none."""

    @property
    def output_names(self) -> list[str]:
        """In the order of a call; empty if the record lists none."""

    @property
    def flags(self) -> dict[str, object]:
        """The other fields by name, neutral if the version lacks them: see ``torch_nacelle.EngineInfo.flags``."""

    metadata: bytes
    """What a compiler left; never interpreted."""

class PlanHeader:
    """What the first bytes of a plan tell."""

    @staticmethod
    def parse(start: bytes, size: int) -> PlanHeader:
        """Reads the header.

        Args:
            start: The first ``PLAN_START`` bytes of the plan, or all of a shorter one.
            size: Bytes of the whole plan.

        Raises:
            PlanError: The plan is of no known kind, or cut off.
        """

    @property
    def kind(self) -> str:
        """``"TensorRT"``, ``"TensorRT-RTX"`` or ``"reference engine"``."""

    @property
    def release(self) -> str:
        """``"8.6.1.6"``; of a reference plan its format version."""

    @property
    def description(self) -> str:
        """Kind and release for a person, with the reason if no library that Nacelle calls can run it."""

_Tensor = tuple[str, str, list[int], list[tuple[list[int], list[int], list[int]]]]

def describe_reference_plan(start: bytes, size: int) -> tuple[str, int, list[_Tensor], list[_Tensor]]:
    """Reads a plan of the reference engine up to its module.

    Args:
        start: The first bytes of the plan, with all that comes before its module.
        size: Bytes of the whole plan.

    Returns:
        The engine's name, the number of optimization profiles, the inputs and the outputs in the plan's order. Each
        tensor is its name, its dtype as torch names it without ``torch.``, its shape with -1 for a dynamic extent, and
        (min, opt, max) for each optimization profile.

    Raises:
        PlanError: It is no such plan, or damaged, or `start` is too short. The checksum is not looked at.
    """

def has_plan_magic(start: bytes) -> bool:
    """True if the bytes begin as a plan of a known kind does."""

class Gpu:
    """A GPU of this machine."""

    @property
    def number(self) -> int:
        """CUDA's number of it."""

    @property
    def name(self) -> str: ...
    @property
    def compute_capability(self) -> tuple[int, int]: ...
    @property
    def memory(self) -> int:
        """Its bytes; 0 if the driver does not tell."""

class Driver:
    """The CUDA driver of this machine."""

    @property
    def version(self) -> int:
        """CUDA's number of the newest CUDA that it runs: 13020 is 13.2. 0 if no driver could be opened."""

    @property
    def gpus(self) -> list[Gpu]:
        """As CUDA numbers them; empty if `problem` says why."""

    @property
    def problem(self) -> str:
        """Why there are no GPUs; empty if there are."""

class Library:
    """A file that may be a TensorRT runtime library."""

    @property
    def path(self) -> str:
        """The file; a bare name if the system was asked for it."""

    @property
    def source(self) -> str:
        """The place where it was looked for, for a person."""

    @property
    def kind(self) -> str:
        """``"full"``, ``"lean"``, ``"dispatch"`` or ``"TensorRT-RTX"``."""

    @property
    def release(self) -> str:
        """``"10.15.1.29"``; empty if it could not be opened."""

    @property
    def problem(self) -> str:
        """Why it could not be opened; empty if it could."""

def record_version(text: bytes, field_count: int) -> int:
    """Returns the version of a record of `field_count` fields, of which `text` is the first.

    Raises:
        RecordError: The version is not known, or has another number of fields.
    """

def holds_base64(version: int) -> bool:
    """True if records of `version` hold the plan in base64, not as raw bytes."""

def encode_base64(content: bytes) -> bytes:
    """Returns base64 of RFC 4648, padded.

    The parts of a content may be encoded one by one if all but the last are multiples of three bytes.
    """

def decode_base64(part: bytes, start: int, size: int) -> bytes:
    """Decodes the part of a text of `size` characters that begins at position `start`.

    Both `start` and the length of `part` are multiples of four, unless the text ends with `part`.

    Raises:
        RecordError: The text is malformed; the message has the position in the whole of it.
        InputError: `part` is cut or placed otherwise.
    """

def quote(text: bytes, limit: int = 80) -> str:
    """Returns `text` in quotes for a message, safe for a terminal, cut after `limit` bytes."""

def printable(text: bytes) -> str:
    r"""Returns `text` safe for a terminal: control characters are ``\xNN``, marks of direction ``\u202e``."""

def cuda_driver() -> Driver:
    """Opens the driver at the first call, and asks it for its GPUs. The first outcome stands for the process."""

def tensorrt_libraries(package_folders: list[str]) -> list[Library]:
    """See ``nacelle_core.tensorrt_libraries``; `package_folders` are those in which wheels of NVIDIA may be."""
