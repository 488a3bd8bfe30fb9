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
        if sounds.dim() != 2 or sounds.dtype != torch.float32:
            raise ValueError(f"sounds have shape {list(sounds.shape)}; they must be float32 [n, samples]")
        count = (sounds.size(1) + self.window - 1) // self.window
        missing = count * self.window - sounds.size(1)
        padded = torch.constant_pad_nd(sounds, [self.context, missing])
        rate = torch.tensor(self.rate, device=sounds.device)
        found = sounds.new_zeros([sounds.size(0), count])
        for row in range(sounds.size(0)):
            state = sounds.new_zeros([2, 1, 128])
            for index in range(count):
                start = index * self.window
                window = padded[row : row + 1, start : start + self.context + self.window].contiguous()
                probability, state = self.network(window, state, rate)
                found[row, index] = probability[0, 0]
        return found
