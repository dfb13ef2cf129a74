"""`dorami serve --workers N`: a master process and N workers that share one listener.

`master.py` starts, watches, replaces and stops the workers; `worker_process.py` is one of them as the master sees it.
`entry.py` is what a worker process runs: a node whose `shared_listener.py` accepts from the inherited sockets and whose
`handover.py` passes a connection to the worker that has its session. Processes send messages by `pipe.py`, and
`board.py` is memory that they share. `control.py` connects `dorami reload` with the master.
"""
