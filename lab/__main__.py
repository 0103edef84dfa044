"""``python -m lab``: the command ``lab``, where the environment's bin is not on PATH."""

from lab.cli import main

if __name__ == "__main__":
    main()
