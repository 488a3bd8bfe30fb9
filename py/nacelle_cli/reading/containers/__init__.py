"""Files with engines that are neither TorchScript programs nor plans: read as data, not run, not unpickled.

``packages`` reads what torch.export.save and AOTInductor write, with ``package_objects`` for the engines and ``graphs``
for the graph; ``package_engines`` writes copies with other records. ``onnx_contexts``, ``executorch`` and
``ultralytics`` read the files of other projects. ``container`` has the result, ``json_texts`` what they read JSON with.
"""
