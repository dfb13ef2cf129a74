"""Runs a worker process: `python -m gateway.workers`. Only a master starts it."""

from gateway.workers.entry import main

if __name__ == "__main__":
    main()
