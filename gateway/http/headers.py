"""The security headers of all answers: Helmet's defaults with a stricter content policy. Used by the middleware."""

from aiohttp import web

# For answers other than pages; pages set a policy of their own.
_DATA_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_ALWAYS = {
    "Content-Security-Policy": _DATA_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-XSS-Protection": "0",  # the filter of old browsers has vulnerabilities of its own
}
_HSTS = "max-age=31536000; includeSubDomains"


def protect(response: web.StreamResponse, *, production: bool) -> None:
    """Add the headers to an answer before it is sent; headers that it has already stay."""
    headers = response.headers
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    if production:  # TLS ends at the proxy; browsers ignore the header on plain HTTP
        headers.setdefault("Strict-Transport-Security", _HSTS)
    headers.popall("Server", None)  # do not disclose the software and its version
