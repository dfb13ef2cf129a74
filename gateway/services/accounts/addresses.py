"""The form of an e-mail address by which its account is found. Called by accounts and the command line."""

import unicodedata

from email_validator import EmailNotValidError, validate_email

from gateway.protocol.text import caseless


def normal(address: str) -> str:
    """Return an address as it is stored: one for all ways to write it.

    NFKC and folded case, which is what people remember of an address, and the domain in Unicode (IDNA 2008). What is no
    address is folded all the same, and is nobody's.
    """
    folded = unicodedata.normalize("NFKC", caseless(address.strip())).lower()
    try:
        return validate_email(folded, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError:  # mail to a name without a dot, or within a site: fine where no mail is sent
        return folded


def spellings(address: str) -> list[str]:
    """Return the forms under which the account of an address may be stored, the likeliest first.

    Accounts that were opened before addresses were normalised have theirs in lower case and no more.
    """
    return list(dict.fromkeys((normal(address), address.strip().lower())))
