"""`python -m unrolled` is `unrolled`."""

from unrolled.cli.main import main

if __name__ == "__main__":
    main()
