"""A face detector as one AOTInductor package, run from Python and from C++."""
