"""The vocabulary of the wire: events, payloads, answers, and the tables from which documents are made."""
