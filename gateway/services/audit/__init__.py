"""The audit log of the staff's actions."""
