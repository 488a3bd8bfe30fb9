"""Gives torch what it needs of engines when it traces, copies and pickles them; done when it is imported."""

from torch_nacelle._export import copies, fake_engine

copies.register()
fake_engine.register()
