"""MTCNN, a face detector of three networks, as one program with three engines."""
