"""`python -m gateway.workers` is a worker process; only a master starts it."""

from gateway.workers.entry import main

if __name__ == "__main__":
    main()
