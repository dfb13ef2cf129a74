"""People with an account. Read and written by the accounts services; messages and streams refer to them."""

from enum import StrEnum
from uuid import uuid4

from tortoise import fields
from tortoise.models import Model


class UserStatus(StrEnum):
    """Whether an account may be used."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class User(Model):
    """One account. Its e-mail address is stored in a normalised form, so that it is unique in every spelling."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    email = fields.CharField(max_length=254, unique=True)
    username = fields.CharField(max_length=32)
    password_hash = fields.CharField(max_length=255)
    role = fields.CharField(max_length=16, default="USER")  # USER, HOST, MODERATOR or ADMIN; guests have no account
    status = fields.CharField(max_length=16, default=UserStatus.ACTIVE.value)
    suspended_reason = fields.CharField(max_length=500, null=True)  # only while suspended
    must_change_password = fields.BooleanField(default=False)  # somebody else knows the present one
    password_link_hash = fields.CharField(max_length=64, null=True, unique=True)  # SHA-256 of a one-time link
    password_link_ends_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        """Administrators list accounts newest first."""

        table = "users"
        indexes = (("created_at", "id"),)

    def __repr__(self) -> str:
        return f"<User {self.id}>"  # neither address nor hash

    def end_password_link(self) -> tuple[str, str]:
        """Remove the one-time link for a password, and return the names of its fields, which the caller stores."""
        self.password_link_hash = self.password_link_ends_at = None
        return "password_link_hash", "password_link_ends_at"

    @property
    def suspended(self) -> bool:
        """Whether the account must not be used for now."""
        return self.status == UserStatus.SUSPENDED
