"""`python -m gateway` is `dorami`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
