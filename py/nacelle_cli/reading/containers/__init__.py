"""Files other than TorchScript programs and bare plans that hold engines: read as data, nothing of them run or unpickled.

``packages`` reads what torch.export.save and AOTInductor write; ``onnx_contexts``, ``executorch`` and ``ultralytics``
read the files of other projects. ``container`` has the result, ``json_texts`` what they read JSON with.
"""
