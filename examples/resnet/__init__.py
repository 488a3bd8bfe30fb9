"""ResNet-18 as a program with one engine."""
