"""Engines in what torch traces: torch.compile, torch.export, copies and pickles of engines."""
