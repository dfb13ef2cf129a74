"""The form of an e-mail address by which its account is found. Called by accounts and the command line."""

import unicodedata

from email_validator import EmailNotValidError, validate_email

from gateway.errors import InvalidPayload
from gateway.protocol.text import caseless

MAX_LENGTH = 254  # code points of the stored form, which may be 18 times as long as what was typed


def normal(address: str) -> str:
    """Return an address as it is stored: one for all ways to write it.

    NFKC and folded case, which is what people remember of an address, and the domain in Unicode (IDNA 2008). What is no
    address is folded all the same, and is nobody's. Raises InvalidPayload if that form is too long to be stored.
    """
    form = _form(address)
    if len(form) > MAX_LENGTH:
        raise InvalidPayload("The e-mail address is too long", details=[{"field": "email", "problem": "too long"}])
    return form


def _form(address: str) -> str:
    folded = unicodedata.normalize("NFKC", caseless(address.strip())).lower()
    try:
        return validate_email(folded, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError:  # mail to a name without a dot, or within a site: fine where no mail is sent
        return folded


def spellings(address: str) -> list[str]:
    """Return the forms under which the account of an address may be stored, the likeliest first.

    Accounts from before addresses were normalised have theirs in lower case only.
    """
    forms = dict.fromkeys((normal(address), address.strip().lower()))
    return [form for form in forms if len(form) <= MAX_LENGTH]
