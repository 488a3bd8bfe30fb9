"""Speech detection with an ONNX model that others made, whose state goes in and out of the engine."""
