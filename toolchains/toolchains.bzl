"""Registration of the toolchains that the repositories provide."""

def nacelle_toolchains():
    """Registers the toolchains; to be called after nacelle_repositories()."""
    native.register_toolchains("@python//:toolchain")
