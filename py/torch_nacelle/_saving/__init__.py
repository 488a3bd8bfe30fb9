"""Programs of every kind saved to files and loaded from them: TorchScript, exported programs, AOTInductor packages."""
