"""Boxes, regions, grids."""

from onnx_to_torchscript.errors import UnsupportedError
from onnx_to_torchscript.node import Node, number
from onnx_to_torchscript.registry import operator

COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)


@operator("NonMaxSuppression", 10, 11)
def non_max_suppression(node: Node) -> str:
    centred = node.attribute("center_point_box", 0) == 1
    inputs = [node.input(0), node.input(1), node.optional(2), node.optional(3), node.optional(4)]
    return f"fn.detection.non_maximum_suppression({', '.join(inputs)}, {centred})"


@operator("RoiAlign", 10, 22)
def roi_align(node: Node) -> str:
    node.choice("mode", "avg", ("avg",))
    half_pixel = False
    if node.version >= 16:
        known = ("half_pixel", "output_half_pixel")
        half_pixel = node.choice("coordinate_transformation_mode", "half_pixel", known) == "'half_pixel'"
    sizes = [node.attribute(name, default) for name, default in (("output_height", 1), ("output_width", 1))]
    ratio, scale = node.attribute("sampling_ratio", 0), number(node.attribute("spatial_scale", 1.0))
    inputs = ", ".join(node.all_inputs())
    return f"fn.detection.align_regions({inputs}, {sizes[0]}, {sizes[1]}, {ratio}, {scale}, {half_pixel})"


@operator("GridSample", 16, 22)
def grid_sample(node: Node) -> str:
    known = ("bilinear", "linear", "nearest", "bicubic", "cubic")
    mode = node.choice("mode", "linear", known).strip("'")
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
    padding = node.choice("padding_mode", "zeros", ("zeros", "border", "reflection"))
    corners = bool(node.attribute("align_corners", 0))
    inputs = f"{node.input(0)}, {node.input(1)}"
    return f"torch.nn.functional.grid_sample({inputs}, {mode!r}, {padding}, {corners})"


@operator("Resize", 10, 19)
def resize(node: Node) -> str:
    mode = node.choice("mode", "nearest", ("nearest", "linear", "cubic"))
    if node.version == 10:
        return _resize(node, mode, "None", node.input(1), "fn.values.no_ints()", "'asymmetric'", "'floor'")
    transformation = node.choice("coordinate_transformation_mode", "half_pixel", COORDINATES)
    modes = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    nearest = node.choice("nearest_mode", "round_prefer_floor", modes)
    roi = node.optional(1) if transformation == "'tf_crop_and_resize'" else "None"
    scales, sizes = "None", "fn.values.no_ints()"
    if node.has_input(3):  # beside it the scales, which had no way to be left out, are empty
        sizes = node.ints(3)
    elif node.has_input(2):
        scales = node.input(2)
    else:
        raise UnsupportedError("it has neither scales nor sizes")
    return _resize(node, mode, roi, scales, sizes, transformation, nearest)


def _resize(node: Node, mode: str, roi: str, scales: str, sizes: str, transformation: str, nearest: str) -> str:
    policy = node.choice("keep_aspect_ratio_policy", "stretch", ("stretch", "not_larger", "not_smaller"))
    flags = [bool(node.attribute(name, 0)) for name in ("exclude_outside", "antialias")]
    numbers = [number(node.attribute("cubic_coeff_a", -0.75)), number(node.attribute("extrapolation_value", 0.0))]
    how = [mode, transformation, nearest, numbers[0], str(flags[0]), str(flags[1]), numbers[1]]
    way = f"fn.resizing.Resampling({', '.join(how)})"
    arguments = [node.input(0), roi, scales, sizes, node.int_list_attribute("axes"), way, policy]
    return f"fn.resizing.resize({', '.join(arguments)})"


@operator("Upsample", 9, 10)
def upsample(node: Node) -> str:
    mode = node.choice("mode", "nearest", ("nearest", "linear"))
    return _resize(node, mode, "None", node.input(1), "fn.values.no_ints()", "'asymmetric'", "'floor'")
