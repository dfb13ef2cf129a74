"""Revocations in force, stored for the case that Redis loses its data. Written by stored_revocations.py."""

from tortoise import fields
from tortoise.models import Model


class Revocation(Model):
    """One entry of the revocations in Redis, under the same key, until no token that it concerns can be valid."""

    key = fields.CharField(max_length=200, primary_key=True)
    value = fields.CharField(max_length=120)
    expires_at = fields.DatetimeField()

    class Meta:
        """Read after Redis has lost them; deleted when they have expired."""

        table = "revocations"
        indexes = (("expires_at",),)
