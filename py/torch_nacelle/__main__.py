"""``python -m torch_nacelle`` is the command ``nacelle``."""

from nacelle_cli.app import main

if __name__ == "__main__":
    main()
