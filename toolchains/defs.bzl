"""The macros of the project's C++ and Python targets, in one place."""

load("//toolchains/cc:defs.bzl", _nacelle_cc_binary = "nacelle_cc_binary", _nacelle_cc_library = "nacelle_cc_library", _nacelle_cc_test = "nacelle_cc_test", _nacelle_header_check = "nacelle_header_check", _nacelle_precompiled_header = "nacelle_precompiled_header", _nacelle_python_extension = "nacelle_python_extension")
load("//toolchains/cc:fuzz.bzl", _nacelle_cc_fuzz_target = "nacelle_cc_fuzz_target")
load("//toolchains/python:defs.bzl", _nacelle_py_binary = "nacelle_py_binary", _nacelle_py_library = "nacelle_py_library", _nacelle_pytest = "nacelle_pytest", _nacelle_pytests = "nacelle_pytests")

nacelle_cc_binary = _nacelle_cc_binary
nacelle_cc_fuzz_target = _nacelle_cc_fuzz_target
nacelle_cc_library = _nacelle_cc_library
nacelle_cc_test = _nacelle_cc_test
nacelle_header_check = _nacelle_header_check
nacelle_precompiled_header = _nacelle_precompiled_header
nacelle_py_binary = _nacelle_py_binary
nacelle_py_library = _nacelle_py_library
nacelle_pytest = _nacelle_pytest
nacelle_pytests = _nacelle_pytests
nacelle_python_extension = _nacelle_python_extension
