"""Programs and plans as files, read without torch: nothing is executed, and no plan is held in memory.

``nacelle.read`` goes through torch's own reader, which has a program's texts, and so its plans, in memory. This package
reads the same zip archive and the same pickles as a stream and keeps of a plan where it lies. ``programs`` is the
entrance; errors are ``ReadingError``.
"""
