"""The conformance tests of one release."""

load("//toolchains:defs.bzl", "nacelle_pytest")

_TESTS = [
    "callbacks_test.py",
    "context_test.py",
    "engine_test.py",
    "library_test.py",
    "lifetime_test.py",
]

# Release of NVIDIA's bindings: the release that the library presents itself as to them. A table is named by the headers it
# was made from; a release without one is presented as the newest that is not newer, as the runtime takes it too.
_PRESENTED = {
    "8.6.1": "8.6.1",
    "10.0.1": "10.0.1",
    "10.3.0": "10.3.0",
    "10.7.0": "10.7.0",
    "10.13.3.9": "10.13.3.9",
    "10.15.1.29": "10.15.1.29",
    "11.0.0.114": "11.0.0.114",
    "11.2.1.2": "11.1",
    "11.4.0.106": "11.1",
    "1.5.0.114": "rtx",
    "1.7.1.116": "rtx",
}

def conformance_test(release):
    """Three tests of NVIDIA's bindings.

    They drive the library, they notice one whose slots are wrong, and they call a builder's and a parser's functions in
    the slots of the tables.

    Args:
      release: the release of the bindings.
    """
    name = release.replace(".", "_")
    _pytest("bindings_%s_test" % name, release, _TESTS, "//reference:libnacelle_reference.so")
    _pytest(
        "wrong_slots_%s_test" % name,
        release,
        ["wrong_slots_test.py"],
        "//tests/conformance:libnacelle_wrong_slots.so",
        data = _TESTS,
    )

    _pytest(
        "builder_slots_%s_test" % name,
        release,
        ["builder_slots_test.py"],
        "//tests/conformance:libbuilder_probe.so",
        data = ["//tests/py/slot_tables:print_slot_tables"],
    )

def _pytest(name, release, srcs, library, data = []):
    nacelle_pytest(
        name = name,
        srcs = srcs,
        conftest = ["conftest.py"],
        data = data + [
            library,
            "@tensorrt_bindings_%s//:files" % release.replace(".", "_"),
        ],
        env = {
            "NACELLE_BINDINGS": release,
            "NACELLE_CONFORMANCE_LIBRARY": "$(rootpath %s)" % library,
            "NACELLE_REFERENCE_RELEASE": _PRESENTED[release],
        },
        # "pinned": the bindings come from the locks.
        tags = [
            "nosan",
            "pinned",
        ],
        deps = ["//tests/conformance:clients"],
    )
