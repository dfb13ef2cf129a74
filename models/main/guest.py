"""The sessions of guests that were opened while Redis was away. Written by guest_sessions_postgres.py."""

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.models import Model


class GuestSession(Model):
    """One session of one guest, with the SHA-256 of its refresh tokens. Deleted when it is moved to Redis."""

    session_id = fields.CharField(max_length=64, primary_key=True)
    guest_id = fields.CharField(max_length=64)
    device = fields.CharField(max_length=256)
    current = fields.CharField(max_length=64)  # of the current token
    spent: fields.Field[list[str]] = ArrayField(element_type="text", default=list)  # of earlier tokens, newest last
    salt = fields.CharField(max_length=64, null=True)  # to derive the current token from the one before
    rotated_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    used_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()

    class Meta:
        """Found by id, by guest, and when it has run out."""

        table = "guest_sessions"
        indexes = (("guest_id",), ("expires_at",))
