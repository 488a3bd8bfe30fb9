"""Flags for code on the other side of the binding."""

# It sees callbacks as objects of its own classes, as TensorRT does; that their run-time type is another one is the point.
OTHER_SIDE_COPTS = ["-fno-sanitize=vptr"]
