"""Text in pictures, found and read by two ONNX models that others made."""
