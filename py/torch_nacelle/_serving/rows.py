"""A program as a function of rows: any number of them, by the names of its inputs, and its outputs by name."""

from collections.abc import Iterator, Mapping, Sequence

import torch

from torch_nacelle._check.compare import compare
from torch_nacelle._programs.arguments import example_tensor
from torch_nacelle._runtime.input import Shape, dtype_name
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle._serving.batches import allowed_sizes, check_inputs, profile_count, sizes_in, split
from torch_nacelle._serving.interface import Interface, check_rows
from torch_nacelle._serving.transfers import Tensors, transfers
from torch_nacelle.errors import Error, ExecutionError, InputError

_ALLOWED_ERROR = 1e-2
"""The relative error of a row's results in two calls of one size, as ``check`` allows it for fp16."""

_ALLOWED_ERROR_OF_SIZES = 1e-1
"""The same in two calls of different sizes, for which TensorRT may have different kernels: as for int8."""

_CHECKED_ROWS = 4
"""Number of rows, if the program takes as many, in the calls that compare the results of a row."""


class RowProgram:
    """A loaded program, called with rows.

    A row is an entry of the first dimension of each input. The rows of a call are split into batches that the program
    takes, up to the largest size of its optimization profiles. Only if no split does without, the last batch is padded
    with copies of its last row, whose results are dropped.

    So a row's results must not depend on the other rows of its batch. This is checked once, when the object is made:
    one row is computed among different neighbours, at different places and in batches of two sizes, and must get the
    same results. The check finds a normalization over the batch, a sum over it and the like; it is no proof.

    For one thread at a time.

    Attributes:
        device: The device that the program runs on.
        inputs: The inputs whose tensors are rows.
        output_names: The names of the outputs.
        max_batch: The largest batch of one call.
        best_batch: The batch that the first optimization profile is fastest at.
    """

    def __init__(
        self,
        interface: Interface,
        *,
        constants: Mapping[str, torch.Tensor] | None = None,
        example: Mapping[str, torch.Tensor] | None = None,
        check_neighbours: bool = True,
    ) -> None:
        """Runs a program at the ends of its optimization profiles, which sets them up.

        Args:
            interface: The program.
            constants: Tensors for the inputs that are the same in every call, by name.
            example: Rows by the input's name, two or more, for a program that fails on made-up values.
            check_neighbours: False leaves out the check that a row's results do not depend on other rows.

        Raises:
            InputError: The inputs are no batches of rows, an output has not one entry for each row, or a row's results
                depend on other rows.
            Error: The program cannot run here.
        """
        self._interface = interface
        self.device = interface.device
        self._constants = self._on_device(constants or {})
        self.inputs = [one for one in interface.inputs if one.name not in self._constants]
        check_inputs(self.inputs)
        self._transfers = transfers(interface.device)
        sizes = [one for one in (sizes_in(self.inputs, number) for number in self._profiles) if one is not None]
        self.max_batch = max(one.max for one in sizes)
        self.best_batch = min([self.max_batch, *(one.range_in(0).opt[0] for one in self.inputs)])
        self._example = self._checked_example(example)
        self._no_rows: Tensors = {}
        self._run_ends()
        self.output_names = tuple(self._no_rows)
        if check_neighbours:
            self._check_neighbours()

    def __call__(self, rows: Mapping[str, torch.Tensor]) -> Tensors:
        """Computes the outputs of some rows.

        Args:
            rows: Tensors on the CPU by the input's name, all with the same first dimension, 0 or more. They are not
                written to. Other names are ignored.

        Returns:
            The outputs by name, on the CPU, in the order of the rows.

        Raises:
            InputError: An input is missing, or has a wrong shape or dtype; or an output has not one entry for each row.
            Error: The program failed.
        """
        count = self.check(rows)
        if count == 0:
            return {name: output.clone() for name, output in self._no_rows.items()}
        given = {one.name: rows[one.name] for one in self.inputs}
        pieces = split(count, allowed_sizes(self.inputs, _shapes(given)))
        results = self._transfers.run(pieces, given, self._call)
        if len(results) == 1:
            return results[0]
        return {name: self._joined(name, [result[name] for result in results]) for name in results[0]}

    def check(self, rows: Mapping[str, torch.Tensor]) -> int:
        """Checks rows as a call does, and returns their number.

        Raises:
            InputError: As a call raises it for its arguments.
        """
        for one in self.inputs:
            if one.name not in rows:
                raise InputError(f'input "{one.name}" is missing; given: {", ".join(rows) or "none"}')
            found = rows[one.name]
            if found.dtype != one.input.dtype:
                wanted = dtype_name(one.input.dtype)
                raise InputError(
                    f'input "{one.name}" has dtype {dtype_name(found.dtype)}; wanted {wanted}; convert the rows to it'
                )
            if found.dim() == 0:
                raise InputError(f'input "{one.name}" has no dimension; wanted rows')
        counts = {one.name: rows[one.name].shape[0] for one in self.inputs}
        count = counts[self.inputs[0].name]
        if any(other != count for other in counts.values()):
            told = ", ".join(f'"{name}" {other}' for name, other in counts.items())
            raise InputError(f"inputs have different numbers of rows: {told}; wanted the same")
        if count > 0:
            allowed_sizes(self.inputs, _shapes({one.name: rows[one.name] for one in self.inputs}))
        return count

    def example(self, count: int) -> Tensors:
        """Returns rows that the program has taken: the given ones over and over, or made-up ones."""
        if self._example:
            return {name: _repeated(tensor, count) for name, tensor in self._example.items()}
        return self._made_up(count, self._best_shapes, torch.Generator("cpu").manual_seed(0))

    @property
    def _profiles(self) -> range:
        return range(profile_count(self.inputs))

    @property
    def _best_shapes(self) -> dict[str, Shape]:
        return {one.name: one.range_in(0).opt[1:] for one in self.inputs}

    def _on_device(self, constants: Mapping[str, torch.Tensor]) -> Tensors:
        names = [one.name for one in self._interface.inputs]
        for name, tensor in constants.items():
            if name not in names:
                raise InputError(f'constants has "{name}", which is no input; there are: {", ".join(names)}')
            if not isinstance(tensor, torch.Tensor):
                raise InputError(f'constants has a {type(tensor).__name__} for "{name}"; wanted a tensor')
        return {name: tensor.to(self._interface.device) for name, tensor in constants.items()}

    def _checked_example(self, example: Mapping[str, torch.Tensor] | None) -> Tensors:
        if example is None:
            return {}
        count = self.check(example)
        if count < min(2, self.max_batch):
            raise InputError(f"the example has {count} rows; wanted two or more, to compare neighbours")
        return {one.name: example[one.name] for one in self.inputs}

    def _call(self, inputs: Tensors, size: int) -> Tensors:
        """Calls the program with tensors on its device; each output has one entry for each row."""
        given = {**inputs, **self._constants}
        outputs = self._interface.call([given[one.name] for one in self._interface.inputs])
        check_rows(outputs, size)
        return outputs

    def _joined(self, name: str, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        shapes = sorted({tuple(part.shape[1:]) for part in parts})
        if len(shapes) > 1:
            told = " and ".join(str(list(shape)) for shape in shapes)
            raise InputError(
                f'rows of output "{name}" have the shapes {told} in batches of one call; wanted one shape: call the '
                f"program with {self.max_batch} rows at most"
            )
        return torch.cat(list(parts))

    def _run_ends(self) -> None:
        for rows in self._ends():
            try:
                results = self(rows)
            except Exception as error:
                if self._example or (isinstance(error, Error) and not isinstance(error, ExecutionError)):
                    raise
                raise ExecutionError(
                    f"the program fails on made-up rows: {first_lines(error)}; if it does not take any values, give "
                    "rows that it takes as the example"
                ) from error
            self._no_rows = self._no_rows or {name: output[:0].clone() for name, output in results.items()}

    def _ends(self) -> Iterator[Tensors]:
        """Batches of the smallest and of the largest size of each profile."""
        if self._example:
            for sizes in allowed_sizes(self.inputs, _shapes(self._example)):
                yield from (self.example(size) for size in sorted({sizes.min, sizes.max}))
            return
        generator = torch.Generator("cpu").manual_seed(0)
        for number in self._profiles:
            sizes_here = sizes_in(self.inputs, number)
            if sizes_here is None:
                continue
            low = {one.name: one.range_in(number).min[1:] for one in self.inputs}
            high = {one.name: one.range_in(number).max[1:] for one in self.inputs}
            yield self._made_up(sizes_here.min, low, generator)
            if (sizes_here.min, low) != (sizes_here.max, high):
                yield self._made_up(sizes_here.max, high, generator)

    def _made_up(self, count: int, shapes: Mapping[str, Shape], generator: torch.Generator) -> Tensors:
        return {
            one.name: example_tensor((count, *shapes[one.name]), one.input.dtype, generator=generator)
            for one in self.inputs
        }

    def _check_neighbours(self) -> None:
        """Computes one row in three calls, and compares its results: among other rows, last, in another batch size."""
        row, some, others = self._neighbours()
        allowed = allowed_sizes(self.inputs, _shapes(row))
        sizes = max(allowed, key=lambda one: one.max)
        size = max(sizes.min, min(_CHECKED_ROWS, sizes.max))
        least, most = min(one.min for one in allowed), sizes.max
        first = self({name: torch.cat([row[name], _repeated(some[name], size - 1)]) for name in row})
        if size > 1:
            last = self({name: torch.cat([_repeated(others[name], size - 1), row[name]]) for name in row})
            for name, output in first.items():
                _compare_row(name, last[name][-1], output[0], "the other rows of its batch", _ALLOWED_ERROR)
        other = least if least != size else most
        if other != size:
            resized = self({name: torch.cat([row[name], _repeated(some[name], other - 1)]) for name in row})
            for name, output in first.items():
                if output.is_floating_point():  # a rounding may decide about others
                    _compare_row(name, resized[name][0], output[0], "the batch size", _ALLOWED_ERROR_OF_SIZES)

    def _neighbours(self) -> tuple[Tensors, Tensors, Tensors]:
        """A row, and two lots of rows to be its neighbours."""
        if self._example:
            rows = self._example
            return (
                {name: tensor[:1] for name, tensor in rows.items()},
                rows,
                {name: tensor[1:] for name, tensor in rows.items()},
            )
        generator = torch.Generator("cpu").manual_seed(0)
        row, some, others = (
            self._made_up(count, self._best_shapes, generator) for count in (1, _CHECKED_ROWS, _CHECKED_ROWS)
        )
        # Statistics of the batch become quite different ones.
        large = {name: 3 * one + 1 if one.is_floating_point() else one for name, one in others.items()}
        return row, some, large


def _compare_row(name: str, found: torch.Tensor, wanted: torch.Tensor, cause: str, allowed: float) -> None:
    comparison = compare(_real(found), _real(wanted))
    if not comparison.within(allowed):
        raise InputError(
            f'output "{name}" of a row depends on {cause}: {comparison.summary}; wanted results that each row has '
            "alone, since rows are put together as they come; export the model in eval mode, or without operations "
            "over the batch"
        )


def _shapes(rows: Mapping[str, torch.Tensor]) -> dict[str, Shape]:
    return {name: tuple(tensor.shape[1:]) for name, tensor in rows.items()}


def _repeated(rows: torch.Tensor, count: int) -> torch.Tensor:
    """As many rows as `count`: the given ones over and over."""
    return rows[torch.arange(count) % rows.shape[0]]


def _real(tensor: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
