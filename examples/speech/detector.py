"""The whole detector, from samples to probabilities, as one module that TorchScript compiles.

The network looks at one window after the other and keeps its memory in a state that it is given and returns. It is
a submodule: in the saved program it is an engine, and the loop around it stays TorchScript.
"""

import torch
from torch import Tensor, nn

RATE = 16000  # samples a second that the network was trained for
WINDOW = 512  # new samples that it takes at a time
CONTEXT = 64  # samples before the window that it is given again
STATE = (2, 1, 128)
MAX_WINDOWS = 1024  # that SequenceDetector gives to its network at a time: 33 s


class SpeechDetector(nn.Module):
    """Tells for each window of a sound how probable it is that someone speaks."""

    def __init__(self, network: nn.Module) -> None:
        """Takes the network: (window [1, 576], state [2, 1, 128], rate) to (probability [1, 1], state)."""
        super().__init__()
        self.network = network
        self.rate = RATE
        self.window = WINDOW
        self.context = CONTEXT

    def forward(self, sounds: Tensor) -> Tensor:
        """Runs over sounds.

        Args:
            sounds: float32 [n, samples], 16000 a second, from -1 to 1; each is a sound of its own.

        Returns:
            float32 [n, windows], from 0 to 1; a window is 32 ms, the last one filled up with silence.

        Raises:
            ValueError: the sounds have another dtype or shape (torch.jit.Error from TorchScript, with the same words).
        """
        windows = cut(sounds, self.window, self.context)
        rate = torch.tensor(self.rate, device=sounds.device)
        found = sounds.new_zeros(windows.shape[:2])
        for row in range(windows.size(0)):
            state = sounds.new_zeros([2, 1, 128])
            for index in range(windows.size(1)):
                probability, state = self.network(windows[row, index : index + 1], state, rate)
                found[row, index] = probability[0, 0]
        return found


class SequenceDetector(nn.Module):
    """The same with a network that takes many windows at a time, and so is called less often."""

    def __init__(self, network: nn.Module) -> None:
        """Takes the network: (windows [n, 576], two states [1, 1, 128]) to (probabilities [n], both states)."""
        super().__init__()
        self.network = network
        self.window = WINDOW
        self.context = CONTEXT
        self.most = MAX_WINDOWS

    def forward(self, sounds: Tensor) -> Tensor:
        """Runs over sounds; see ``SpeechDetector``."""
        windows = cut(sounds, self.window, self.context)
        found = sounds.new_zeros(windows.shape[:2])
        for row in range(windows.size(0)):
            hidden = sounds.new_zeros([1, 1, 128])
            cell = sounds.new_zeros([1, 1, 128])
            for start in range(0, windows.size(1), self.most):
                part, hidden, cell = self.network(windows[row, start : start + self.most], hidden, cell)
                found[row, start : start + self.most] = part
        return found


def cut(sounds: Tensor, window: int, context: int) -> Tensor:
    """The windows [n, windows, context + window] of sounds [n, samples], silence before the first and in the last."""
    if sounds.dim() != 2 or sounds.dtype != torch.float32:
        raise ValueError(f"sounds have shape {list(sounds.shape)}; they must be float32 [n, samples]")
    count = (sounds.size(1) + window - 1) // window
    if count == 0:
        return sounds.new_zeros([sounds.size(0), 0, context + window])
    padded = torch.constant_pad_nd(sounds, [context, count * window - sounds.size(1)])
    return padded.unfold(1, context + window, window).contiguous()
