"""Reads files that torch.export.save wrote, and gives torch's reader only what was checked.

torch's reader evaluates texts of such a file, imports modules that it names, unpickles its objects, and makes Python
source of its names. The modules here check each of these by a closed list: ``expressions`` (sizes), ``operators`` (what
the graph calls), ``document`` (all of the JSON), ``archive`` (the members, and the archive that torch reads).
"""
