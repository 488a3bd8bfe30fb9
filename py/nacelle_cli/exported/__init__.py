"""Reads files that torch.export.save wrote, and gives torch's reader only what was checked.

torch's reader evaluates texts of such a file, imports modules that it names, unpickles its objects, and makes Python
source of its names. So each of these is checked against a closed list: ``expressions`` checks sizes, ``operators`` the
calls of the graph, ``document`` the whole JSON, and ``archive`` the members. ``archive`` also makes the archive that
torch reads.
"""
